"""Nodes of older versions of ONNX's operators, as those of newer versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.onnx.graph import Node, OnnxGraph

#: From this version on, no attribute that became an input is an attribute.
_NEWEST = 13

#: Operator -> attributes that became inputs, by the input's place, and the type of its elements.
_BECAME_INPUTS: Mapping[str, Mapping[str, tuple[int, type]]] = {
    "Clip": {"min": (1, np.float32), "max": (2, np.float32)},
    "Pad": {"pads": (1, np.int64), "value": (2, np.float32)},
    "Split": {"split": (1, np.int64)},
    "Squeeze": {"axes": (1, np.int64)},
    "Unsqueeze": {"axes": (1, np.int64)},
}

#: Version 10 of Resize has its scales where later ones have a region, and one way of resizing.
_RESIZE = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
_FIRST_REGION = 11


def as_newer(graph: OnnxGraph) -> OnnxGraph:
    """A graph whose nodes are those of a version in which operands are inputs."""
    if graph.opset >= _NEWEST:
        return graph
    constants = dict(graph.constants)
    nodes = tuple(_newer(node, graph.opset, constants) for node in graph.nodes)
    return replace(graph, nodes=nodes, constants=constants)


def _newer(node: Node, opset: int, constants: dict[str, NDArray[Any]]) -> Node:
    """One node.

    Args:
        node: of the file.
        opset: version of the file's operators.
        constants: by name; those that a node stated as attributes are added.
    """
    inputs, attributes = [*node.inputs], dict(node.attributes)
    if node.operator == "Resize" and opset < _FIRST_REGION:
        inputs[1:1] = [""]
        attributes |= _RESIZE
    for name, (place, kind) in _BECAME_INPUTS.get(node.operator, {}).items():
        if name not in attributes or not node.outputs:
            continue
        value = attributes.pop(name)
        inputs += [""] * (place + 1 - len(inputs))
        inputs[place] = f"{node.outputs[0]}, {name}"
        constants[inputs[place]] = np.asarray(value, kind)
    return replace(node, inputs=tuple(inputs), attributes=attributes)
