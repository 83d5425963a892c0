"""What every .tflite file has at its beginning."""

from __future__ import annotations

IDENTIFIER = b"TFL3"
_OFFSET = 4


def is_tflite(beginning: bytes) -> bool:
    """Whether a file with these first bytes says that it is a .tflite file."""
    return beginning[_OFFSET : _OFFSET + len(IDENTIFIER)] == IDENTIFIER
