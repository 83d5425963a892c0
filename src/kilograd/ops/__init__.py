"""Operators: one room a family, one registry for all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kilograd.ir import Graph, Node
from kilograd.ops import (
    add,
    bias,
    border,
    channels,
    clamp,
    concatenate,
    conv,
    delta,
    depthwise,
    extremum,
    gradient_scale,
    lookup,
    loss,
    multiply,
    offset,
    pointwise,
    pool,
    requantize,
    reshape,
    spaced,
    transpose,
    upsample,
)
from kilograd.ops.spec import KernelCall, OpSpec, Role

_ROOMS = (
    conv,
    pointwise,
    depthwise,
    spaced,
    add,
    offset,
    multiply,
    extremum,
    concatenate,
    channels,
    pool,
    upsample,
    border,
    requantize,
    reshape,
    transpose,
    lookup,
    loss,
    bias,
    clamp,
    gradient_scale,
    delta,
)

#: Every operator by name.
REGISTRY: Mapping[str, OpSpec[Any]] = MappingProxyType(
    {operator.name: operator for room in _ROOMS for operator in room.OPERATORS}
)


def kernel_call(node: Node, graph: Graph) -> KernelCall:
    """How a node is run on the target that its graph is compiled for."""
    kernel = REGISTRY[node.operator].kernel(node.attributes, graph.types(node.inputs))
    return kernel.best(graph.target_features)


__all__ = ["REGISTRY", "OpSpec", "Role", "kernel_call"]
