"""ONNX's sums and products of maps, and its functions of one number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.network import Option, Tabulated, Tensor
from kilograd.frontend.onnx.broadcasting import meets, of_maps, store_constants
from kilograd.frontend.onnx.draft import Draft, is_plain
from kilograd.frontend.onnx.errors import DamagedError, RefusedError, shown
from kilograd.frontend.onnx.functions import applied
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.values import Constant, Dequantized, Pending, Value, pending
from kilograd.frontend.onnx.weights import LARGEST_WEIGHT, store_bias, store_weight, symmetric
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


def gelu(draft: Draft, node: Node) -> Value:
    """Gelu, by the error function or by a hyperbolic tangent."""
    known = {"none": "gelu", "tanh": "gelu_tanh"}
    stated = node.attributes.get("approximate", "none")
    if not isinstance(stated, str) or stated not in known:
        msg = f"its attribute approximate is {shown(stated)}"
        raise DamagedError(msg)
    return _function(draft, node, 0, Function(known[stated]))


def swish(draft: Draft, node: Node) -> Value:
    """Swish, an operator since version 24 of ONNX's."""
    if node.attributes.get("alpha", 1.0) != 1:
        raise RefusedError(f"its attribute alpha is {shown(node.attributes['alpha'])}, not 1")
    return _function(draft, node, 0, Function("swish"))


def parametric_relu(draft: Draft, node: Node) -> Value:
    """PRelu with one slope for all elements, or with several for rows, columns or channels."""
    x, constant = draft.read(node), draft.constant(node, 1, "slopes")
    if constant is not None and meets(constant.data, x.map):
        number = store_constants(draft, constant, x.map)
        return pending(node, "prelu", (x.number, number), {}, x.map)
    found = _constant(draft, node, "has for its slopes")
    if found is None or found[0] != 1:
        raise RefusedError("its slopes are not a constant")
    slopes = found[1]
    if slopes.size == 1:
        return _function(draft, node, 0, Function("leaky_relu", (slopes.item(),)))
    slopes = slopes.reshape(1, 1, -1) if x.map.is_map else x.map.lies.in_memory(slopes)
    scale, steps = symmetric(slopes)
    number = draft.store(Tensor(node.inputs[1], steps.shape, "int8", (scale,), (0,), 0, steps))
    return pending(node, "prelu", (x.number, number), {}, x.map)


def _function(draft: Draft, node: Node, place: int, known: Function) -> Value:
    made = applied(draft, node, place, known)
    if made is not None:
        return made
    # A sigmoid at the end belongs to the loss.
    operator = "logistic" if known.name == "logistic" else "lookup"
    options = {"function": Tabulated(known)}
    value = draft.value(node, place)
    if isinstance(value, Pending) and is_plain(value):
        return value.then(operator, options, value.map)
    x = draft.read(node, place, may_be_loose=True, may_lack_batch=True)
    return pending(node, operator, (x.number,), options, x.map)


def add(draft: Draft, node: Node) -> Value:
    """Add of two maps, or of numbers to a map."""
    made = of_maps(draft, node, "add", "adds")
    if made is not None:
        return made
    place, values = _needed_constant(draft, node, "adds")
    return _line(draft, node, 1 - place, np.ones(1), values)


def subtract(draft: Draft, node: Node) -> Value:
    """Sub of two maps, of numbers from a map, or of a map from numbers."""
    made = of_maps(draft, node, "subtract", "subtracts")
    if made is not None:
        return made
    place, values = _needed_constant(draft, node, "subtracts")
    if place:
        return _line(draft, node, 0, np.ones(1), -values)
    return _line(draft, node, 1, -np.ones(1), values)


def multiply(draft: Draft, node: Node) -> Value:
    """Mul of two maps, of which one may be expanded, or of a map by numbers."""
    if not any(isinstance(draft.value(node, place), Constant) for place in (0, 1)):
        a, b = (
            draft.read(node, place, may_be_spread=True, may_lack_batch=True) for place in (0, 1)
        )
        for x, factors in ((a, b), (b, a)):
            if x.map == factors.map or _is_spread(x.map, factors.map):
                return pending(node, "multiply", (x.number, factors.number), {}, x.map)
    made = of_maps(draft, node, "multiply", "multiplies")
    if made is not None:
        return made
    place, values = _needed_constant(draft, node, "multiplies by")
    return _line(draft, node, 1 - place, values, np.zeros(1))


def extremum(operator: str, does: str) -> Callable[[Draft, Node], Value]:
    """Max or Min of two maps; with a number it is a function.

    Args:
        operator: neutral name.
        does: what the node does, for the message.
    """

    def build(draft: Draft, node: Node) -> Value:
        made = of_maps(draft, node, operator, does)
        if made is None or any(node.inputs[2:]):
            raise RefusedError(f"it {does} of other than two maps")
        return made

    return build


def divide(draft: Draft, node: Node) -> Value:
    """Div of each element or each channel by a number."""
    found = _constant(draft, node, "divides by")
    if found is None or found[0] == 0 or not found[1].all():
        raise RefusedError(
            "kilograd divides by no map, and not by zero",
            "normalize the samples before they go into the network",
        )
    return _line(draft, node, 0, 1 / found[1], np.zeros(1))


def normalize(draft: Draft, node: Node) -> Value:
    """BatchNormalization of constants: a factor and an offset for each channel."""
    if node.whole("training_mode", 0) or any(node.outputs[1:]):
        raise RefusedError("it normalizes by the batch, as in training", SIMPLIFY)
    x = draft.channels_first(draft.read(node))
    map_ = x.map
    given: list[NDArray[np.float64]] = []
    for place, what in enumerate(("scale", "shift", "mean", "variance"), 1):
        constant = draft.constant(node, place, what)
        values = None if constant is None else constant.reals(what)
        if values is None or values.shape != (map_.channels,):
            msg = f"its {what} is not one number for each of {map_.channels} channels"
            raise DamagedError(msg)
        given.append(values)
    scale, shift, mean, variance = given
    epsilon = node.attributes.get("epsilon", 1e-5)
    if not isinstance(epsilon, float) or not np.all(variance + epsilon > 0):
        msg = "its variance is not above zero"
        raise DamagedError(msg)
    slopes = scale / np.sqrt(variance + epsilon)
    return _line(draft, node, x, slopes, shift - slopes * mean)


def _is_spread(x: Map, factors: Map) -> bool:
    """Whether a map has one factor for each channel of another."""
    ones = replace(x, shape=x.with_positions((1,) * len(x.positions), x.channels).shape)
    is_everywhere = factors.spread in {None, x.positions}
    return x.is_map and is_everywhere and replace(factors, spread=x.spread) == ones


def _constant(draft: Draft, node: Node, does: str) -> tuple[int, NDArray[np.float64]] | None:
    """Of two operands, the place and the values of the one that is a constant.

    Returns:
        One number, or one for each channel or element of the other operand; None where both are
        maps.

    Raises:
        RefusedError: when it has numbers for something else than channels.
    """
    for place in (1, 0):
        value, other = draft.value(node, place), draft.value(node, 1 - place)
        if isinstance(other, Constant) or not isinstance(value, Constant):
            continue
        values, map_ = value.reals("constant"), other.map
        if values.size == 1 and values.ndim <= len(map_.shape):
            return place, values.ravel()
        ones = map_.with_positions((1,) * len(map_.positions), map_.channels).shape
        if (*(1,) * (len(ones) - values.ndim), *values.shape) == ones:
            return place, values.ravel()
        raise RefusedError(
            f"it {does} a constant of the shape {list(values.shape)}, and kilograd has one number, "
            "or one for each channel of a map or element of a vector"
        )
    return None


def _needed_constant(draft: Draft, node: Node, does: str) -> tuple[int, NDArray[np.float64]]:
    """As ``_constant``, where one of the operands is one."""
    found = _constant(draft, node, does)
    if found is None:
        raise RefusedError(f"it {does} two constants", SIMPLIFY)
    return found


def _line(
    draft: Draft,
    node: Node,
    x: int | Dequantized,
    slopes: NDArray[np.float64],
    offsets: NDArray[np.float64],
) -> Value:
    """Slope · x + offset: a function of one number, or a depthwise layer of one tap.

    Args:
        draft: what it is added to.
        node: with the map as one of its operands.
        x: the map, or the place of the operand that it is.
        slopes: one, or one for each channel.
        offsets: likewise.
    """
    if slopes.size == offsets.size == 1 and isinstance(x, int):
        return _function(draft, node, x, Function("linear", (slopes.item(), offsets.item())))
    x = draft.read(node, x, may_lack_batch=True) if isinstance(x, int) else x
    made = None
    channels = x.map.channels
    slopes, offsets = (np.resize(values, channels) for values in (slopes, offsets))
    if not x.map.is_map:  # a map of one position, with the elements as kilograd stores them
        made, lies = x.map, x.map.lies
        slopes, offsets = (lies.in_memory(values) for values in (slopes, offsets))
        x = draft.kept(pending(node, "reshape", (x.number,), {}, Map((1, channels, 1, 1))))
    sizes = np.where(slopes == 0, 1.0, np.abs(slopes))
    data = (np.sign(slopes) * LARGEST_WEIGHT).astype(np.int8).reshape(channels, 1, 1, 1)
    scales = tuple((sizes / LARGEST_WEIGHT).tolist())
    weight = Constant(node.outputs[0], data, scales, (0,) * channels, 0)
    number = store_weight(draft, weight, (1, 2, 3, 0), 0)
    bias = store_bias(draft, x, number, Constant("", offsets), channels)
    options: dict[str, Option] = {"strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0)}
    line = pending(node, "depthwise", (x.number, number, bias), options, x.map)
    return line if made is None else line.then("reshape", {}, made)
