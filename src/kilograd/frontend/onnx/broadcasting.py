"""Sums, differences and products of two maps, of which one may have a single row or column."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.network import Tensor
from kilograd.frontend.onnx.draft import Draft
from kilograd.frontend.onnx.errors import RefusedError
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.values import Constant, Dequantized, Value, pending
from kilograd.frontend.onnx.weights import symmetric


def of_maps(draft: Draft, node: Node, operator: str, does: str) -> Value | None:
    """What a node makes of two maps, or of one and of constants for its rows, columns or elements.

    Args:
        draft: what is known.
        node: with two operands.
        operator: neutral name.
        does: what the node does, for the message.

    Returns:
        None where one operand is a constant that does not have to be a map.

    Raises:
        RefusedError: when the maps do not fit each other.
    """
    operands = [draft.value(node, place) for place in (0, 1)]
    constants = [place for place, value in enumerate(operands) if isinstance(value, Constant)]
    if constants:
        made = _with_constant(draft, node, constants[-1])
        if made is None:
            return None
        x, number = made
        numbers = (number, x.number) if constants[-1] == 0 else (x.number, number)
        return pending(node, operator, numbers, {}, x.map)
    a, b = (draft.read(node, place, may_be_loose=True, may_lack_batch=True) for place in (0, 1))
    if a.map != b.map:
        a, b = draft.alike([draft.read(node, place, may_lack_batch=True) for place in (0, 1)])
    made = _common(a.map, b.map)
    if made is None:
        raise RefusedError(
            f"it {does} maps of the shapes {list(a.map.shape)} and {list(b.map.shape)}, and "
            f"kilograd {does} two of the same shape, or with one row, column or channel in place "
            "of several"
        )
    return pending(node, operator, (a.number, b.number), {}, made)


def _with_constant(draft: Draft, node: Node, place: int) -> tuple[Dequantized, int] | None:
    """A map and the number of constants that meet its elements; None if these are no map."""
    constant, other = draft.value(node, place), draft.value(node, 1 - place)
    if isinstance(other, Constant) or not isinstance(constant, Constant):
        return None
    if not meets(constant.data, other.map):
        return None
    x = draft.read(node, 1 - place, may_lack_batch=True)
    return x, store_constants(draft, constant, x.map)


def _common(a: Map, b: Map) -> Map | None:
    """The larger map; None where neither fits the other."""
    if a == b:
        return a
    shape = tuple(max(extents) for extents in zip(a.shape, b.shape, strict=False))
    made = replace(a, shape=shape)
    is_alike = len(a.shape) == len(b.shape) and replace(b, shape=shape) == made
    fits = all(
        extent in {1, most}
        for map_ in (a, b)
        for extent, most in zip(map_.shape, shape, strict=False)
    )
    return made if is_alike and fits else None


def meets(data: NDArray[Any], map_: Map) -> bool:
    """Whether constants fit a map, and are more than one number or one for each channel.

    For those that do not fit there are other words.
    """
    if data.ndim > len(map_.shape) or not map_.is_map or data.size == 1:
        return False
    shape = _with_rank(data, map_).shape
    fits = all(extent in {1, most} for extent, most in zip(shape, map_.shape, strict=True))
    of_channels = map_.with_positions((1,) * len(map_.positions), map_.channels)
    return fits and shape != of_channels.shape


def _with_rank(data: NDArray[Any], map_: Map) -> NDArray[Any]:
    return data.reshape((*(1,) * (len(map_.shape) - data.ndim), *data.shape))


def store_constants(draft: Draft, constant: Constant, map_: Map) -> int:
    """Number of constants in int8, which lie as kilograd has a map's elements."""
    scales, zeros, steps = constant.scales, constant.zero_points, constant.data
    if len(scales) != 1 or steps.dtype != np.int8:
        scale, steps = symmetric(constant.reals("constant"))
        scales, zeros = (scale,), (0,)
    lies = replace(map_, shape=_with_rank(steps, map_).shape)
    data = lies.lies.in_memory(steps.ravel()).reshape(lies.stored)
    return draft.store(Tensor(constant.name, data.shape, "int8", scales, zeros, 0, data))
