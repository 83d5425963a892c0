"""How a tensor's elements lie in memory once its file has reordered and reshaped them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pieces:
    """A box of elements, whose axes the file has in another order than memory.

    A dimension of the file is one axis, or several that follow each other in the file.

    Attributes:
        extents: of the axes as they lie in memory, each above 1.
        order: of these axes, in the order in which the file has them.
    """

    extents: tuple[int, ...]
    order: tuple[int, ...]

    @staticmethod
    def of(shape: Sequence[int], memory: Sequence[int]) -> Pieces:
        """Those of a tensor.

        Args:
            shape: behind the batch, as the file has it.
            memory: the dimensions of that, in the order in which they lie in memory.
        """
        kept = [axis for axis in memory if shape[axis] > 1]
        order = (kept.index(axis) for axis, extent in enumerate(shape) if extent > 1)
        return Pieces(tuple(shape[axis] for axis in kept), tuple(order))

    @property
    def in_file(self) -> tuple[int, ...]:
        """Extents in the order of the file."""
        return tuple(self.extents[axis] for axis in self.order)

    @property
    def merged(self) -> Pieces:
        """The same elements with as few axes as possible."""
        return Pieces(*merged(self.extents, self.order))

    @property
    def is_in_order(self) -> bool:
        """Whether the elements lie in memory in the order of the file."""
        return is_in_order(self.order)

    def cut(self, shape: Sequence[int]) -> Pieces | None:
        """The same elements, with axes that end where the dimensions of a shape end.

        Args:
            shape: behind the batch.

        Returns:
            None where a dimension has a part of an axis that is no box, or where the shape has
            another number of elements.
        """
        if math.prod(shape) != math.prod(self.extents):
            return None
        whole = self.merged
        wanted = iter(shape)
        left = 1
        parts: dict[int, list[int]] = {}
        for axis in whole.order:
            rest, parts[axis] = whole.extents[axis], []
            while rest > 1:
                while left == 1:
                    left = next(wanted)
                part = min(rest, left)
                if rest % part or left % part:
                    return None
                parts[axis].append(part)
                rest, left = rest // part, left // part
        first, starts = 0, dict[int, int]()
        for axis in range(len(whole.extents)):
            starts[axis] = first
            first += len(parts[axis])
        return Pieces(
            tuple(part for axis in range(len(whole.extents)) for part in parts[axis]),
            tuple(starts[axis] + i for axis in whole.order for i in range(len(parts[axis]))),
        )

    def transposed(self, shape: Sequence[int], order: Sequence[int]) -> Pieces:
        """The same with the dimensions of the file in another order.

        Args:
            shape: of the file, behind the batch.
            order: of its dimensions.
        """
        cut = self.cut(shape)
        if cut is None:
            msg = f"{self} is not of the shape {list(shape)}"
            raise ValueError(msg)
        left = iter(cut.order)
        parts: list[list[int]] = []
        for extent in shape:
            parts.append([])
            while extent > math.prod(cut.extents[axis] for axis in parts[-1]):
                parts[-1].append(next(left))
        return Pieces(cut.extents, tuple(axis for place in order for axis in parts[place]))

    def moves_to(self, other: Pieces) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Extents as they lie in memory, and the order of these in which another one has them.

        Args:
            other: the same elements of the file.

        Returns:
            None where an axis of one has a part of an axis of the other that is no box.
        """
        ours = self.cut(other.in_file)
        theirs = None if ours is None else other.cut(ours.in_file)
        if ours is None or theirs is None or theirs.in_file != ours.in_file:
            return None
        order = (ours.order[theirs.order.index(axis)] for axis in range(len(theirs.order)))
        return ours.extents, tuple(order)

    def in_memory(self, elements: NDArray[Any]) -> NDArray[Any]:
        """Elements along the last axis of an array, from the file's order in that of memory."""
        box = elements.reshape((*elements.shape[:-1], *self.in_file))
        front = range(elements.ndim - 1)
        order = (elements.ndim - 1 + self.order.index(k) for k in range(len(self.order)))
        return np.transpose(box, (*front, *order)).reshape(elements.shape)


def merged(
    extents: tuple[int, ...], order: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Moves of as few axes as possible: those that stay together are one."""
    joined = {(a, b) for a, b in pairwise(order) if b == a + 1}
    starts = [k for k in range(len(extents)) if (k - 1, k) not in joined]
    bounds = [*starts, len(extents)]
    made = tuple(math.prod(extents[a:b]) for a, b in pairwise(bounds))
    return made, tuple(starts.index(k) for k in order if k in starts)


def is_in_order(order: tuple[int, ...]) -> bool:
    """Whether axes stay where they are."""
    return order == tuple(range(len(order)))
