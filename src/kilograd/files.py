"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from kilograd.errors import UserError


def write_atomically(path: Path, contents: bytes) -> None:
    """Write a file whole or not at all; a file of that name is replaced.

    Raises:
        UserError: when it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(contents)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(_usual_mode(0o666))
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise UserError(
            f"it cannot be written: {getattr(error, 'strerror', None) or error}",
            where=str(path),
            hint="name a file in a folder that you may write to",
        ) from error


def write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    """Write a new folder of UTF-8 files whole or not at all.

    Args:
        folder: must not hold anything yet.
        texts: by file name.

    Raises:
        UserError: when there is something, or when it cannot be written.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(
                "the output is not an empty folder", where=str(folder), hint="name a new folder"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".kilograd-", dir=folder.parent))
        try:
            for name, text in texts.items():
                (staging / name).write_text(text, encoding="utf-8", newline="\n")
            if folder.exists():
                folder.rmdir()
            staging.chmod(_usual_mode(0o777))
            staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise UserError(f"the sources cannot be written: {error}", where=str(folder)) from error


def _usual_mode(most: int) -> int:
    """Rights that a file which is simply opened would get: temporary ones are private."""
    mask = os.umask(0)
    os.umask(mask)
    return most & ~mask
