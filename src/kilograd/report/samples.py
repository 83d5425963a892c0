"""Make thumbnails of int8 samples that are stored inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

Sample = tuple[NDArray[np.int8], str]

#: Further samples are left out.
MOST_SAMPLES = 24

_PIXELS = 112
#: Samples of at most so many pixels a side become PNG, larger ones become JPEG.
_SMALL = 48
_COLOURS = 3
#: Height of the tallest bar.
_BAR_PIXELS = 64


@dataclass(frozen=True)
class Thumbnail:
    """A sample as a picture.

    Attributes:
        uri: A data URI that holds the picture.
        caption: Text below it.
    """

    uri: str
    caption: str


def thumbnails(samples: Sequence[Sample]) -> tuple[Thumbnail, ...]:
    """Make pictures of the first samples, in which -128 is black and 127 is white.

    Args:
        samples: int8 [height, width, channels] with captions. A sample without exactly three
            channels is shown in grey, by its first channel; one without height and width as a bar
            for each channel.
    """
    return tuple(Thumbnail(_data_uri(array), caption) for array, caption in samples[:MOST_SAMPLES])


def _bars(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture [height, width, 1] with a dark bar for each level, wide enough to be seen."""
    wide = np.repeat(levels, -(-_PIXELS // len(levels)))
    heights = np.arange(_BAR_PIXELS, 0, -1)[:, None] * 256 // _BAR_PIXELS
    picture: NDArray[np.uint8] = np.where(heights <= wide + 1, 60, 235).astype(np.uint8)
    return picture[:, :, None]


def _data_uri(array: NDArray[np.int8]) -> str:
    levels = (array.astype(np.int16) + 128).astype(np.uint8)
    if levels.shape[:2] == (1, 1) and levels.shape[2] > _COLOURS:
        levels = _bars(levels[0, 0])
    image = Image.fromarray(levels if levels.shape[2] == _COLOURS else levels[:, :, 0])
    small = max(image.size) <= _SMALL
    image.thumbnail((_PIXELS, _PIXELS))
    stream = io.BytesIO()
    if small:
        image.save(stream, "PNG", optimize=True)
    else:
        image.save(stream, "JPEG", quality=82)
    kind = "png" if small else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
