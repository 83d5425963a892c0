"""Decodes images into int8 samples."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from kilograd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kilograd.data.samples import InputSpec

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm"})
MAX_PIXELS = 64_000_000

_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM")
_DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def decode_images(sources: Sequence[tuple[str, Path | bytes]], spec: InputSpec) -> NDArray[np.int8]:
    """Decodes, resizes (bilinear, whole image, no crop) and quantizes images.

    Args:
        sources: for each image where it is, for messages, and its file or its bytes.
        spec: the size, the channels and the quantization to reach.

    Returns:
        int8 [n, height, width, channels].

    Raises:
        DataError: the first image that does not decode, or has over `MAX_PIXELS` pixels.
    """
    inputs = np.empty((len(sources), *spec.shape), np.int8)
    spec.check_images()
    table = spec.pixel_table()

    def decode(index: int) -> None:
        where, source = sources[index]
        inputs[index] = table[_pixels(where, source, spec)]

    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.simplefilter("ignore")  # Pillow's remarks on files that it reads nevertheless
        for _ in pool.map(decode, range(len(sources))):
            pass
    return inputs


def _pixels(where: str, source: Path | bytes, spec: InputSpec) -> NDArray[np.uint8]:
    """Returns uint8 [height, width, channels]."""
    try:
        stream = source if isinstance(source, Path) else io.BytesIO(source)
        opened: Image.Image = Image.open(stream, formats=_FORMATS)
        with opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise DataError(
                    f"the image has {opened.width}x{opened.height} pixels; "
                    f"at most {MAX_PIXELS // 1_000_000} million are read",
                    where=where,
                )
            opened.load()
            image = _eight_bit(ImageOps.exif_transpose(opened))
            image = image.convert("L" if spec.channels == 1 else "RGB")
            image = image.resize((spec.width, spec.height), Image.Resampling.BILINEAR)
            return np.reshape(np.asarray(image, np.uint8), spec.shape)
    except _DAMAGED as error:
        raise DataError(
            "the image does not decode",
            where=where,
            hint="replace it or take it out; read are JPEG, PNG, BMP, GIF, WebP and PPM",
        ) from error


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scales 16-bit grey down; Pillow's own conversion would clip it to white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
