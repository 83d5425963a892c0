"""The arrays of an .npz file, read one by one and never through pickle."""

from __future__ import annotations

import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from numpy.typing import NDArray

_DAMAGED = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    OverflowError,
    TypeError,
    SyntaxError,
    tokenize.TokenError,
    MemoryError,
)


class NpzError(Exception):
    """A file that is no .npz, or is damaged, or too large; its text says what was found."""


def read_npz(
    path: Path, max_bytes: int, names: Collection[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Read arrays by name.

    `numpy.load` would allocate whatever a header asks for.

    Args:
        path: of the file.
        max_bytes: of all arrays that are read, unpacked.
        names: which arrays to read; None reads all.

    Raises:
        NpzError: when the file is not an .npz, or damaged, or its arrays are too large or hold
            Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's remarks on headers that it repairs
            members = {
                member.filename.removesuffix(".npy"): member for member in archive.infolist()
            }
            chosen = {n: m for n, m in members.items() if names is None or n in names}
            if sum(member.file_size for member in chosen.values()) > max_bytes:
                raise NpzError(f"the arrays unpack to more than {max_bytes:,} bytes")
            return {name: _read_array(archive, name, chosen[name]) for name in chosen}
    except _DAMAGED as error:
        raise NpzError(f"{type(error).__name__}: {error}") from error


def _read_array(archive: zipfile.ZipFile, name: str, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, is_fortran, dtype = read_header(stream)
        if dtype.hasobject:
            raise NpzError(f"the array {name!r} holds Python objects, which are not read")
        size = math.prod(shape) * dtype.itemsize
        content = stream.read(size + 1)
    if len(content) != size:
        raise NpzError(f"the array {name!r} of shape {shape} does not have {size} bytes")
    array: NDArray[Any] = np.frombuffer(content, dtype)
    return np.reshape(array, shape, order="F" if is_fortran else "C")
