"""What convolutions and dense layers share: parameters, and the order of their gradients.

A layer's node reads the activation ``x``, ``bias`` and ``weight``; some layers also ``frozen``, the
weights of the input channels that are not trained, and a ``delta`` that moves the weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kilograd.ir import DType, Graph, Kind, Node, TensorType, Value
from kilograd.ops.arithmetic import (
    bias_limit,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from kilograd.ops.bias import (
    ApplyBiasDelta,
    BiasDeltaAttributes,
    BiasUpdateAttributes,
    bias_base_type,
    bias_delta_type,
)
from kilograd.ops.delta import NARROW, DeltaAttributes, Precision
from kilograd.ops.delta.op import ApplyDelta, delta_type, effective_weight, unrounded_weight
from kilograd.ops.operands import Item, Operands
from kilograd.ops.spec import (
    Array,
    Gradient,
    GradientBuilder,
    LayerWeights,
    OpSpec,
    Trainable,
    c_constant,
    exactly,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_APPLY_DELTA = ApplyDelta()
_APPLY_BIAS_DELTA = ApplyBiasDelta()

#: Positions that the DSP kernels of layers compute at once.
DSP_ROWS = c_constant(Path(__file__).parents[1] / "arithmetic" / "kg_gemm4_dsp.h", "KG_ROWS")


def check_parameters(
    types: Operands[TensorType], *, outputs: int, terms: int, weight_size: int
) -> None:
    """ValueError unless bias and weights fit a layer of this many outputs and terms a sum."""
    bias_limit(terms)
    if types.x.dtype is not DType.INT8:
        msg = f"a layer's activation is int8, not {types.x.dtype.value}"
        raise ValueError(msg)
    if types.bias.dtype is not DType.INT32 or types.bias.shape != (outputs,):
        msg = f"bias must be int32[{outputs}], not {types.bias.shape}"
        raise ValueError(msg)
    if sum(part.size for part in weight_parts(types)) != weight_size:
        msg = f"weights must have {weight_size} elements for these channels"
        raise ValueError(msg)
    if len(types.weight.scales) != outputs:
        msg = f"weights need {outputs} scales, one per output channel"
        raise ValueError(msg)


def weight_parts(reads: Operands[Item]) -> tuple[Item, ...]:
    """The weight, and the frozen one where it is in two parts."""
    frozen = reads.get("frozen")
    return (reads.weight,) if frozen is None else (reads.weight, frozen)


def requantization(
    types: Operands[TensorType], output_scale: float
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Multiplier and shift of every output channel: input scale · weight scale / output scale."""
    scale = types.x.scale
    pairs = [quantize_multiplier(scale * s / output_scale) for s in types.weight.scales]
    multipliers = np.array([multiplier for multiplier, _ in pairs], np.int32)
    return multipliers, np.array([shift for _, shift in pairs], np.int8)


def shifts_suit_dsp(shifts: NDArray[np.int8]) -> bool:
    """Whether kg_requantize_dsp.h serves channels with these shifts."""
    return bool(np.all((shifts < 0) & (shifts >= -22)))  # noqa: PLR2004 - its offset's limit


def layer_may_clamp(spec: OpSpec[Any], node: Node, graph: Graph, channel_axis: int) -> bool:
    """Whether some int8 activations could bring a layer's result to −128 or 127.

    Interval arithmetic, channel by channel; a layer of which anything is trained may.

    Args:
        spec: the node's operator.
        node: a layer's.
        graph: holds the node.
        channel_axis: of the weight, along which the channels of the result lie.
    """
    reads = spec.inputs_of(node)
    bias, weight = graph.values[reads.bias], graph.values[reads.weight]
    is_frozen = bias.kind is Kind.CONSTANT and weight.kind is Kind.CONSTANT
    if not is_frozen or len(reads.without("x", "bias", "weight")):
        return True
    types = spec.bind(node.attributes, graph.types(node.inputs))
    low, high = (end - types.x.zero_point for end in (-128, 127))
    terms = np.moveaxis(weight.array.astype(np.int64), channel_axis, 0).reshape(bias.type.size, -1)
    up, down = np.maximum(terms, 0).sum(axis=1), np.minimum(terms, 0).sum(axis=1)
    multipliers, shifts = requantization(types, node.attributes.output.scale)
    least, most = (
        multiply_by_quantized_multiplier(sums + bias.array, multipliers, shifts)
        + node.attributes.output.zero_point
        for sums in (up * low + down * high, up * high + down * low)
    )
    return bool(least.min() <= -128 or most.max() >= 127)  # noqa: PLR2004 - the ends of int8


def train_whole(
    spec: OpSpec[Any],
    node: Node,
    graph: Graph,
    *,
    bias: bool,
    weight: bool,
    precision: Precision = NARROW,
) -> Trainable:
    """Move a layer's bias by a state, and all of its weight by another."""
    reads = spec.inputs_of(node)
    before, values = trained_bias(graph.values[reads.bias], node.layer) if bias else ((), ())
    if weight:
        moved, more = trained_weight(graph.values[reads.weight], node.layer, precision)
        before, values = (*before, *moved), (*values, *more)
    return Trainable(node, values, before)


def trained_bias(value: Value, layer: str) -> tuple[tuple[Node, ...], tuple[Value, ...]]:
    """A bias as a frozen base and a delta that is the state; the node that adds them.

    A bias that is zero to begin with, that of a fresh head, has no base.
    """
    type_ = bias_base_type(value.type, value.array)
    return _moved(
        value,
        replace(value, type=type_, data=value.array.astype(type_.dtype.numpy)),
        layer,
        _APPLY_BIAS_DELTA,
        bias_delta_type(value.type),
        BiasDeltaAttributes,
    )


def trained_weight(
    value: Value, layer: str, precision: Precision = NARROW
) -> tuple[tuple[Node, ...], tuple[Value, ...]]:
    """A weight as a frozen base and a delta that is the state; the node that adds them.

    A weight that is zero to begin with, that of a fresh head, has no base.
    """
    return _moved(
        value,
        value,
        layer,
        _APPLY_DELTA,
        delta_type(value.type, precision),
        partial(DeltaAttributes, precision.fraction_bits),
    )


def _moved(
    value: Value,
    stored: Value,
    layer: str,
    operator: OpSpec[Any],
    type_: TensorType,
    attributes: Callable[[bool], Any],
) -> tuple[tuple[Node, ...], tuple[Value, ...]]:
    """A parameter in parts: base (where it is not zero), delta of this type, and their sum.

    ``stored`` is the parameter in the type that its base has.
    """
    delta = Value(
        f"{value.name}.delta", type_, Kind.STATE, np.zeros(type_.shape, type_.dtype.numpy)
    )
    whole = Value(value.name, value.type, Kind.ACTIVATION)
    base = replace(stored, name=f"{value.name}.base", kind=Kind.CONSTANT)
    has_base = bool(value.array.any())
    parts = (base, delta) if has_base else (delta,)
    names = tuple(part.name for part in parts)
    node = Node(value.name, operator.name, names, (whole.name,), attributes(has_base), layer)
    return (node,), (*parts, whole)


def layer_weights(
    spec: OpSpec[Any], node: Node, graph: Graph, arranged: Callable[[Array], Array]
) -> LayerWeights:
    """What a layer computes with, whatever of it is trained.

    Args:
        spec: the node's operator.
        node: a layer's.
        graph: holds the node, and what its constants and states contain.
        arranged: puts the values of the operand ``weight``, of any element type, into the layout of
            ``LayerWeights``, with those of the frozen part.
    """
    reads = spec.inputs_of(node)
    steps, rounded = _weight_in_steps(reads, node, graph)
    scale = np.array(graph.type_of(reads.weight).scales)
    bias = _bias_contents(reads.bias, graph)
    weight = arranged(steps)
    along_outputs = (-1, *(1,) * (weight.ndim - 1))
    return LayerWeights(
        weight=weight * scale.reshape(along_outputs),
        weight_int8=arranged(rounded),
        weight_scale=scale,
        bias=bias * (graph.type_of(reads.x).scale * scale),
        bias_int32=bias,
    )


def _weight_in_steps(
    reads: Operands[str], node: Node, graph: Graph
) -> tuple[NDArray[np.float64], Array]:
    """The operand ``weight`` in its steps: moved by its delta, and rounded as kernels do."""
    value, delta, attributes = graph.values[reads.weight], reads.get("delta"), node.attributes
    if value.kind is Kind.ACTIVATION:
        sum_ = graph.producer()[value.name]
        parts, attributes = _APPLY_DELTA.inputs_of(sum_), sum_.attributes
        base, delta = parts.get("base"), parts.delta
        contents = 0 if base is None else graph.values[base].array
    elif delta is None:
        return exactly(value.array), value.array
    else:
        contents = value.array
    moved, bits = graph.values[delta].array, attributes.fraction_bits
    return unrounded_weight(contents, moved, bits), effective_weight(contents, moved, bits)


def _bias_contents(name: str, graph: Graph) -> NDArray[np.int32]:
    value = graph.values[name]
    if value.kind is not Kind.ACTIVATION:
        return value.array.astype(np.int32)
    parts = _APPLY_BIAS_DELTA.inputs_of(graph.producer()[name])
    base, delta = parts.get("base"), graph.values[parts.delta].array.astype(np.int32)
    return delta if base is None else graph.values[base].array.astype(np.int32) + delta


def weight_state(reads: Operands[str], graph: Graph) -> str | None:
    """Name of the state that a layer's weight update changes; None where it is frozen."""
    delta = reads.get("delta")
    if delta is None and graph.values[reads.weight].kind is Kind.ACTIVATION:
        delta = _APPLY_DELTA.inputs_of(graph.producer()[reads.weight]).delta
    return delta


def initial_weight(name: str, graph: Graph) -> Value:
    """The value that holds what a weight is before training: for a fresh head, all zeros."""
    value = graph.values[name]
    if value.kind is Kind.ACTIVATION:
        summed = _APPLY_DELTA.inputs_of(graph.producer()[name])
        # Without a base the delta has the contents: it is all zeros before training.
        return replace(graph.values[summed.get("base") or summed.delta], type=value.type)
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
    spec: OpSpec[Any],
    node: Node,
    graph: Graph,
    builder: GradientBuilder,
    gradient: Gradient,
    *,
    weight_operator: str,
    weight_attributes: Any,
) -> None:
    """Emit the updates of a layer's trained bias and weight."""
    layer, reads = node.layer, spec.inputs_of(node)
    shared = {
        "gradient": gradient.value,
        "gradient_exponent": gradient.exponent,
        "loss_exponent": builder.loss_exponent,
    }
    weight = weight_state(reads, graph)
    if weight is not None:
        (new,) = builder.emit(
            weight_operator,
            {"weight": weight, "x": reads.x, **shared},
            weight_attributes,
            layer=layer,
            task="weight_update",
        )
        builder.update(weight, new)
    bias = graph.values[reads.bias]
    if bias.kind is Kind.ACTIVATION:
        parts = _APPLY_BIAS_DELTA.inputs_of(graph.producer()[bias.name])
        base = parts.get("base")
        terms = sum(graph.type_of(part).size for part in weight_parts(reads))
        attributes = BiasUpdateAttributes(
            terms // bias.type.size, builder.rng_stream(), base is not None
        )
        (new,) = builder.emit(
            "bias_update",
            {"delta": parts.delta, "base": base, **shared},
            attributes,
            layer=layer,
            task="bias_update",
        )
        builder.update(parts.delta, new)
