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
from kilograd.frontend.onnx.values import Constant, Value, pending
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
    numbers: list[int] = []
    maps: list[Map] = []
    for place, value in enumerate(operands):
        other = operands[1 - place]
        if not isinstance(value, Constant):
            x = draft.read(node, place)
            numbers.append(x.number)
            maps.append(x.map)
            continue
        if isinstance(other, Constant) or not _is_map(value.data, other.map):
            return None
        numbers.append(_store(draft, value, other.map))
        maps.append(other.map)
    a, b = maps
    made = _common(a, b)
    if made is None:
        raise RefusedError(
            f"it {does} maps of the shapes {list(a.shape)} and {list(b.shape)}, and kilograd "
            f"{does} two of the same shape, or with one row, column or channel in place of several"
        )
    return pending(node, operator, tuple(numbers), {}, made)


def _common(a: Map, b: Map) -> Map | None:
    """The larger map; None where neither fits the other."""
    if a == b:
        return a
    shape = tuple(max(extents) for extents in zip(a.shape, b.shape, strict=False))
    made = replace(a, shape=shape)
    is_alike = len(a.shape) == len(b.shape) and a.is_map and replace(b, shape=shape) == made
    fits = all(
        extent in {1, most}
        for map_ in (a, b)
        for extent, most in zip(map_.shape, shape, strict=False)
    )
    return made if is_alike and fits else None


def _is_map(data: NDArray[Any], map_: Map) -> bool:
    """Whether constants fit a map, and are more than one number or one for each channel.

    For those that do not fit there are other words.
    """
    shape = _with_rank(data, map_).shape
    if len(shape) != len(map_.shape) or not map_.is_map or map_.is_grouped or data.size == 1:
        return False
    fits = all(extent in {1, most} for extent, most in zip(shape, map_.shape, strict=True))
    return fits and not data.size == shape[map_.channel_axis] == map_.channels


def _with_rank(data: NDArray[Any], map_: Map) -> NDArray[Any]:
    return data.reshape((*(1,) * (len(map_.shape) - data.ndim), *data.shape))


def _store(draft: Draft, constant: Constant, map_: Map) -> int:
    """Constants in int8, with their dimensions in the order in which kilograd has a map's."""
    scales, zeros, steps = constant.scales, constant.zero_points, constant.data
    if len(scales) != 1 or steps.dtype != np.int8:
        scale, steps = symmetric(constant.reals("constant"))
        scales, zeros = (scale,), (0,)
    steps = _with_rank(steps, map_)
    shape = replace(map_, shape=steps.shape).stored
    if not map_.is_channels_last:
        steps = np.moveaxis(steps, 1, -1)
    return draft.store(Tensor(constant.name, shape, "int8", scales, zeros, 0, steps.reshape(shape)))
