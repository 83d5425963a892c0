"""Operators that repeat the positions of a map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.network import MOST_EXTENT
from kilograd.frontend.onnx.arranging import relabelled
from kilograd.frontend.onnx.draft import Draft
from kilograd.frontend.onnx.errors import DamagedError, RefusedError, shown
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.values import Constant, Traced, Value, pending

_Places = NDArray[Any]

_WHOLE = "kilograd resizes maps by repeating each row or column a whole number of times"

#: Which place of a map of ``old`` positions each one of ``new`` stands for, by the ways of ONNX's
#: Resize.
_PLACES: Mapping[str, Callable[[_Places, int, int, np.float32], _Places]] = {
    "asymmetric": lambda at, _old, _new, scale: at / scale,
    "half_pixel": lambda at, _old, _new, scale: (at + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda at, _old, new, scale: ((at + 0.5) / scale - 0.5) * (new > 1),
    "align_corners": lambda at, old, new, _scale: at * (old - 1) / max(new - 1, 1),
}

#: Which of two neighbours is the nearest.
_NEAREST: Mapping[str, Callable[[_Places], _Places]] = {
    "round_prefer_floor": lambda at: np.ceil(at - 0.5),
    "round_prefer_ceil": lambda at: np.floor(at + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def resize(draft: Draft, node: Node) -> Value:
    """Resize to the nearest position, by whole factors."""
    x = draft.channels_first(draft.read(node))
    mode = node.attributes.get("mode", "nearest")
    if mode != "nearest":
        raise RefusedError(f"it resizes by {shown(mode)}, and kilograd to the nearest position")
    if not x.map.is_map:
        msg = f"it resizes a vector, {list(x.map.shape)}"
        raise DamagedError(msg)
    shape, scales = _resized(draft, node, x.map)
    repeats = [1] * len(x.map.stored)
    for axis, (old, new, scale) in enumerate(zip(x.map.shape, shape, scales, strict=True)):
        if old == new:
            continue
        if axis in {0, x.map.channel_axis}:
            raise RefusedError(f"it resizes dimension {axis} of {list(x.map.shape)}, {_WHOLE}")
        count = new // old
        places = _nearest(node, old, new, scale)
        if not count or not np.array_equal(places, np.arange(new) // count):
            raise RefusedError(f"it makes {new} rows or columns of {old}, and {_WHOLE}")
        repeats[x.map.stored_axis(axis)] = count
    made = replace(x.map, shape=shape)
    return pending(node, "resize", (x.number,), {"repeats": tuple(repeats[1:3])}, made)


def _resized(draft: Draft, node: Node, map_: Map) -> tuple[tuple[int, ...], list[np.float32]]:
    """The result's shape, and how much larger each dimension is said to be."""
    sizes, rank = draft.numbers(node, 3, "list of sizes"), len(map_.shape)
    numbers: list[float] = list(sizes or ())
    constant = None if sizes else draft.constant(node, 2, "list of scales")
    if constant is not None:
        numbers = [float(number) for number in constant.reals("list of scales").ravel()]
    axes = node.numbers("axes", ()) or range(rank)
    places = [axis + rank if axis < 0 else axis for axis in axes]
    if len(numbers) != len(places) or len(set(places) & set(range(rank))) != len(places):
        msg = f"it resizes the dimensions {list(axes)} of {rank} by {list(numbers)}"
        raise DamagedError(msg)
    shape = list(map_.shape)
    scales: list[np.float32] = [np.float32(1)] * rank
    for axis, number in zip(places, numbers, strict=True):
        old = shape[axis]
        new = number if sizes else old * number // 1
        if not 1 <= new <= MOST_EXTENT:
            msg = f"it makes {new} of {old} positions"
            raise DamagedError(msg)
        scales[axis] = np.float32(number / old if sizes else number)
        shape[axis] = int(new)
    return tuple(shape), scales


def _nearest(node: Node, old: int, new: int, scale: np.float32) -> _Places:
    """The position that each one of the result is a copy of."""
    way = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    rule = node.attributes.get("nearest_mode", "round_prefer_floor")
    if way not in _PLACES or rule not in _NEAREST:
        raise RefusedError(f"it finds the nearest position by {shown(way)} and {shown(rule)}")
    # In 32 bits, as onnxruntime computes it.
    at = _PLACES[str(way)](np.arange(new, dtype=np.float32), old, new, scale)
    nearest = _NEAREST[str(rule)](at.astype(np.float32))
    return np.clip(nearest, 0, old - 1)


def expand(draft: Draft, node: Node) -> Value:
    """Expand: one position in place of all of those of a map."""
    value, stated = draft.value(node), draft.numbers(node, 1, "shape")
    if isinstance(value, (Constant, Traced)) or stated is None:
        raise RefusedError("it expands a constant, or to a shape that it does not state")
    map_ = value.map
    wanted = (*(1,) * (len(map_.shape) - len(stated)), *stated)
    made = tuple(max(extents) for extents in zip(map_.shape, wanted, strict=False))
    if len(wanted) == len(map_.shape) and made == map_.shape:
        return value
    positions = replace(map_, shape=made).positions if map_.is_map else ()
    is_one = map_.spread is None and set(map_.positions) == {1}
    if not is_one or map_.with_positions(positions, map_.channels).shape != wanted:
        raise RefusedError(
            f"it expands {list(map_.shape)} to {list(stated)}, and kilograd expands one position "
            "to a whole map"
        )
    return relabelled(value, replace(map_, spread=positions))
