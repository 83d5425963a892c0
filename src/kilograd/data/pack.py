"""The arrays of an .npz pack, each checked where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from kilograd.errors import DataError
from kilograd.ir import LabelKind
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
    def label_kind(self) -> LabelKind:
        """What its samples have: values, a row of labels each, or one class each."""
        labels = self.arrays.get("labels")
        if "values" in self.arrays:
            if labels is not None:
                self.fail("the pack has labels and values", hint="keep what is to be learned")
            return LabelKind.VALUE
        is_set = labels is not None and labels.ndim == 2  # noqa: PLR2004 - samples, labels
        return LabelKind.SET if is_set else LabelKind.CLASS

    def values(self) -> NDArray[np.float64]:
        """Returns the value of each sample."""
        array = self.arrays["values"]
        if array.dtype.kind not in "fiu" or array.ndim != 1:
            self.fail(f"values is {describe(array)} instead of numbers [n]")
        if len(array) == 0:
            self.fail("the pack has no samples")
        values = array.astype(np.float64)
        if not np.isfinite(values).all():
            index = np.flatnonzero(~np.isfinite(values))[0]
            self.fail(f"sample {index} has the value {values[index]}", hint="leave it out")
        return values

    def value_name(self) -> str:
        """Returns what its values are called."""
        array = self.arrays.get("value_name")
        if array is None:
            return "value"
        if array.dtype.kind != "U" or array.size != 1:
            self.fail(f"value_name is {describe(array)} instead of one str")
        return self._text("value_name", array)[0]

    def class_names(self, count: int, fewest: int = 2) -> tuple[str, ...]:
        """Returns at least so many names; numbers up to ``count`` where the pack has none."""
        array = self.arrays.get("class_names")
        if array is None:
            names = tuple(str(label) for label in range(min(count, _MAX_CLASSES)))
        elif array.dtype.kind != "U" or array.ndim != 1:
            self.fail(f"class_names is {describe(array)} instead of str [classes]")
        else:
            names = self._text("class_names", array)
        if len(names) < fewest:
            self.fail(f"the pack has {len(names)} classes; at least two are needed")
        return names

    def _text(self, name: str, array: NDArray[Any]) -> tuple[str, ...]:
        try:
            return tuple(str(text) for text in array.ravel())
        except ValueError:
            self.fail(f"{name} holds text that is not Unicode")

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
