"""Operators that say in which shape and order elements are read."""

from __future__ import annotations

import math

from kilograd.frontend.onnx.draft import Draft
from kilograd.frontend.onnx.errors import DamagedError, RefusedError, shown
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.values import Constant, Mapped, Value


def _shaped(draft: Draft, node: Node) -> tuple[Mapped, Map]:
    """What a node reads, and its shape."""
    value = draft.value(node)
    if isinstance(value, Constant):
        raise RefusedError(
            "it changes the shape of a constant while the network runs",
            "let quant_pre_process simplify the network before it is quantized",
        )
    if value.map.spread is not None:
        value = draft.read(node, may_be_loose=True)
    return value, value.map


def _viewed(draft: Draft, node: Node, value: Mapped, shape: tuple[int, ...]) -> Mapped:
    """A value in another shape."""
    map_ = value.map
    if math.prod(shape) != math.prod(map_.shape):
        msg = f"it makes the shape {list(shape)} of {list(map_.in_file)}"
        raise DamagedError(msg)
    if map_.shape[0] not in {1, *shape[:1]}:
        raise RefusedError(
            f"it makes the shape {list(shape)} of {list(map_.in_file)}, and kilograd reads one "
            "sample at a time"
        )
    made = map_.reshaped(shape)
    if made is None:
        # In the order of the file, elements have any shape.
        x = draft.in_file_order(draft.read(node, may_be_loose=True, may_lack_batch=True))
        return _viewed(draft, node, x, shape)
    return draft.reshaped(node, value, made)


def _to(draft: Draft, node: Node, shape: tuple[int, ...]) -> Mapped:
    value, _ = _shaped(draft, node)
    return _viewed(draft, node, value, shape)


def reshape(draft: Draft, node: Node) -> Value:
    """Reshape, to a constant shape."""
    _, map_ = _shaped(draft, node)
    before = map_.in_file
    shape = list(draft.numbers(node, 1, "shape") or ())
    if not node.whole("allowzero", 0):
        shape = [
            before[place] if extent == 0 and place < len(before) else extent
            for place, extent in enumerate(shape)
        ]
    if shape.count(-1) == 1:
        rest = -math.prod(shape)
        shape[shape.index(-1)] = math.prod(before) // rest if rest else 0
    if any(extent < 1 for extent in shape):
        msg = f"it makes the shape {shape} of {list(before)}"
        raise DamagedError(msg)
    return _to(draft, node, tuple(shape))


def flatten(draft: Draft, node: Node) -> Value:
    """Flatten: two dimensions are left."""
    _, map_ = _shaped(draft, node)
    before = map_.in_file
    axis = node.whole("axis", 1)
    axis += len(before) if axis < 0 else 0
    if not 0 <= axis <= len(before):
        msg = f"it flattens along dimension {axis} of {len(before)}"
        raise DamagedError(msg)
    return _to(draft, node, (math.prod(before[:axis]), math.prod(before[axis:])))


def squeeze(draft: Draft, node: Node) -> Value:
    """Squeeze: dimensions of 1 are left out."""
    _, map_ = _shaped(draft, node)
    before = map_.in_file
    axes = draft.numbers(node, 1, "list of axes")
    rank = len(before)
    if axes is None:
        axes = tuple(axis for axis, extent in enumerate(before) if extent == 1)
    left = {axis + rank if axis < 0 else axis for axis in axes}
    if not left <= set(range(rank)) or any(before[axis] != 1 for axis in left):
        msg = f"it leaves out the dimensions {sorted(left)} of {list(before)}"
        raise DamagedError(msg)
    kept = tuple(extent for axis, extent in enumerate(before) if axis not in left)
    return _to(draft, node, kept)


def unsqueeze(draft: Draft, node: Node) -> Value:
    """Unsqueeze: dimensions of 1 are put in."""
    _, map_ = _shaped(draft, node)
    before = map_.in_file
    axes = draft.numbers(node, 1, "list of axes") or ()
    rank = len(before) + len(axes)
    places = {axis + rank if axis < 0 else axis for axis in axes}
    if len(places) != len(axes) or not places <= set(range(rank)):
        msg = f"it puts in the dimensions {list(axes)}"
        raise DamagedError(msg)
    rest = iter(before)
    return _to(draft, node, tuple(1 if axis in places else next(rest) for axis in range(rank)))


def depth_to_space(draft: Draft, node: Node) -> Value:
    """DepthToSpace: channels become rows and columns, as the last layer of an upscaling does it."""
    value, (batch, channels, height, width), block = _blocks(draft, node)
    mode = node.attributes.get("mode", "DCR")
    if mode not in {"DCR", "CRD"}:
        msg = f"its mode is {shown(mode)}"
        raise DamagedError(msg)
    left, rest = divmod(channels, block * block)
    if rest:
        msg = f"it makes blocks of {block} by {block} of {channels} channels"
        raise DamagedError(msg)
    split = (block, block, left) if mode == "DCR" else (left, block, block)
    order = (0, 3, 4, 1, 5, 2) if mode == "DCR" else (0, 1, 4, 2, 5, 3)
    made = batch, left, height * block, width * block
    return _rearranged(draft, node, value, (batch, *split, height, width), order, made)


def space_to_depth(draft: Draft, node: Node) -> Value:
    """SpaceToDepth: blocks of rows and columns become channels, as a first layer does it."""
    value, (batch, channels, height, width), block = _blocks(draft, node)
    rows, columns = height // block, width // block
    if (rows * block, columns * block) != (height, width):
        msg = f"it takes blocks of {block} by {block} off {height} rows and {width} columns"
        raise DamagedError(msg)
    split = batch, channels, rows, block, columns, block
    made = batch, channels * block * block, rows, columns
    return _rearranged(draft, node, value, split, (0, 3, 5, 1, 2, 4), made)


def _blocks(draft: Draft, node: Node) -> tuple[Mapped, tuple[int, int, int, int], int]:
    """What a node reads, its extents, and those of a block."""
    value, map_ = _shaped(draft, node)
    block, shape = node.whole("blocksize", 0), map_.in_file
    if len(shape) != len(("batch", "channels", "height", "width")) or block < 1:
        msg = f"it reads the shape {list(shape)} in blocks of {block}"
        raise DamagedError(msg)
    batch, channels, height, width = shape
    return value, (batch, channels, height, width), block


def _rearranged(
    draft: Draft,
    node: Node,
    value: Mapped,
    split: tuple[int, ...],
    order: tuple[int, ...],
    made: tuple[int, ...],
) -> Value:
    """A value in another shape, with its dimensions in another order, and in a third shape."""
    value = _viewed(draft, node, value, split)
    value = draft.reshaped(node, value, value.map.transposed(order))
    return _viewed(draft, node, value, made)


def transpose(draft: Draft, node: Node) -> Value:
    """Transpose: what reads the map is told where its elements lie."""
    value, map_ = _shaped(draft, node)
    rank = len(map_.in_file)
    order = node.numbers("perm", tuple(reversed(range(rank))))
    if sorted(order) != list(range(rank)):
        msg = f"it puts the dimensions in the order {list(order)}"
        raise DamagedError(msg)
    if order[:1] != (0,) and map_.shape[0] != 1:
        raise RefusedError(
            f"it puts the dimensions in the order {list(order)}, and kilograd reads one sample at "
            "a time"
        )
    return draft.reshaped(node, value, map_.transposed(order))
