"""Which of a tensor's dimensions is the height, the width or the channels of the map it holds.

A map lies in memory by height, width and channels. Where a network reorders its dimensions, nothing
is moved: what reads the result is told which dimension is which.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.pieces import Pieces

#: Of the dimensions behind the batch: 0 is the height, 1 the width, 2 the channels.
Dimensions = tuple[int, ...]

_ALL: Dimensions = (0, 1, 2)


def usual(rank: int) -> Dimensions:
    """Those of a tensor in whose file nothing was reordered.

    Args:
        rank: with the batch, at most 4.
    """
    return _ALL[len(_ALL) + 1 - rank :]


def completed(dimensions: Dimensions) -> Dimensions:
    """All three, those that a tensor does not have behind the others."""
    own = (*dict.fromkeys(dimensions),)
    return (*own, *(axis for axis in _ALL if axis not in own))


def as_map(stated: tuple[int, ...]) -> tuple[int, int, int]:
    """Height, width and channels for a tensor's elements in the order of the file.

    Args:
        stated: its shape, with the batch, in whose place rows may stand.
    """
    extents = stated[1:] if stated[:1] == (1,) else stated
    match extents:
        case (height, width, channels):
            return height, width, channels
        case (first, *between, last):
            return (first, math.prod(between), last) if between else (1, first, last)
        case _:
            return 1, 1, math.prod(extents)


def reordered(dimensions: Dimensions, order: tuple[int, ...]) -> Dimensions:
    """Those of a transposed tensor.

    Args:
        dimensions: of the tensor that is transposed.
        order: number of the dimension that comes to each place, with the batch, which stays.
    """
    return tuple(dimensions[number - 1] for number in order[1:])


def order_in_memory(shape: tuple[int, int, int], dimensions: Dimensions | None) -> Pieces:
    """How the elements of a tensor lie in its map.

    Args:
        shape: height, width and channels of the map.
        dimensions: of the tensor; None where it has its elements as they lie in memory.
    """
    order = _ALL if dimensions is None else completed(dimensions)
    return Pieces.of([shape[axis] for axis in order], [order.index(axis) for axis in _ALL])


def is_in_order(dimensions: Dimensions, shape: tuple[int, int, int]) -> bool:
    """Whether the elements come in the order in which the map lies in memory.

    Args:
        dimensions: of a tensor.
        shape: height, width and channels of its map.
    """
    moving = [axis for axis in dimensions if shape[axis] > 1]
    return moving == sorted(moving)


def regrouped(
    dimensions: Dimensions, shape: tuple[int, int, int], stated: tuple[int, ...]
) -> Dimensions | None:
    """Those of a tensor that was given or lost extents of one; None for any other new shape.

    Args:
        dimensions: of the tensor before.
        shape: height, width and channels of its map.
        stated: shape of the tensor afterwards, with the batch.
    """
    extents = [*stated[1:]]
    moving = [axis for axis in dimensions if shape[axis] > 1]
    fixed = [axis for axis in _ALL if shape[axis] == 1]
    if stated[:1] != (1,) or [n for n in extents if n > 1] != [shape[axis] for axis in moving]:
        return None
    if len(extents) > len(moving) + len(fixed):
        return None
    same = usual(len(stated))
    if moving == sorted(moving) and extents == [shape[axis] for axis in same]:
        return same
    left, ones = iter(moving), iter(fixed)
    return tuple(next(left if extent > 1 else ones) for extent in extents)


def in_place(constant: NDArray[Any], dimensions: Dimensions) -> NDArray[Any]:
    """A constant that meets a tensor's elements, by height, width and channels.

    Args:
        constant: aligned with the last dimensions of the tensor, with or without the batch.
        dimensions: of the tensor.
    """
    extents = (*(1,) * (len(dimensions) + 1 - constant.ndim), *constant.shape)[1:]
    shape = [1, 1, 1]
    for axis, extent in zip(dimensions, extents, strict=True):
        shape[axis] = extent
    moved: NDArray[Any] = np.transpose(constant.reshape(extents), np.argsort(dimensions))
    return moved.reshape(shape)


def flattened_in_place(
    constant: NDArray[Any], dimensions: Dimensions, shape: tuple[int, int, int]
) -> NDArray[Any]:
    """A constant that meets the elements of a flattened map, by height, width and channels.

    Args:
        constant: of as many elements.
        dimensions: of the map before it was flattened; of one that was in order, any.
        shape: height, width and channels of the map.
    """
    order = _ALL if dimensions == usual(2) else completed(dimensions)
    return columns_in_order(constant.reshape(1, -1), order, shape).reshape(shape)


def columns_in_order(
    weight: NDArray[Any], dimensions: Dimensions, shape: tuple[int, int, int]
) -> NDArray[Any]:
    """The weight of a dense layer that reads a map by height, width and channels.

    Args:
        weight: [outputs, elements], for elements as a reordered tensor has them.
        dimensions: of that tensor.
        shape: height, width and channels of its map.
    """
    order = completed(dimensions)
    parts = weight.reshape(len(weight), *(shape[axis] for axis in order))
    moved = np.transpose(parts, (0, *(1 + order.index(axis) for axis in _ALL)))
    return np.ascontiguousarray(moved.reshape(len(weight), -1))
