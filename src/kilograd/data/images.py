"""Decodes images into int8 samples."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from kilograd.data import kinds
from kilograd.data.broken import read_each
from kilograd.data.pixels import LARGE_PIXELS, read_picture
from kilograd.data.source import Decoded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kilograd.data.pixels import Picture
    from kilograd.data.samples import InputSpec

SUFFIXES = kinds.IMAGES.suffixes


def decode_images(sources: Sequence[tuple[str, Path | bytes]], spec: InputSpec) -> NDArray[np.int8]:
    """As `read_images`, without the notes: int8 [n, height, width, channels]."""
    return read_images(sources, spec).inputs


def read_images(sources: Sequence[tuple[str, Path | bytes]], spec: InputSpec) -> Decoded:
    """Decodes, resizes (bilinear, whole image, no crop) and quantizes images.

    Args:
        sources: for each image where it is, for messages, and its file or its bytes.
        spec: the size, the channels and the quantization to reach.

    Raises:
        DataError: the network reads no images.
        BrokenSamplesError: images that do not decode, or have too many pixels; all of them.
    """
    inputs = np.empty((len(sources), *spec.shape), np.int8)
    spec.check_images()
    told: list[tuple[bool, bool, bool]] = []

    def decode(index: int) -> None:
        where, source = sources[index]
        picture = read_picture(where, source, spec)
        inputs[index] = spec.from_pixels(picture.pixels)
        told.append(_facts(picture))

    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.simplefilter("ignore")  # Pillow's remarks on files that it reads nevertheless
        read_each("images", len(sources), decode, pool.map)
    return Decoded(inputs, _notes(told))


def _facts(picture: Picture) -> tuple[bool, bool, bool]:
    return picture.is_animated, picture.has_pages, picture.is_large


def _notes(each: Sequence[tuple[bool, bool, bool]]) -> tuple[str, ...]:
    texts = (
        "several frames, the first one is used",
        "several pages, the first one is used",
        f"over {LARGE_PIXELS // 1_000_000} million pixels, scaled down while they were read",
    )
    counts = [sum(facts[place] for facts in each) for place in range(len(texts))]
    told = [(count, text) for count, text in zip(counts, texts, strict=True) if count]
    return tuple(f"{count} of {len(each)} images: {text}" for count, text in told)
