"""What a network reads that is no picture: features computed from audio or motion, in integers.

A model file says which features it wants. They are defined here once, in NumPy (`apply`), and in
the C beside it, which gives the same bytes on every device; docs/features.md is normative.
"""

from __future__ import annotations

from kilograd.features.base import Features
from kilograd.features.log_mel import LogMel
from kilograd.features.motion import Motion
from kilograd.features.mulaw import decode_mulaw, encode_mulaw
from kilograd.features.parse import features_of, parse_features

__all__ = [
    "Features",
    "LogMel",
    "Motion",
    "decode_mulaw",
    "encode_mulaw",
    "features_of",
    "parse_features",
]
