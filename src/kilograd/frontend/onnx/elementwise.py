"""ONNX's sums and products of maps, and its functions of one number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from kilograd.frontend.network import Tabulated
from kilograd.frontend.onnx.draft import Draft
from kilograd.frontend.onnx.errors import DamagedError, RefusedError, shown
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.values import Constant, Value, pending
from kilograd.ops.lookup.functions import Function

SIMPLIFY = "let quant_pre_process simplify the network before it is quantized"
"""Hint about what a simplifier folds."""


def function(name: str, *parameters: tuple[str, float]) -> Callable[[Draft, Node], Value]:
    """An operator that is a function of one number.

    Args:
        name: of the function.
        parameters: attributes of the node, and their values where the node does not have them.
    """

    def build(draft: Draft, node: Node) -> Value:
        numbers: list[float] = []
        for attribute, default in parameters:
            value = node.attributes.get(attribute, default)
            if not isinstance(value, (int, float)) or not math.isfinite(value):
                msg = f"its attribute {attribute} is {shown(value)}"
                raise DamagedError(msg)
            numbers.append(float(value))
        return _function(draft, node, 0, Function(name, tuple(numbers)))

    return build


def _function(draft: Draft, node: Node, place: int, known: Function) -> Value:
    x = draft.read(node, place)
    # A sigmoid at the end belongs to the loss.
    operator = "logistic" if known.name == "logistic" else "lookup"
    return pending(node, operator, (x.number,), {"function": Tabulated(known)}, x.map)


def add(draft: Draft, node: Node) -> Value:
    """Add of two maps, or of a number to each element."""
    number = _number(draft, node)
    if number is not None:
        place, value = number
        return _function(draft, node, 1 - place, Function("linear", (1.0, value)))
    if any(isinstance(draft.value(node, place), Constant) for place in (0, 1)):
        raise RefusedError(
            "it adds a constant of several numbers, and kilograd adds two maps, or one number",
            SIMPLIFY,
        )
    a, b = draft.read(node, 0), draft.read(node, 1)
    if a.map != b.map:
        raise RefusedError(
            f"it adds maps of the shapes {list(a.map.shape)} and {list(b.map.shape)}, and kilograd "
            "adds two of the same shape"
        )
    return pending(node, "add", (a.number, b.number), {}, a.map)


def subtract(draft: Draft, node: Node) -> Value:
    """Sub of a number from each element, or of each element from a number."""
    number = _number(draft, node)
    if number is None:
        raise RefusedError(
            "kilograd subtracts no maps",
            "normalize the samples before they go into the network",
        )
    place, value = number
    line = (1.0, -value) if place else (-1.0, value)
    return _function(draft, node, 1 - place, Function("linear", line))


def multiply(draft: Draft, node: Node) -> Value:
    """Mul of two maps, one of which may have one position, or of each element by a number."""
    number = _number(draft, node)
    if number is not None:
        place, value = number
        return _function(draft, node, 1 - place, Function("linear", (value, 0.0)))
    if any(isinstance(draft.value(node, place), Constant) for place in (0, 1)):
        raise RefusedError(
            "it multiplies by a constant of several numbers, and kilograd multiplies two maps, or "
            "by one number",
            SIMPLIFY,
        )
    a, b = draft.read(node, 0), draft.read(node, 1)
    for x, factors in ((a, b), (b, a)):
        if x.map == factors.map or _is_spread(x.map, factors.map):
            return pending(node, "multiply", (x.number, factors.number), {}, x.map)
    raise RefusedError(
        f"it multiplies maps of the shapes {list(a.map.shape)} and {list(b.map.shape)}, and "
        "kilograd multiplies two of the same shape, or by one factor for each channel"
    )


def divide(draft: Draft, node: Node) -> Value:
    """Div of each element by a number."""
    number = _number(draft, node)
    if number is None or number[0] == 0 or not number[1]:
        raise RefusedError(
            "kilograd divides by no map, and not by zero",
            "normalize the samples before they go into the network",
        )
    return _function(draft, node, 0, Function("linear", (1 / number[1], 0.0)))


def _is_spread(x: Map, factors: Map) -> bool:
    """Whether a map has one factor for each channel of another."""
    ones = replace(x, shape=x.with_positions((1,) * len(x.positions), x.channels).shape)
    return x.is_map and factors == ones


def _number(draft: Draft, node: Node) -> tuple[int, float] | None:
    """Of two operands, the place and the value of the one that is a constant of one number."""
    for place in (1, 0):
        value, other = draft.value(node, place), draft.value(node, 1 - place)
        if isinstance(other, Constant) or not isinstance(value, Constant):
            continue
        if value.data.size == 1 and value.data.ndim <= len(other.map.shape):
            return place, draft.scalar(node, place, "constant", 0.0)
    return None
