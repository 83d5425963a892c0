"""Thumbnails of int8 samples, inside the page."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kilograd.report.svg import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

Sample = tuple[NDArray[np.int8], str]

#: More samples than this are left out.
MOST_SAMPLES = 24

_PIXELS = 112
#: Samples up to this size are kept without loss; larger ones as JPEG.
_SMALL = 48
_COLOURS = 3


def thumbnails(samples: Sequence[Sample]) -> str:
    """Figures with captions, as the network sees them: int8 -128 is black, 127 white.

    Args:
        samples: int8 [height, width, channels] with captions; of other than three channels, the
            first is shown in grey.
    """
    figures = [
        f'<figure><img src="{_data_uri(array)}" alt="{escape(caption)}" />'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for array, caption in samples[:MOST_SAMPLES]
    ]
    return f'<div class="samples">{"".join(figures)}</div>'


def _data_uri(array: NDArray[np.int8]) -> str:
    levels = (array.astype(np.int16) + 128).astype(np.uint8)
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
