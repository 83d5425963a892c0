"""The bytes of a model file that may come from anywhere."""

from __future__ import annotations

from pathlib import Path

from kilograd.errors import ModelError


def read_content(path: Path, most: int) -> bytes:
    """The contents of a file.

    Args:
        path: of the file.
        most: bytes; a larger file is refused without reading more of it.

    Raises:
        ModelError: when it cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ModelError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    if len(content) > most:
        raise ModelError(
            f"the file is larger than {most // 1024**2} MiB, and no microcontroller is",
            where=str(path),
        )
    return content
