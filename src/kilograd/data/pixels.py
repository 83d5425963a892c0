"""One image file, whatever it holds, as 8-bit pixels of the size that a network reads."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from kilograd.data.broken import UnreadableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kilograd.data.samples import InputSpec

#: More than this is refused: an A4 page at 1200 dots an inch has 139 million.
MAX_PIXELS = 170_000_000
#: From here on an image is scaled down before anything else, one at a time, to save memory.
LARGE_PIXELS = 64_000_000

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
READ = "read are JPEG, PNG, BMP, GIF, WebP, PPM and TIFF"

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
)
#: Formats by the brand that follows ``ftyp``, whatever the file's name is.
_BRANDS = {"HEIC": (b"heic", b"heix", b"heim", b"heis", b"hevc"), "AVIF": (b"avif", b"avis")}
_HEIF_BRANDS = (b"mif1", b"msf1")
#: A JPEG may hold a second picture, such as a depth map, without being an animation.
_ANIMATED = ("GIF", "WEBP", "PNG")
_ONE_LARGE_IMAGE = threading.Lock()
_WHITE = 255
_ORIENTATION = 0x0112
#: Orientations that exchange height and width.
_ON_A_SIDE = range(5, 9)
#: A large image is first divided by whole numbers to no less than so many times what is needed.
_REDUCING_GAP = 3.0


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded image.

    Attributes:
        pixels: uint8 [height, width, channels].
        is_animated: whether only the first of several frames was read.
        has_pages: whether only the first of several pages was read.
        is_large: whether it was scaled down while it was decoded.
    """

    pixels: NDArray[np.uint8]
    is_animated: bool
    has_pages: bool
    is_large: bool


def read_picture(where: str, source: Path | bytes, spec: InputSpec) -> Picture:
    """Decodes an image and resizes it (bilinear, whole image, no crop).

    It is turned as its EXIF orientation says. What is transparent lies on white. Of 16 bits a
    channel the upper 8 are taken; CMYK becomes RGB without a colour profile.

    Args:
        where: the image is, for messages.
        source: its file or its bytes.
        spec: the size and the channels to reach.

    Raises:
        UnreadableError: it does not decode, or has over `MAX_PIXELS` pixels.
    """
    try:
        stream = source if isinstance(source, Path) else io.BytesIO(source)
        opened: Image.Image = Image.open(stream, formats=FORMATS)
        with opened:
            return _picture(where, opened, spec)
    except UnreadableError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(where, "more") from error
    except _DAMAGED as error:
        raise _undecodable(where, source) from error


def _picture(where: str, opened: Image.Image, spec: InputSpec) -> Picture:
    count = opened.width * opened.height
    if count > MAX_PIXELS:
        raise _too_large(where, f"{opened.width}x{opened.height}")
    if opened.mode in {"F", "I"} and opened.format == "TIFF":
        raise UnreadableError(
            "the image has 32 bits a pixel, and nobody knows which value is white",
            reason="32 bits a pixel: save it with 8 or 16",
            where=where,
            hint="save it with 8 or 16 bits a pixel",
        )
    has_frames = _has_frames(opened)
    is_large = count > LARGE_PIXELS
    alone: AbstractContextManager[object] = _ONE_LARGE_IMAGE if is_large else nullcontext()
    with alone:
        if is_large:  # JPEG can leave out pixels while it decodes
            wanted = 2 * max(spec.width, spec.height)
            opened.draft(None, (wanted, wanted))
        opened.load()
        orientation = opened.getexif()
        image: Image.Image = opened if is_large else ImageOps.exif_transpose(opened)
        image = _opaque(_eight_bit(image)).convert("L" if spec.channels == 1 else "RGB")
        if is_large:
            width, height = spec.width, spec.height
            is_turned = orientation.get(_ORIENTATION) in _ON_A_SIDE
            image = image.resize(
                (height, width) if is_turned else (width, height),
                Image.Resampling.BILINEAR,
                reducing_gap=_REDUCING_GAP,
            )
            image.getexif().update(orientation)
            image = ImageOps.exif_transpose(image)
        else:
            image = image.resize((spec.width, spec.height), Image.Resampling.BILINEAR)
    return Picture(
        np.reshape(np.asarray(image, np.uint8), spec.shape),
        is_animated=has_frames and opened.format in _ANIMATED,
        has_pages=has_frames and opened.format == "TIFF",
        is_large=is_large,
    )


def _has_frames(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except _DAMAGED:  # a later frame is damaged, and only the first is read
        return True


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scales 16-bit grey down; Pillow's own conversion would clip it to white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    """The image on white, where it has transparent parts."""
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (_WHITE,) * 4), image)


def _too_large(where: str, size: str) -> UnreadableError:
    most = MAX_PIXELS // 1_000_000
    pixels = f"over {most} million" if size == "more" else size
    return UnreadableError(
        f"the image has {pixels} pixels; at most {most} million are read",
        reason=f"over {most} million pixels",
        where=where,
        hint="scale it down; the network reads far fewer",
    )


def _undecodable(where: str, source: Path | bytes) -> UnreadableError:
    format_ = _foreign_format(source)
    if format_ is not None:
        return UnreadableError(
            f"the image is in {format_}, which is not read, whatever its name says",
            reason=f"{format_}: convert it to JPEG",
            where=where,
            hint="convert it to JPEG; telephones can also be set to take JPEG",
        )
    return UnreadableError(
        "the image does not decode",
        reason="does not decode",
        where=where,
        hint=f"replace it or take it out; {READ}",
    )


def _foreign_format(source: Path | bytes) -> str | None:
    """HEIC, HEIF or AVIF, by the first bytes."""
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                head = file.read(12)
        else:
            head = source[:12]
    except OSError:
        return None
    if head[4:8] != b"ftyp":
        return None
    for format_, brands in _BRANDS.items():
        if head[8:12] in brands:
            return format_
    return "HEIF" if head[8:12] in _HEIF_BRANDS else None
