"""Operators that join maps in their channels, take them apart, and take a part of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from kilograd.frontend.network import Option
from kilograd.frontend.onnx.draft import Draft
from kilograd.frontend.onnx.errors import DamagedError, RefusedError
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.values import Dequantized, Mapped, Pending, Value, pending


def concat(draft: Draft, node: Node) -> Value:
    """Concat, along any dimension; the graph has it along the channels alone."""
    maps = draft.alike([draft.read(node, place) for place in range(len(node.inputs))])
    if not maps:
        msg = "it has no inputs"
        raise DamagedError(msg)
    first = maps[0].map
    axis = _axis(node.whole("axis", -len(first.shape) - 1), first, "joins along")
    total = sum(x.map.shape[axis : axis + 1][0] for x in maps if len(x.map.shape) > axis)
    for x in maps:
        alike = replace(x.map, shape=(*x.map.shape[:axis], 0, *x.map.shape[axis + 1 :]))
        if alike != replace(first, shape=(*first.shape[:axis], 0, *first.shape[axis + 1 :])):
            msg = f"it joins {list(first.shape)} and {list(x.map.shape)} along dimension {axis}"
            raise DamagedError(msg)
    made = replace(first, shape=(*first.shape[:axis], total, *first.shape[axis + 1 :]))
    reads = tuple(x.number for x in maps)
    return pending(node, "concatenate", reads, {"axis": first.stored_axis(axis)}, made)


def split(draft: Draft, node: Node) -> tuple[Value, ...]:
    """Split: the channels in several parts, one a result."""
    x = whole(draft, node)
    axis = _axis(node.whole("axis", 0), x.map, "splits")
    extent, count = x.map.shape[axis], len(node.outputs)
    sizes = draft.numbers(node, 1, "list of sizes")
    if sizes is None:
        size = -(-extent // count)
        sizes = (*(size,) * (count - 1), extent - size * (count - 1))
    if len(sizes) != count or sum(sizes) != extent or min(sizes) < 1:
        msg = f"it splits {extent} into {list(sizes)} for {count} results"
        raise DamagedError(msg)
    parts: list[Value] = []
    first = 0
    for place, size in enumerate(sizes):
        part = replace(node, outputs=node.outputs[place : place + 1])
        parts.append(_part(part, x, axis, first, size))
        first += size
    return tuple(parts)


def take(draft: Draft, node: Node) -> Value:
    """Slice: a part of the channels, of height and width; of the latter also every so many."""
    x = whole(draft, node)
    starts, ends = (
        draft.numbers(node, place, what) or ()
        for place, what in ((1, "list of starts"), (2, "list of ends"))
    )
    axes, steps = (
        draft.numbers(node, place, what)
        for place, what in ((3, "list of axes"), (4, "list of steps"))
    )
    axes = tuple(range(len(starts))) if axes is None else axes
    axes = tuple(_axis(axis, x.map, "takes a part of") for axis in axes)
    if not starts or not len(starts) == len(ends) == len(axes) == len(set(axes)):
        msg = f"it takes {list(starts)} to {list(ends)} of the dimensions {list(axes)}"
        raise DamagedError(msg)
    steps = (1,) * len(axes) if steps is None else steps
    if len(steps) != len(axes):
        msg = f"it takes every {list(steps)} elements of the dimensions {list(axes)}"
        raise DamagedError(msg)
    if set(steps) != {1}:
        if any(
            step > 1 for axis, step in zip(axes, steps, strict=True) if axis == x.map.channel_axis
        ):
            x = draft.arranged(x, x.map.turned())
        return _sampled(node, x, [*zip(axes, starts, ends, steps, strict=True)])
    wanted = {
        axis: found
        for axis, start, end in zip(axes, starts, ends, strict=True)
        if (found := slice(start, end).indices(x.map.shape[axis])[:2]) != (0, x.map.shape[axis])
    }
    for first, end in wanted.values():
        if end <= first:
            msg = f"it takes nothing, {first} to {end}"
            raise DamagedError(msg)
    if set(wanted) <= {x.map.channel_axis}:
        first, end = wanted.get(x.map.channel_axis, (0, x.map.channels))
        return _part(node, x, x.map.channel_axis, first, end - first)
    return _cropped(node, x, wanted)


def _sampled(node: Node, x: Dequantized, parts: Sequence[tuple[int, int, int, int]]) -> Value:
    """Every so many rows or columns: a pool with windows of one position, apart from each other.

    Args:
        node: that takes them.
        x: of which they are taken.
        parts: dimension, the first place, the one behind the last, and the distance.
    """
    strides = [1] * len(x.map.stored)
    wanted: dict[int, tuple[int, int]] = {}
    shape = [*x.map.shape]
    for axis, start, end, step in parts:
        if step < 1 or (step > 1 and axis in {0, x.map.channel_axis}) or not x.map.is_map:
            raise RefusedError(
                f"it takes every so many elements of dimension {axis}, {step}, and kilograd takes "
                "every so many rows or columns"
            )
        first, last, _ = slice(start, end, step).indices(shape[axis])
        count = len(range(first, last, step))
        if not count:
            msg = f"it takes nothing, {first} to {last}"
            raise DamagedError(msg)
        wanted[axis] = first, first + (count - 1) * step + 1
        strides[x.map.stored_axis(axis)] = step
        shape[axis] = count
    made = replace(x.map, shape=tuple(shape))
    options: dict[str, Option] = {
        "window": (1, 1),
        "strides": (strides[1], strides[2]),
        "pads": (0, 0, 0, 0),
    }
    return _cropped(node, x, wanted).then("max_pool", options, made)


def gather(draft: Draft, node: Node) -> Value:
    """Gather: places along a dimension that follow each other, often one of them.

    Several rows of places, as windows that do not overlap are, make one more dimension of it.
    """
    x = whole(draft, node)
    axis = _axis(node.whole("axis", 0), x.map, "takes a part of")
    index, extent = draft.constant(node, 1, "index"), x.map.shape[axis]
    if index is None or index.data.dtype.kind != "i" or not index.data.size:
        raise RefusedError("the places that it takes are not a constant")
    places = index.data.ravel().astype(np.int64)
    places = np.where(places < 0, places + extent, places)
    if places.min() < 0 or places.max() >= extent:
        msg = f"it takes place {max(places, key=abs)} of {extent}"
        raise DamagedError(msg)
    first, end = int(places[0]), int(places[0]) + len(places)
    if not np.array_equal(places, np.arange(first, end)):
        raise RefusedError(
            "it takes places along a dimension that do not follow each other, or overlap"
        )
    part: Mapped = x if (first, end) == (0, extent) else _cropped(node, x, {axis: (first, end)})
    if index.data.ndim == 1:
        return part
    made = (*x.map.shape[:axis], *index.data.shape, *x.map.shape[axis + 1 :])
    map_ = part.map.reshaped(made)
    if map_ is None:
        raise RefusedError(f"it makes the shape {list(made)} of {list(x.map.shape)}")
    return draft.reshaped(node, part, map_)


def _cropped(node: Node, x: Dequantized, wanted: Mapping[int, tuple[int, int]]) -> Pending:
    """A part of each of some dimensions: from where, and up to where."""
    map_ = x.map
    if not map_.is_map or 0 in wanted:
        raise RefusedError(
            f"it takes a part of the dimensions {sorted(wanted)} of the shape {list(map_.shape)}, "
            "and kilograd of a map's channels, height and width"
        )
    crops = [(0, 0) for _ in map_.stored]
    shape = [*map_.shape]
    for axis, (first, end) in wanted.items():
        crops[map_.stored_axis(axis)] = first, shape[axis] - end
        shape[axis] = end - first
    options = {"crops": tuple(count for pair in crops for count in pair)}
    return pending(node, "crop", (x.number,), options, replace(map_, shape=tuple(shape)))


def whole(draft: Draft, node: Node) -> Dequantized:
    """What a node takes a part of: a map, or a vector in the order of the file."""
    x = draft.read(node)
    return x if x.map.is_map else draft.in_file_order(x)


def _part(node: Node, x: Dequantized, axis: int, first: int, count: int) -> Value:
    """So many channels, rows or columns, as the result of a node."""
    if axis != x.map.channel_axis:
        return _cropped(node, x, {axis: (first, first + count)})
    made = replace(x.map, shape=(*x.map.shape[:axis], count, *x.map.shape[axis + 1 :]))
    return pending(node, "channel_slice", (x.number,), {"first": first, "count": count}, made)


def _axis(axis: int, map_: Map, does: str) -> int:
    """A dimension, counted from the first; ``does`` is for the message."""
    rank = len(map_.shape)
    axis += rank if axis < 0 else 0
    if not 0 <= axis < rank:
        msg = f"it {does} dimension {axis} of {rank}"
        raise DamagedError(msg)
    return axis
