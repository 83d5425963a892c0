"""Prepares the files of a source as a pack holds them.

Preparations, and what is not known of those that packs were made with:

- `copy`: the JPEG file as it is;
- `crop`: the short side to 128 pixels (bicubic), the centre 128×128 of that, JPEG of quality 90;
- `squash`: to 128×128 whatever the proportions, JPEG of quality 90. Bicubic; the record does not
  name the filter;
- `encode`: the same pixels, JPEG of quality 90;
- `resample`: speech to 8 kHz (`scipy.signal.resample_poly`), cut or filled with silence to one
  second, mu-law;
- `mulaw`: speech of 8 kHz, mu-law, each recording as long as it is;
- `windows`: nine files of one signal each, a line a window, as float16.

Files are JPEG of Pillow's defaults: their tables and sampling are those that were recorded.
How sizes are rounded, and whether audio is scaled by 32768 or 32767, was not recorded.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from math import gcd
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from experiments.packs.recipes import Recipe, Source
from kilograd.errors import DataError

EXTENT = 128
_QUALITY = 90
_RATE = 8000
_SIGNALS = "windows"


def wanted_files(recipe: Recipe) -> list[tuple[str, Source, str]]:
    """Every file that is read: what it is called (a sample or a signal), its source, its path."""
    if recipe.preparation == _SIGNALS:
        names = recipe.recorded.fixed["channels"]
        return [(name, *recipe.locate(f"{name}_test.csv")) for name in names]
    return [(row.id, *recipe.locate(row.id)) for row in recipe.recorded.rows]


def prepare(recipe: Recipe, content: bytes) -> bytes | NDArray[Any]:
    """One file of the source as the pack holds it.

    Returns:
        A JPEG file; or codes uint8 [samples]; or one signal float16 [windows, samples].

    Raises:
        DataError: when the file is not what it should be; without where that is.
    """
    try:
        return _PREPARATIONS[recipe.preparation](content)
    except (OSError, ValueError, soundfile.LibsndfileError) as error:
        raise DataError(
            f"it cannot be read ({type(error).__name__})",
            hint="files of Git LFS have to be fetched" if content.startswith(b"version ") else None,
        ) from error


def assemble(recipe: Recipe, prepared: Mapping[str, bytes | NDArray[Any]]) -> dict[str, Any]:
    """The arrays of a pack from its prepared files, by id."""
    recorded = recipe.recorded
    rows = recorded.rows
    arrays: dict[str, Any] = {
        "labels": [row.label for row in rows],
        "split": [row.split for row in rows],
        "ids": [row.id.encode() for row in rows],
        **recorded.fixed,
    }
    for name, values in recorded.per_class.items():
        arrays[name] = [values[row.label] for row in rows]
    if recipe.preparation == _SIGNALS:
        arrays["x"] = np.stack([prepared[name] for name in recorded.fixed["channels"]], axis=-1)
        arrays["subject"] = [int(row.id.split()[1]) for row in rows]
    elif "jpeg" in recorded.arrays:
        files = [bytes(prepared[row.id]) for row in rows]
        arrays["jpeg"] = np.frombuffer(b"".join(files), np.uint8)
        arrays["offsets"] = np.cumsum([0, *map(len, files)])
    else:
        clips = [np.asarray(prepared[row.id], np.uint8) for row in rows]
        if "offsets" in recorded.arrays:
            arrays["mulaw"] = np.concatenate(clips)
            arrays["offsets"] = np.cumsum([0, *map(len, clips)])
        else:
            arrays["mulaw"] = np.stack(clips)
    # In the order and the types of the record.
    return {
        name: np.asarray(arrays[name], about["dtype"]) for name, about in recorded.arrays.items()
    }


def _copy(content: bytes) -> bytes:
    Image.open(io.BytesIO(content)).verify()
    return content


def _crop(content: bytes) -> bytes:
    image = _opened(content)
    scale = EXTENT / min(image.size)
    width, height = (max(EXTENT, round(extent * scale)) for extent in image.size)
    left, top = (width - EXTENT) // 2, (height - EXTENT) // 2
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return _jpeg(resized.crop((left, top, left + EXTENT, top + EXTENT)))


def _squash(content: bytes) -> bytes:
    return _jpeg(_opened(content).resize((EXTENT, EXTENT), Image.Resampling.BICUBIC))


def _encode(content: bytes) -> bytes:
    return _jpeg(_opened(content))


def _opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def _mulaw(content: bytes) -> NDArray[np.uint8]:
    samples, rate = _heard(content)
    if rate != _RATE:
        raise ValueError(f"it has {rate} samples a second")
    return mulaw_codes(samples)


def _resample(content: bytes) -> NDArray[np.uint8]:
    try:
        from scipy import signal  # noqa: PLC0415 - only this preparation needs it
    except ImportError as error:
        raise DataError("scipy is not installed", hint="pip install scipy") from error
    samples, rate = _heard(content)
    shared = gcd(rate, _RATE)
    untyped: Any = signal
    resampled = np.asarray(untyped.resample_poly(samples, _RATE // shared, rate // shared))[:_RATE]
    return mulaw_codes(np.pad(resampled, (0, _RATE - len(resampled))))


def _heard(content: bytes) -> tuple[NDArray[np.float64], int]:
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float64", always_2d=True)
    return samples.mean(axis=1), rate


def mulaw_codes(samples: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Codes of samples in -1..1; `kilograd.features.mulaw` says what they stand for."""
    clipped = np.clip(samples, -1, 1)
    y = np.sign(clipped) * np.log1p(255 * np.abs(clipped)) / np.log(256)
    return np.rint((y + 1) * 127.5).astype(np.uint8)


def _windows(content: bytes) -> NDArray[np.float16]:
    return np.loadtxt(io.StringIO(content.decode()), delimiter=",").astype(np.float16)


_PREPARATIONS: Mapping[str, Callable[[bytes], bytes | NDArray[Any]]] = {
    "copy": _copy,
    "crop": _crop,
    "squash": _squash,
    "encode": _encode,
    "resample": _resample,
    "mulaw": _mulaw,
    _SIGNALS: _windows,
}
