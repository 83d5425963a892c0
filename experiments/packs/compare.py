"""Compares a pack with what was recorded of it: identical, the same samples made anew, or not."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.packs.recipes import Recipe, Row, listing_text

Arrays = Mapping[str, NDArray[Any]]

#: How far the looks of two ways to prepare one sample may be apart.
TOLERANCE = 8

_LISTING = frozenset({"labels", "split", "ids", "class_names", "subject"})
_SAMPLES = frozenset({"jpeg", "mulaw", "x", "offsets"})
_DIGEST_BYTES = 2


@dataclass(frozen=True)
class Comparison:
    """What a pack is to the record.

    Attributes:
        is_right: whether it holds the recorded samples, if perhaps with other bytes.
        text: what was found.
    """

    is_right: bool
    text: str


def array_digest(array: NDArray[Any]) -> str:
    """SHA-256 of an array's elements in C order, hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def rows_of(arrays: Arrays) -> tuple[Row, ...]:
    """The listing of a pack; windows of motion have no files and are numbered."""
    labels, split = arrays["labels"].tolist(), arrays["split"].tolist()
    if "ids" in arrays:
        ids = [name.decode(errors="replace") for name in arrays["ids"].tolist()]
    else:
        subjects = arrays["subject"].tolist()
        ids = [f"subject {subject} window {number}" for number, subject in enumerate(subjects)]
    return tuple(map(Row, split, labels, ids))


def listing_digest(arrays: Arrays) -> str:
    """SHA-256 of which sample is in which split under which label, hexadecimal."""
    text = listing_text(rows_of(arrays), arrays["class_names"].tolist())
    return hashlib.sha256(text.encode()).hexdigest()


def samples_of(arrays: Arrays) -> list[NDArray[Any]]:
    """Every sample: a JPEG file uint8 [bytes], or codes uint8 [samples], or a window."""
    samples: NDArray[Any] = next(arrays[name] for name in ("jpeg", "mulaw", "x") if name in arrays)
    if "offsets" in arrays:
        return [samples[start:stop] for start, stop in pairwise(arrays["offsets"].tolist())]
    return list(samples)


def look(sample: NDArray[np.uint8], *, is_image: bool) -> tuple[int, int, int]:
    """Three bytes that other ways to prepare a sample hardly change.

    Of an image its mean red, green and blue; of codes their mean, their mean distance from
    silence, and the length in units of 256 samples.
    """
    if is_image:
        red, green, blue = np.rint(_pixels(sample).mean(axis=(0, 1))).astype(int).tolist()
        return red, green, blue
    codes = sample.astype(np.float64)
    middle, loudness = round(codes.mean()), round(float(np.abs(codes - 127.5).mean()))
    return middle, loudness, min(255, len(codes) // 256)


def make_prints(arrays: Arrays) -> NDArray[np.uint8]:
    """What is recorded of every sample: uint8 [samples, 5]."""
    is_image = "jpeg" in arrays
    return np.array(
        [(*_short_digest(one), *look(one, is_image=is_image)) for one in samples_of(arrays)],
        np.uint8,
    )


def compare(recipe: Recipe, arrays: Arrays, other: Arrays | None = None) -> Comparison:
    """Compares a pack with the record and, if there is one, with another copy of the pack.

    Args:
        recipe: of the pack.
        arrays: that were made or read.
        other: a copy that is known to be right, for the difference of pixels.
    """
    recorded = recipe.recorded
    if missing := sorted(recorded.arrays.keys() - arrays.keys()):
        return Comparison(False, f"it lacks the array {missing[0]!r}")
    if added := sorted(arrays.keys() - recorded.arrays.keys()):
        return Comparison(False, f"it also has the array {added[0]!r}, which was not recorded")
    for name, about in recorded.arrays.items():
        expected, shape = np.dtype(about["dtype"]), about["shape"]
        if arrays[name].dtype.kind != expected.kind or arrays[name].ndim != len(shape):
            found = f"{arrays[name].dtype} {list(arrays[name].shape)}"
            return Comparison(False, f"{name} is {found} instead of {expected} {shape}")
    lengths = {name: len(arrays[name]) for name in _LISTING & arrays.keys() - {"class_names"}}
    if len(set(lengths.values())) != 1:
        return Comparison(False, f"its arrays do not have one length: {lengths}")
    if listing_digest(arrays) != recorded.listing:
        return Comparison(False, f"another listing: {_listing_difference(recipe, arrays)}")
    changed = {name for name, about in recorded.arrays.items() if _is_other(arrays[name], about)}
    if not changed:
        return Comparison(True, "identical")
    if not changed & _SAMPLES:
        return Comparison(True, f"same listing and samples, other {', '.join(sorted(changed))}")
    return _compare_samples(recipe, arrays, other)


def _is_other(array: NDArray[Any], about: Mapping[str, Any]) -> bool:
    return (
        array.dtype != np.dtype(about["dtype"])
        or list(array.shape) != about["shape"]
        or array_digest(array) != about["sha256"]
    )


def _listing_difference(recipe: Recipe, arrays: Arrays) -> str:
    expected, found = recipe.recorded.rows, rows_of(arrays)
    if len(expected) != len(found):
        return f"{len(found):,} samples instead of {len(expected):,}"
    for index, (one, other) in enumerate(zip(expected, found, strict=True)):
        if one != other:
            return f"sample {index} is {_told(other)} instead of {_told(one)}"
    return "the class names are not those that were recorded"


def _told(row: Row) -> str:
    return f"{row.id} (label {row.label}, split {row.split})"


def _compare_samples(recipe: Recipe, arrays: Arrays, other: Arrays | None) -> Comparison:
    noun = next(
        noun
        for name, noun in (("jpeg", "JPEG bytes"), ("mulaw", "codes"), ("x", "values"))
        if name in arrays
    )
    prints = recipe.recorded.prints
    is_image = "jpeg" in arrays
    try:
        samples = samples_of(arrays)
        found = None if prints is None else make_prints(arrays)
    except (OSError, ValueError) as error:
        return Comparison(False, f"same listing, but samples that cannot be read ({error})")
    parts: list[str] = []
    is_right = False
    if prints is not None and found is not None:
        if len(found) != len(prints):
            return Comparison(False, f"{len(found):,} samples instead of {len(prints):,}")
        count = int((found[:, :_DIGEST_BYTES] != prints[:, :_DIGEST_BYTES]).any(axis=1).sum())
        apart = np.abs(found[:, _DIGEST_BYTES:].astype(int) - prints[:, _DIGEST_BYTES:])
        is_right = int(apart.max()) <= TOLERANCE
        what = "mean colours" if is_image else "means"
        parts += [f"{count:,} of {len(samples):,} files differ"]
        parts += [f"{what} differ by at most {apart.max()}"]
        if not is_right:
            first = int(np.argmax(apart.max(axis=1) > TOLERANCE))
            parts += [f"which is too much, first in {recipe.recorded.rows[first].id}"]
    else:
        parts += ["the source's files are used as they are, so these are other files"]
    if other is not None:
        parts += _against(samples, samples_of(other), is_image=is_image)
    return Comparison(is_right, f"same listing, other {noun} ({', '.join(parts)})")


def _against(
    samples: list[NDArray[Any]], others: list[NDArray[Any]], *, is_image: bool
) -> list[str]:
    """What the differences from another copy are."""
    pairs = list(zip(samples, others, strict=True))
    count = sum(not np.array_equal(one, other) for one, other in pairs)
    told = [f"{count:,} of {len(pairs):,} differ from the other copy"]
    if is_image:
        differences = [_pixel_difference(one, other) for one, other in pairs]
        told += [f"mean pixel difference {np.mean(differences):.2f}"]
    return told


def _pixel_difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    if np.array_equal(one, other):
        return 0.0
    return float(np.abs(_pixels(one) - _pixels(other)).mean())


def _pixels(jpeg: NDArray[np.uint8]) -> NDArray[np.float64]:
    image = Image.open(io.BytesIO(jpeg.tobytes()))
    return np.asarray(image.convert("RGB"), np.float64)


def _short_digest(sample: NDArray[Any]) -> tuple[int, ...]:
    return tuple(hashlib.sha256(sample.tobytes()).digest()[:_DIGEST_BYTES])
