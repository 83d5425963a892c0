"""What convolutions and dense layers share: parameters, and the order of their gradients.

A layer's node reads (activation, bias, weight) and, where only a share of its input channels is
trained, the frozen weights as a fourth input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kilograd.ir import DType, Graph, Kind, Node, TensorType, Value
from kilograd.ops.arithmetic import (
    bias_limit,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from kilograd.ops.bias import BiasUpdateAttributes
from kilograd.ops.delta import NARROW, DeltaAttributes, Precision
from kilograd.ops.delta.op import BASE, DELTA, delta_type
from kilograd.ops.spec import Array, Gradient, GradientBuilder, Trainable

if TYPE_CHECKING:
    from numpy.typing import NDArray

ACTIVATION, BIAS, WEIGHT, FROZEN = 0, 1, 2, 3


def check_parameters(
    inputs: Sequence[TensorType], *, outputs: int, terms: int, weight_size: int
) -> None:
    """ValueError unless bias and weights fit a layer of this many outputs and terms a sum."""
    bias_limit(terms)
    if len(inputs) not in (3, 4):
        msg = f"a layer reads activation, bias and weight (and frozen weight), not {len(inputs)}"
        raise ValueError(msg)
    if inputs[ACTIVATION].dtype is not DType.INT8:
        msg = f"a layer's activation is int8, not {inputs[ACTIVATION].dtype.value}"
        raise ValueError(msg)
    if inputs[BIAS].dtype is not DType.INT32 or inputs[BIAS].shape != (outputs,):
        msg = f"bias must be int32[{outputs}], not {inputs[BIAS].shape}"
        raise ValueError(msg)
    if sum(part.size for part in inputs[WEIGHT:]) != weight_size:
        msg = f"weights must have {weight_size} elements for these channels"
        raise ValueError(msg)
    if len(inputs[WEIGHT].scales) != outputs:
        msg = f"weights need {outputs} scales, one per output channel"
        raise ValueError(msg)


def requantization(
    inputs: Sequence[TensorType], output_scale: float
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Multiplier and shift of every output channel: input scale · weight scale / output scale."""
    scale = inputs[ACTIVATION].scale
    pairs = [quantize_multiplier(scale * s / output_scale) for s in inputs[WEIGHT].scales]
    multipliers = np.array([multiplier for multiplier, _ in pairs], np.int32)
    return multipliers, np.array([shift for _, shift in pairs], np.int8)


def layer_may_clamp(node: Node, graph: Graph, channel_axis: int) -> bool:
    """Whether some int8 activations could bring a layer's result to −128 or 127.

    Interval arithmetic, channel by channel; a layer of which anything is trained may.

    Args:
        node: with activation, bias, weight.
        graph: holds the node.
        channel_axis: of the weight, along which the channels of the result lie.
    """
    bias, weight = (graph.values[node.inputs[index]] for index in (BIAS, WEIGHT))
    frozen = bias.kind is Kind.CONSTANT and weight.kind is Kind.CONSTANT
    if not frozen or len(node.inputs) > FROZEN:
        return True
    types = graph.types(node.inputs)
    low, high = (end - types[ACTIVATION].zero_point for end in (-128, 127))
    terms = np.moveaxis(weight.array.astype(np.int64), channel_axis, 0).reshape(bias.type.size, -1)
    up, down = np.maximum(terms, 0).sum(axis=1), np.minimum(terms, 0).sum(axis=1)
    multipliers, shifts = requantization(types, node.attributes.output.scale)
    least, most = (
        multiply_by_quantized_multiplier(sums + bias.array, multipliers, shifts)
        + node.attributes.output.zero_point
        for sums in (up * low + down * high, up * high + down * low)
    )
    return bool(least.min() <= -128 or most.max() >= 127)  # noqa: PLR2004 - the ends of int8


def as_state(value: Value) -> Value:
    """The same value, trained."""
    return replace(value, kind=Kind.STATE)


def train_whole(
    node: Node, graph: Graph, *, bias: bool, weight: bool, precision: Precision = NARROW
) -> Trainable:
    """Make a layer's bias a state, and move all of its weight by one."""
    states = (as_state(graph.values[node.inputs[BIAS]]),) if bias else ()
    if not weight:
        return Trainable(node, states)
    before, values = trained_weight(graph.values[node.inputs[WEIGHT]], node.layer, precision)
    return Trainable(node, (*states, *values), before)


def trained_weight(
    value: Value, layer: str, precision: Precision = NARROW
) -> tuple[tuple[Node, ...], tuple[Value, ...]]:
    """A weight as a frozen base and a delta that is the state; the node that adds them.

    A weight that is zero to begin with, that of a fresh head, has no base.
    """
    type_ = delta_type(value.type, precision)
    delta = Value(
        f"{value.name}.delta", type_, Kind.STATE, np.zeros(type_.shape, type_.dtype.numpy)
    )
    whole = Value(value.name, value.type, Kind.ACTIVATION)
    base = replace(value, name=f"{value.name}.base", kind=Kind.CONSTANT)
    parts = (base, delta) if value.array.any() else (delta,)
    attributes = DeltaAttributes(precision.fraction_bits)
    names = tuple(part.name for part in parts)
    node = Node(value.name, "apply_delta", names, (whole.name,), attributes, layer)
    return (node,), (*parts, whole)


def weight_state(node: Node, graph: Graph) -> str | None:
    """Name of the state that a step of the layer's weight changes; None where it is frozen."""
    for name in node.inputs[WEIGHT:]:
        kind = graph.values[name].kind
        if kind is Kind.ACTIVATION:
            return graph.producer()[name].inputs[DELTA]
        if kind is Kind.STATE:
            return name
    return None


def initial_weight(name: str, graph: Graph) -> Value:
    """The value that holds what a weight is before training: for a fresh head, all zeros."""
    value = graph.values[name]
    if value.kind is Kind.ACTIVATION:
        initial = graph.values[graph.producer()[name].inputs[BASE]]
        return replace(initial, type=value.type)
    return value


def largest_channels(weight: Array, axis: int, share: float) -> tuple[int, ...]:
    """The share of channels with the largest mean magnitude, in ascending order.

    The paper trains those; its firmware, by mistake, the first ones. At least one channel is
    kept for any share above zero; ties go to the lower index.
    """
    count = max(1, round(share * weight.shape[axis]))
    others = tuple(i for i in range(weight.ndim) if i != axis)
    strength = np.abs(weight.astype(np.int64)).sum(axis=others)
    ranked = sorted(range(len(strength)), key=lambda channel: (-int(strength[channel]), channel))
    return tuple(sorted(ranked[:count]))


def contribute_updates(
    node: Node,
    graph: Graph,
    builder: GradientBuilder,
    gradient: Gradient,
    *,
    weight_operator: str,
    weight_attributes: Any,
) -> None:
    """Emit the steps of a layer's trained bias and weight."""
    layer = node.layer
    scaled = [gradient.value, gradient.exponent]
    bias = node.inputs[BIAS]
    weight = weight_state(node, graph)
    if weight is not None:
        reads = [weight, *scaled, node.inputs[ACTIVATION], builder.loss_exponent]
        (new,) = builder.emit(
            weight_operator, reads, weight_attributes, layer=layer, task="weight_update"
        )
        builder.update(weight, new)
    if graph.values[bias].kind is Kind.STATE:
        moved = int(bool(getattr(node.attributes, "fraction_bits", 0)))
        parts = node.inputs[WEIGHT : len(node.inputs) - moved]
        terms = sum(graph.type_of(part).size for part in parts)
        attributes = BiasUpdateAttributes(terms // graph.type_of(bias).size, builder.rng_stream())
        reads = [bias, *scaled, builder.loss_exponent]
        (new,) = builder.emit("bias_update", reads, attributes, layer=layer, task="bias_update")
        builder.update(bias, new)
