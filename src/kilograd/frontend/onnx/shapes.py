"""Operators that change a shape and move nothing."""

from __future__ import annotations

import math

from kilograd.frontend.onnx.draft import Draft
from kilograd.frontend.onnx.errors import DamagedError, RefusedError
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.values import Constant, Value


def _shaped(draft: Draft, node: Node) -> tuple[Value, Map]:
    """What a node reads, and its shape."""
    value = draft.value(node)
    if isinstance(value, Constant):
        raise RefusedError(
            "it changes the shape of a constant while the network runs",
            "let quant_pre_process simplify the network before it is quantized",
        )
    return value, value.map


def _to(draft: Draft, node: Node, shape: tuple[int, ...]) -> Value:
    value, map_ = _shaped(draft, node)
    if math.prod(shape) != math.prod(map_.shape):
        msg = f"it makes the shape {list(shape)} of {list(map_.shape)}"
        raise DamagedError(msg)
    made = map_.reshaped(shape)
    if made is None:
        raise RefusedError(
            f"it makes a map of the shape {list(shape)} of {list(map_.shape)}, for which elements "
            "would have to move, and kilograd does not reshape maps"
        )
    return draft.reshaped(node, value, made)


def reshape(draft: Draft, node: Node) -> Value:
    """Reshape, to a constant shape."""
    _, map_ = _shaped(draft, node)
    shape = list(draft.numbers(node, 1, "shape") or ())
    if not node.whole("allowzero", 0):
        shape = [
            map_.shape[place] if extent == 0 and place < len(map_.shape) else extent
            for place, extent in enumerate(shape)
        ]
    if shape.count(-1) == 1:
        rest = -math.prod(shape)
        shape[shape.index(-1)] = math.prod(map_.shape) // rest if rest else 0
    if any(extent < 1 for extent in shape):
        msg = f"it makes the shape {shape} of {list(map_.shape)}"
        raise DamagedError(msg)
    return _to(draft, node, tuple(shape))


def flatten(draft: Draft, node: Node) -> Value:
    """Flatten: two dimensions are left."""
    _, map_ = _shaped(draft, node)
    axis = node.whole("axis", 1)
    axis += len(map_.shape) if axis < 0 else 0
    if not 0 <= axis <= len(map_.shape):
        msg = f"it flattens along dimension {axis} of {len(map_.shape)}"
        raise DamagedError(msg)
    return _to(draft, node, (math.prod(map_.shape[:axis]), math.prod(map_.shape[axis:])))


def squeeze(draft: Draft, node: Node) -> Value:
    """Squeeze: dimensions of 1 are left out."""
    _, map_ = _shaped(draft, node)
    axes = draft.numbers(node, 1, "list of axes")
    rank = len(map_.shape)
    if axes is None:
        axes = tuple(axis for axis, extent in enumerate(map_.shape) if extent == 1)
    left = {axis + rank if axis < 0 else axis for axis in axes}
    if not left <= set(range(rank)) or any(map_.shape[axis] != 1 for axis in left):
        msg = f"it leaves out the dimensions {sorted(left)} of {list(map_.shape)}"
        raise DamagedError(msg)
    kept = tuple(extent for axis, extent in enumerate(map_.shape) if axis not in left)
    return _to(draft, node, kept)


def unsqueeze(draft: Draft, node: Node) -> Value:
    """Unsqueeze: dimensions of 1 are put in."""
    _, map_ = _shaped(draft, node)
    axes = draft.numbers(node, 1, "list of axes") or ()
    rank = len(map_.shape) + len(axes)
    places = {axis + rank if axis < 0 else axis for axis in axes}
    if len(places) != len(axes) or not places <= set(range(rank)):
        msg = f"it puts in the dimensions {list(axes)}"
        raise DamagedError(msg)
    rest = iter(map_.shape)
    return _to(draft, node, tuple(1 if axis in places else next(rest) for axis in range(rank)))


def transpose(draft: Draft, node: Node) -> Value:
    """Transpose, where only the names of the dimensions change, or channels are shuffled."""
    value, map_ = _shaped(draft, node)
    rank = len(map_.shape)
    order = node.numbers("perm", tuple(reversed(range(rank))))
    if sorted(order) != list(range(rank)):
        msg = f"it puts the dimensions in the order {list(order)}"
        raise DamagedError(msg)
    shuffled = map_.shuffled(order)
    if shuffled is not None:
        return draft.moved(node, value, "channel_shuffle", {"groups": map_.shape[1]}, shuffled)
    made = map_.transposed(order)
    if made is None:
        raise RefusedError(
            f"it puts the dimensions in the order {list(order)}, and kilograd does not move the "
            "elements of a map"
        )
    return draft.reshaped(node, value, made)
