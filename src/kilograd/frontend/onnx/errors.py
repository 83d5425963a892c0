"""What reading an .onnx file raises on the way, before the file's name is known."""

from __future__ import annotations

#: Characters of what a file says that a message repeats.
_SHOWN = 80


def shown(value: object) -> str:
    """Something that a file says, in one line of a message."""
    text = " ".join(str(value)[: 4 * _SHOWN].split())
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class DamagedError(Exception):
    """Something in a file that contradicts the format or the rest of the file."""


class RefusedError(Exception):
    """Something sound that kilograd does not read.

    Args:
        reason: a sentence.
        hint: what helps, if anything does.
    """

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
