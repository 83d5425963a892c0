"""The arrays of an .npz pack, each checked where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from kilograd.errors import DataError
from kilograd.npz import NpzError, read_npz

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from numpy.typing import NDArray

MAX_BYTES = 4 * 1024**3
"""Limit of the unpacked arrays."""

_MAX_CLASSES = 65536
HINT = (
    "a pack is an .npz of jpeg, offsets, labels, split and class_names; mulaw, x and channels, or "
    "inputs stand for jpeg where it holds audio, motion or plain samples"
)


class Pack:
    """The arrays of a pack; each method checks what it returns.

    Args:
        path: the file, for messages.
        arrays: by name.
    """

    def __init__(self, path: Path, arrays: dict[str, NDArray[Any]]) -> None:
        self.path = path
        self.arrays = arrays

    def fail(self, what: str, *, hint: str = HINT) -> NoReturn:
        """A DataError at this pack."""
        raise DataError(what, where=str(self.path), hint=hint)

    def integers(self, name: str) -> NDArray[np.int64]:
        """Returns an array of one dimension as int64."""
        array = self.arrays.get(name)
        if array is None:
            self.fail(f"the pack has no array {name!r}")
        if array.dtype.kind not in "iu" or array.ndim != 1:
            self.fail(f"{name} is {describe(array)} instead of integers [n]")
        return array.astype(np.int64)

    @property
    def has_label_sets(self) -> bool:
        """Whether each sample has a row of labels instead of one."""
        labels = self.arrays.get("labels")
        return labels is not None and labels.ndim == 2  # noqa: PLR2004 - samples, labels

    def class_names(self, count: int) -> tuple[str, ...]:
        """Returns at least two names; numbers up to ``count`` where the pack has none."""
        array = self.arrays.get("class_names")
        if array is None:
            names = tuple(str(label) for label in range(min(count, _MAX_CLASSES)))
        elif array.dtype.kind != "U" or array.ndim != 1:
            self.fail(f"class_names is {describe(array)} instead of str [classes]")
        else:
            try:
                names = tuple(str(name) for name in array)
            except ValueError:
                self.fail("class_names holds text that is not Unicode")
        if len(names) < 2:  # noqa: PLR2004  one class is nothing to learn
            self.fail(f"the pack has {len(names)} classes; at least two are needed")
        return names

    def offsets(self, name: str, count: int, end: int) -> NDArray[np.int64]:
        """Returns where each of `count` samples begins in the array `name`, and where it ends."""
        offsets = self.integers("offsets")
        if len(offsets) != count + 1:
            self.fail(f"offsets has {len(offsets)} entries for {count} labels; it needs one more")
        if offsets[0] != 0 or offsets[-1] != end or (np.diff(offsets) <= 0).any():
            self.fail(f"offsets do not rise from 0 to {end}, the end of {name}")
        return offsets


def describe(array: NDArray[Any]) -> str:
    """Element type and shape, for messages."""
    return f"{array.dtype} {list(array.shape)}"


def read_pack(path: Path, known: Collection[str]) -> Pack:
    """Reads those arrays of a pack that are known by name.

    Raises:
        DataError: not a pack, or damaged.
    """
    try:
        return Pack(path, read_npz(path, MAX_BYTES, known))
    except NpzError as error:
        raise DataError(f"this is not a pack: {error}", where=str(path), hint=HINT) from error
