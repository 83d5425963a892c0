"""Reads single files without labels, as a network reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilograd.data.folders import reader_of
from kilograd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from kilograd.data.samples import InputSpec


@dataclass(frozen=True, eq=False)
class ReadFiles:
    """Files as samples.

    Attributes:
        paths: of the files.
        inputs: int8 [n, height, width, channels].
        notes: what was done to them that somebody should know, a sentence each.
    """

    paths: tuple[Path, ...]
    inputs: NDArray[np.int8]
    notes: tuple[str, ...]


def read_files(paths: Sequence[Path], spec: InputSpec) -> ReadFiles:
    """Reads images, sound or motion, as the network wants.

    Args:
        paths: files, and folders that are searched for files of that kind, however deep.
        spec: the network's input.

    Raises:
        DataError: nothing there, or a network that reads none of these.
        BrokenSamplesError: files that cannot be read; all of them.
    """
    kind, decode = reader_of(paths[0], spec)
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                file
                for file in path.rglob("*")
                if file.suffix.lower() in kind.suffixes and not file.name.startswith(".")
            )
            if not inside:
                raise DataError(
                    f"there are no {kind.noun} in this folder",
                    where=str(path),
                    hint=f"their names end in {kind.endings}",
                )
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise DataError("there is no such file or folder", where=str(path))
    decoded = decode(found)
    return ReadFiles(tuple(found), decoded.inputs, decoded.notes)
