"""What the options of a layer are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kilograd.frontend.network import Tensor

#: In a list of axes, or of two pads for each of them.
_MOST_NUMBERS = 16


class DamagedError(Exception):
    """Something in a file that contradicts the format or the rest of the file."""


class RefusedError(Exception):
    """Something sound that is not read.

    Args:
        reason: a sentence.
        hint: what helps.
    """

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.hint = hint


@dataclass(frozen=True)
class Reads:
    """What the options of a layer are understood with.

    Attributes:
        options: the flatbuffer's table of them; None where the file has none.
        inputs: tensors; None for one that is left out.
        outputs: tensors.
    """

    options: Any
    inputs: Sequence[Tensor | None]
    outputs: Sequence[Tensor]

    def tensor(self, place: int) -> Tensor:
        """One of the inputs that may not be left out.

        Raises:
            DamagedError: when it is.
        """
        tensor = self.inputs[place] if place < len(self.inputs) else None
        if tensor is None:
            msg = f"it has no input {place}"
            raise DamagedError(msg)
        return tensor

    def map_extents(self, place: int) -> tuple[int, int]:
        """Height and width of an input, or of a filter.

        Raises:
            DamagedError: when it has other than four dimensions.
        """
        shape = self.tensor(place).shape
        if len(shape) != 4:  # noqa: PLR2004 - batch, height, width, channels
            msg = f"its input {place} has {len(shape)} dimensions, not 4"
            raise DamagedError(msg)
        return shape[1], shape[2]

    def needed_options(self) -> Any:
        """The table of options.

        Raises:
            DamagedError: when the file has none.
        """
        if self.options is None:
            msg = "it has no options"
            raise DamagedError(msg)
        return self.options


def numbers(reads: Reads, place: int) -> tuple[int, ...] | None:
    """A few whole numbers; None where they are not a constant."""
    data = reads.tensor(place).data
    if data is None:
        return None
    if data.size > _MOST_NUMBERS or data.dtype.kind != "i":
        msg = f"its input {place} is {data.dtype} of shape {list(data.shape)}"
        raise DamagedError(msg)
    return tuple(int(number) for number in data.ravel())
