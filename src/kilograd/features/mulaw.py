"""Mu-law: 8-bit codes of 16-bit audio, fine where it is quiet.

Code m stands for y = m / 127.5 − 1 and sample sign(y) · (256^|y| − 1) / 255 of full scale. The
sample is rounded to int16 (full scale 32767), halves to even; codes m and 255 − m are opposite.
This is the continuous law with μ = 255, whose codes differ from those of ITU-T G.711.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kilograd.features.base import header, read_c, table

_FULL_SCALE = 32767


def magnitudes() -> NDArray[np.int16]:
    """int16 [128]: what the codes 128 to 255 stand for."""
    y = np.arange(1, 256, 2) / 255
    return np.rint(_FULL_SCALE * (256.0**y - 1) / 255).astype(np.int16)


def decode_mulaw(codes: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Samples of codes of any shape."""
    positive = magnitudes()
    return np.concatenate([-positive[::-1], positive])[codes]


def encode_mulaw(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Codes of samples of any shape: of two neighbours the nearer, between them the lower."""
    values = np.concatenate([-magnitudes()[::-1], magnitudes()]).astype(np.int64)
    middles = (values[1:] + values[:-1]) / 2
    return np.searchsorted(middles, samples.astype(np.int64)).astype(np.uint8)


def mulaw_sources() -> dict[str, str]:
    """File name -> C text of the decoder."""
    tables = header("KG_MULAW_TABLES_H", table("kg_mulaw_magnitude", magnitudes()))
    return {**read_c("kg_mulaw.h", "kg_mulaw.c"), "kg_mulaw_tables.h": tables}
