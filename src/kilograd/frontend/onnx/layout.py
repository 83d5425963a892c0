"""Where a sample has its channels: first in networks of PyTorch, last in those of TensorFlow."""

from __future__ import annotations

import math

from kilograd.frontend.onnx.graph import MAX_RANK, GraphInput, Node, OnnxGraph
from kilograd.frontend.onnx.maps import Map

#: Batch, channels, and at least one more.
_MAP_RANK = 3

#: Operators that leave each element where it is.
_IN_PLACE = {
    *("QuantizeLinear", "DequantizeLinear", "Cast", "Identity", "Pad", "Add", "Sub", "Mul", "Div"),
    *("Relu", "Clip", "Unsqueeze", "Reshape"),
}


def sample_map(graph: OnnxGraph, entry: GraphInput) -> Map:
    """How a network's samples lie: with the channels first, last, or none as a dimension."""
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for given in node.inputs:
            readers.setdefault(given, []).append(node)
    name, shape, is_alone = entry.name, entry.shape, False
    for _ in graph.nodes:
        if len(readers.get(name, ())) != 1 or len(shape) < _MAP_RANK:
            break
        (reader,) = readers[name]
        if reader.operator == "Transpose":
            first = (0, len(shape) - 1, *range(1, len(shape) - 1))
            if reader.attributes.get("perm") == first:
                return Map(entry.shape, is_channels_last=True)
        elif reader.operator in {"Unsqueeze", "Reshape"}:
            shape = _shape(graph, reader, shape)
            is_alone = shape[1:2] == (1,)
        if reader.operator not in _IN_PLACE or not reader.outputs:
            break
        name = reader.outputs[0]
    if not is_alone:
        return Map(entry.shape)
    has_one = entry.shape[-1] == 1
    is_flat = not has_one and len(entry.shape) == _MAP_RANK
    return Map(entry.shape, is_channels_last=has_one, has_one_channel=is_flat)


def _shape(graph: OnnxGraph, node: Node, shape: tuple[int, ...]) -> tuple[int, ...]:
    """What a node makes of a shape; empty where it does not tell."""
    data = graph.constants.get(node.inputs[1] if len(node.inputs) > 1 else "")
    is_known = data is not None and data.dtype.kind == "i" and data.size <= MAX_RANK
    stated: list[int] = data.ravel().tolist() if data is not None and is_known else []
    if node.operator == "Reshape":
        extents = [
            shape[place] if extent == 0 and place < len(shape) else extent
            for place, extent in enumerate(stated)
        ]
        known = math.prod(extent for extent in extents if extent != -1)
        left = math.prod(shape) // max(known, 1)
        return tuple(left if extent == -1 else extent for extent in extents)
    rank = len(shape) + len(stated)
    places = {axis + rank if axis < 0 else axis for axis in stated}
    left = iter(shape)
    return tuple(1 if place in places else next(left, 1) for place in range(rank))
