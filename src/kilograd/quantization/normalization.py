"""Batch normalizations that stand behind no layer which could take them in.

onnxruntime folds those behind a convolution into it. Others, as before the activations of ResNetV2
and DenseNet or behind a pool, become depthwise layers of one tap.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

#: Inputs of the operator: its map, scale, shift, mean, variance.
_INPUTS = 5
#: Of vectors: batch and elements.
_VECTOR = 2


def replace_normalizations(model: Any) -> None:
    """Put a depthwise layer in the place of each batch normalization of constants.

    Args:
        model: ``onnx.ModelProto`` with the shapes of its values, which is changed.
    """
    known = _Known(model)
    nodes: list[Any] = []
    for node in model.graph.node:
        replaced = known.replaced(node) if node.op_type == "BatchNormalization" else None
        nodes += replaced or [node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}
    kept = [entry for entry in model.graph.initializer if entry.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


class _Known:
    """What of a model's values is known before it runs."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._helper: Any = importlib.import_module("onnx.helper")
        self._arrays: Any = importlib.import_module("onnx.numpy_helper")
        self._constants = {entry.name: entry for entry in model.graph.initializer}
        typed = (*model.graph.input, *model.graph.value_info, *model.graph.output)
        self._ranks = {
            entry.name: len(entry.type.tensor_type.shape.dim)
            for entry in typed
            if entry.type.tensor_type.HasField("shape")
        }

    def replaced(self, node: Any) -> list[Any] | None:
        """Nodes that compute the same; None where that cannot be said."""
        rank = self._ranks.get(node.input[0], 0)
        given = [self._constants.get(name) for name in node.input[1:]]
        if rank < _VECTOR or len(node.input) != _INPUTS or None in given:
            return None
        attributes = {a.name: self._helper.get_attribute_value(a) for a in node.attribute}
        if attributes.get("training_mode"):
            return None
        scale, shift, mean, variance = (self._arrays.to_array(entry) for entry in given)
        slopes = scale / np.sqrt(variance + attributes.get("epsilon", 1e-5))
        x, made = node.input[0], node.output[0]
        positions = max(rank - _VECTOR, 1)
        weight = self._add(node.input[1], slopes.reshape(-1, 1, *(1,) * positions))
        bias = self._add(node.input[2], shift - slopes * mean)
        if rank > _VECTOR:
            return [self._conv(node.name, x, weight, bias, made, len(slopes))]
        # A vector is a map of one position while the layer reads it.
        axes = self._add(f"{made}.axes", np.array([_VECTOR]))
        before, behind = f"{made}.map", f"{made}.made"
        return [
            self._helper.make_node("Unsqueeze", [x, axes], [before], f"{node.name}_before"),
            self._conv(node.name, before, weight, bias, behind, len(slopes)),
            self._helper.make_node("Squeeze", [behind, axes], [made], f"{node.name}_behind"),
        ]

    def _conv(self, name: str, x: str, weight: str, bias: str, made: str, channels: int) -> Any:
        return self._helper.make_node("Conv", [x, weight, bias], [made], name, group=channels)

    def _add(self, like: str, data: Any) -> str:
        """A constant, called like one that was there: layers are called after their weights."""
        name = f"{like}.affine"
        while name in self._constants:
            name += "_"
        dtype = np.int64 if data.dtype.kind == "i" else np.float32
        self._constants[name] = self._arrays.from_array(data.astype(dtype), name)
        self._model.graph.initializer.append(self._constants[name])
        return name
