"""Pools under windows, and reductions of a map's dimensions."""

from __future__ import annotations

import math
from dataclasses import replace

from kilograd.frontend.network import Option, Tabulated
from kilograd.frontend.onnx.draft import Draft, keeps_range
from kilograd.frontend.onnx.errors import DamagedError, RefusedError
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.values import Constant, Mapped, Pending, Step, Value, pending
from kilograd.frontend.onnx.windows import Geometry, geometry
from kilograd.ops.lookup.functions import Function

_NO_PADS = (0, 0, 0, 0)


def global_average_pool(draft: Draft, node: Node) -> Value:
    """GlobalAveragePool."""
    return _of_all_positions(draft, node, "mean")


def global_max_pool(draft: Draft, node: Node) -> Value:
    """GlobalMaxPool."""
    return _of_all_positions(draft, node, "maximum")


def _of_all_positions(draft: Draft, node: Node, operator: str) -> Value:
    x = draft.channels_first(draft.read(node))
    if not x.map.is_map:
        msg = f"it reduces the positions of a vector, {list(x.map.shape)}"
        raise DamagedError(msg)
    made = x.map.with_positions((1,) * len(x.map.positions), x.map.channels)
    return pending(node, operator, (x.number,), {"axes": (1, 2)}, made)


def reduce_mean(draft: Draft, node: Node) -> Value:
    """ReduceMean, over any dimensions but the batch."""
    return _reduced(draft, node, "mean", "averages")


def reduce_max(draft: Draft, node: Node) -> Value:
    """ReduceMax, over any dimensions but the batch."""
    return _reduced(draft, node, "maximum", "takes maxima")


def reduce_sum(draft: Draft, node: Node) -> Value:
    """ReduceSum, over any dimensions but the batch: a mean, and as much of it as there were."""
    mean = _reduced(draft, node, "mean", "sums")
    before, after = draft.read(node).map.shape, mean.map.shape
    factor = float(math.prod(before) // math.prod(after))
    options = {"function": Tabulated(Function("linear", (factor, 0.0)))}
    return draft.moved(node, mean, "lookup", options, mean.map)


def _reduced(draft: Draft, node: Node, operator: str, does: str) -> Mapped:
    x = draft.read(node)
    rank = len(x.map.shape)
    axes = draft.numbers(node, 1, "list of axes")
    if axes is None:
        axes = node.numbers("axes", ())
    wanted = {axis + rank if axis < 0 else axis for axis in axes}
    keeps = bool(node.whole("keepdims", 1))
    if not wanted or not wanted <= set(range(1, rank)) or (not keeps and rank - len(wanted) == 1):
        raise RefusedError(
            f"it {does} over the dimensions {sorted(wanted)} of {rank}, and kilograd {does} "
            "over some of those of a map or vector"
        )
    shape = tuple(1 if axis in wanted else extent for axis, extent in enumerate(x.map.shape))
    made = replace(x.map, shape=shape, pieces=None)
    places = {axis for axis in range(1, rank) if axis != x.map.channel_axis}
    is_whole = wanted == places
    over = (1, 2) if is_whole else tuple(x.map.stored_axis(axis) for axis in sorted(wanted))
    if is_whole and not keeps:
        return pending(node, operator, (x.number,), {"axes": over}, made.without(wanted))
    reduced = pending(node, operator, (x.number,), {"axes": over}, made)
    return reduced if keeps else draft.reshaped(node, reduced, made.without(wanted))


def _pool_window(node: Node, x: Map) -> Geometry:
    window = node.numbers("kernel_shape", ())
    moves = geometry(node, x, window)
    if any(
        dilation > 1 and tap > 1
        for dilation, tap in zip(moves.dilations, moves.window, strict=True)
    ):
        raise RefusedError("its window is dilated, and kilograd's are not dilated")
    return moves


def average_pool(draft: Draft, node: Node) -> Value:
    """AveragePool under windows, of which those beyond the map count or do not."""
    x = draft.channels_first(draft.read(node))
    moves = _pool_window(node, x.map)
    made = x.map.with_positions(moves.result, x.map.channels)
    if moves.window == x.map.stored[1:3] and moves.pads == _NO_PADS:
        return pending(node, "mean", (x.number,), {"axes": (1, 2)}, made)
    options: dict[str, Option] = {"window": moves.window, "strides": moves.strides}
    if not node.whole("count_include_pad", 0) or moves.pads == _NO_PADS:
        return pending(node, "average_pool", (x.number,), options | {"pads": moves.pads}, made)
    if node.whole("ceil_mode", 0):
        raise RefusedError("its windows count the padding, and may reach beyond it (ceil_mode)")
    top, bottom, left, right = moves.pads
    height, width = x.map.stored[1:3]
    # A row of positions stays one: its height has neither a window nor padding.
    extents = (height + top + bottom, width + left + right)[-len(x.map.positions) :]
    padded = x.map.with_positions(extents, x.map.channels)
    pads: dict[str, Option] = {"pads": (0, 0, *moves.pads, 0, 0)}
    padding = pending(node, "pad", (x.number,), pads, padded)
    pool = Step("average_pool", (), options | {"pads": _NO_PADS}, made)
    return replace(padding, steps=(*padding.steps, pool))


def max_pool(draft: Draft, node: Node) -> Value:
    """MaxPool under windows."""
    if any(node.outputs[1:]):
        raise RefusedError("it also says where the largest elements are")
    value = draft.value(node)
    is_first = not isinstance(value, Constant) and not value.map.is_channels_last
    if isinstance(value, Pending) and not keeps_range(value) and is_first:
        # The largest of what is quantized is what the largest becomes.
        return value.then("max_pool", *_largest(node, value.map))
    x = draft.channels_first(draft.read(node))
    return pending(node, "max_pool", (x.number,), *_largest(node, x.map))


def _largest(node: Node, map_: Map) -> tuple[dict[str, Option], Map]:
    """Options of a max pool, and what it makes of a map."""
    moves = _pool_window(node, map_)
    options: dict[str, Option] = {
        "window": moves.window,
        "strides": moves.strides,
        "pads": moves.pads,
    }
    return options, map_.with_positions(moves.result, map_.channels)
