"""Forward operators of 1×1 convolutions and dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Kind, Node, Quantization, TensorType, Value
from kilograd.ops.arithmetic import multiply_by_quantized_multiplier, requantize
from kilograd.ops.clamp import clamped_gradient
from kilograd.ops.common.layers import (
    ACTIVATION,
    BIAS,
    FROZEN,
    WEIGHT,
    as_state,
    check_parameters,
    contribute_updates,
    largest_channels,
    layer_may_clamp,
    requantization,
    train_whole,
    trained_weight,
)
from kilograd.ops.delta import NARROW, WIDE, Precision
from kilograd.ops.delta.op import effective_weight
from kilograd.ops.pointwise.backward import emit_pointwise_input_gradient, weight_update_attributes
from kilograd.ops.pointwise.split import (
    channel_order,
    check_delta,
    delta_cases,
    merge,
    pointwise_cases,
    slice_length,
    split_fields,
)
from kilograd.ops.spec import (
    Array,
    Case,
    Gradient,
    GradientBuilder,
    Input,
    KernelCall,
    OpSpec,
    Output,
    RowRule,
    Scratch,
    StepContext,
    Trainable,
    exactly,
)

#: KG_POINTWISE_FEW of pointwise.h.
FEW_CHANNELS = 8


@dataclass(frozen=True)
class PointwiseAttributes:
    """Attributes of ``pointwise`` and ``dense``.

    Attributes:
        output: quantization of the result.
        trained_channels: input channels whose weights are a state, in the state's column order;
            empty when all weights are alike. The fourth input holds the other columns.
        fraction_bits: of the delta that is the last input and moves the (trained) weight as
            ``apply_delta`` does; 0 where there is none. The moved weight is never whole.
    """

    output: Quantization
    trained_channels: tuple[int, ...] = ()
    fraction_bits: int = 0


class _PointwiseForward(OpSpec[PointwiseAttributes]):
    """Σ over input channels; subclasses say what becomes of the accumulators."""

    attributes_type = PointwiseAttributes
    #: of the delta of a trained weight
    precision: ClassVar[Precision] = NARROW
    #: whether the kernel moves the weight, or reads one that ``apply_delta`` has moved
    takes_delta: ClassVar[bool]

    def _check(
        self, attributes: PointwiseAttributes, inputs: Sequence[TensorType]
    ) -> tuple[int, int, int]:
        height, width, channels = inputs[ACTIVATION].shape
        outputs = inputs[BIAS].shape[0]
        inputs = check_delta(attributes.fraction_bits, inputs, WEIGHT)
        check_parameters(inputs, outputs=outputs, terms=channels, weight_size=outputs * channels)
        split = len(inputs) > FROZEN
        if split != bool(attributes.trained_channels):
            msg = "trained channels and a frozen weight go together"
            raise ValueError(msg)
        channel_order(attributes.trained_channels, channels)
        return height, width, outputs

    def _accumulate(
        self, attributes: PointwiseAttributes, inputs: Sequence[TensorType], arrays: Sequence[Array]
    ) -> NDArray[np.int64]:
        channels = inputs[ACTIVATION].shape[-1]
        frozen = arrays[FROZEN] if attributes.trained_channels else None
        bits = attributes.fraction_bits
        trained = effective_weight(arrays[WEIGHT], arrays[-1], bits) if bits else arrays[WEIGHT]
        weight = merge(trained, frozen, attributes.trained_channels, channels)
        rows = exactly(arrays[ACTIVATION].reshape(-1, channels)) - inputs[ACTIVATION].zero_point
        sums: Array = np.matmul(rows, np.transpose(exactly(weight)))
        return sums.astype(np.int64) + arrays[BIAS].astype(np.int64)

    def _kernel(
        self,
        function: str,
        attributes: PointwiseAttributes,
        inputs: Sequence[TensorType],
        scratch_bytes: int,
    ) -> KernelCall:
        outputs, columns = inputs[WEIGHT].shape
        bits = attributes.fraction_bits
        slice_ = slice_length(outputs, columns) if bits else outputs
        multipliers, shifts = requantization(inputs, attributes.output.scale)
        height, width, channels = inputs[ACTIVATION].shape
        fields = {
            "positions": height * width,
            "channels": channels,
            "outputs": outputs,
            **split_fields(attributes.trained_channels, channels),
            "zero_point": inputs[ACTIVATION].zero_point,
            "output_zero_point": attributes.output.zero_point,
            "multiplier": multipliers,
            "shift": shifts,
            "fraction_bits": bits,
            "slice": slice_,
            "effective_offset": scratch_bytes,
        }
        weights = (Input(WEIGHT), Input(FROZEN) if attributes.trained_channels else None)
        delta = (Input(len(inputs) - 1) if bits else None,) if self.takes_delta else ()
        arguments = (Input(ACTIVATION), Input(BIAS), *weights, *delta, Output(0), Scratch())
        total = scratch_bytes + (slice_ * columns if bits else 0)
        return KernelCall(function, fields, arguments, total)

    def macs(self, attributes: PointwiseAttributes, inputs: Sequence[TensorType]) -> int:
        """Positions · input channels · output channels."""
        del attributes
        return inputs[ACTIVATION].size * inputs[BIAS].shape[0]

    def trainable(self, node: Node, graph: Graph, *, bias: bool, share: float) -> Trainable:
        """Weights of the strongest input channels become a state with columns of their own."""
        value = graph.values[node.inputs[WEIGHT]]
        channels = largest_channels(value.array, 1, share) if share else ()
        if len(channels) in (0, value.type.shape[1]):
            return train_whole(
                node, graph, bias=bias, weight=bool(channels), precision=self.precision
            )
        others = channel_order(channels, value.type.shape[1])[len(channels) :]
        columns = _columns(value, channels, value.name)
        before, values = trained_weight(columns, node.layer, self.precision)
        frozen = _columns(value, tuple(others.tolist()), f"{value.name}.frozen")
        attributes = replace(node.attributes, trained_channels=channels)
        inputs = (*node.inputs[: WEIGHT + 1], frozen.name)
        states = (as_state(graph.values[node.inputs[BIAS]]),) if bias else ()
        replaced = replace(node, inputs=inputs, attributes=attributes)
        return Trainable(replaced, (*states, *values, frozen), before)

    def _contribute(
        self, node: Node, graph: Graph, builder: GradientBuilder, gradient: Gradient
    ) -> None:
        if builder.wanted(node.inputs[ACTIVATION]):
            emit_pointwise_input_gradient(node, graph, builder, gradient)
        contribute_updates(
            node,
            graph,
            builder,
            gradient,
            weight_operator="pointwise_weight_update",
            weight_attributes=weight_update_attributes(node, builder),
        )


class Pointwise(_PointwiseForward):
    """1×1 convolution, stride 1: int8 in, int8 out (TensorFlow Lite's CONV_2D).

    Inputs: activation int8[H, W, I], bias int32[O], weight int8[O, I] (or its trained columns
    and the frozen ones), and where it is effective, its delta. Output: int8[H, W, O].
    """

    name = "pointwise"
    takes_delta = True

    def infer(
        self, attributes: PointwiseAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The same positions with the output channels."""
        return (TensorType(self._check(attributes, inputs), DType.INT8, attributes.output),)

    def reference(
        self,
        attributes: PointwiseAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Accumulate, requantize."""
        del context
        multipliers, shifts = requantization(inputs, attributes.output.scale)
        accumulator = self._accumulate(attributes, inputs, arrays)
        result = requantize(accumulator, multipliers, shifts, attributes.output.zero_point)
        return (result.reshape(*inputs[ACTIVATION].shape[:2], -1),)

    def kernel(self, attributes: PointwiseAttributes, inputs: Sequence[TensorType]) -> KernelCall:
        """kg_pointwise, with room for four expanded positions; few channels go on the stack."""
        channels, trained = inputs[ACTIVATION].shape[-1], len(attributes.trained_channels)
        if channels <= FEW_CHANNELS and not trained and not attributes.fraction_bits:
            scratch_bytes = 2 * channels
        else:
            parts = (trained, channels - trained)
            scratch_bytes = 2 * 4 * sum(-(-part // 4) * 4 for part in parts)
        return self._kernel("kg_pointwise", attributes, inputs, scratch_bytes)

    def by_rows(self, attributes: PointwiseAttributes, inputs: Sequence[TensorType]) -> RowRule:
        """Row by row."""
        del inputs
        return RowRule((ACTIVATION,), attributes)

    def in_slices(self, trained: Trainable) -> Trainable:
        """The node reads base and delta itself, instead of their sum."""
        if not trained.before or len(trained.before[0].inputs) == 1:
            return trained
        (summed,) = trained.before
        base, delta = summed.inputs
        node, (weight,) = trained.node, summed.outputs
        inputs = tuple(base if name == weight else name for name in node.inputs)
        bits = summed.attributes.fraction_bits
        attributes = replace(node.attributes, fraction_bits=bits)
        values = tuple(value for value in trained.values if value.name != weight)
        return Trainable(replace(node, inputs=(*inputs, delta), attributes=attributes), values)

    def may_clamp(self, node: Node, graph: Graph) -> bool:
        """By the frozen weights of each channel."""
        return layer_may_clamp(node, graph, 0)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """Through the clamp, to the parameters and the input."""
        gradient = clamped_gradient(self, node, graph, builder)
        self._contribute(node, graph, builder, gradient)

    def cases(self) -> Sequence[Case]:
        """Whole and split weights, odd channel counts, an odd number of positions."""
        output = Quantization((0.05,), 3)
        cases = pointwise_cases(lambda channels: PointwiseAttributes(output, channels))
        return [*cases, *delta_cases(cases, WEIGHT)]


class Dense(_PointwiseForward):
    """A dense layer on a 1×1 map: int8 in, int32 logits out, not clamped.

    Inputs as ``pointwise``. Output: int32[O] with the attributes' scale and zero point 0.
    """

    name = "dense"
    takes_delta = False
    precision = WIDE  # a fresh head has all its weights to find, and has few

    def infer(
        self, attributes: PointwiseAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """One int32 for each output."""
        height, width, outputs = self._check(attributes, inputs)
        if (height, width) != (1, 1):
            msg = f"a dense layer reads a 1×1 map, not {height}×{width}"
            raise ValueError(msg)
        return (TensorType((outputs,), DType.INT32, attributes.output),)

    def reference(
        self,
        attributes: PointwiseAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Accumulate, rescale."""
        del context
        multipliers, shifts = requantization(inputs, attributes.output.scale)
        accumulator = self._accumulate(attributes, inputs, arrays)[0]
        logits = multiply_by_quantized_multiplier(accumulator, multipliers, shifts)
        return (logits.astype(np.int32),)

    def kernel(self, attributes: PointwiseAttributes, inputs: Sequence[TensorType]) -> KernelCall:
        """kg_dense."""
        scratch_bytes = 2 * inputs[ACTIVATION].shape[-1]
        return self._kernel("kg_dense", attributes, inputs, scratch_bytes)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """To the parameters and the input; nothing is clamped."""
        self._contribute(node, graph, builder, builder.gradient(node.outputs[0]))

    def cases(self) -> Sequence[Case]:
        """As for ``pointwise``, at one position."""
        output = Quantization((2.0**-16,), 0)
        return pointwise_cases(
            lambda channels: PointwiseAttributes(output, channels), positions=((1, 1),)
        )


def _columns(value: Value, channels: tuple[int, ...], name: str) -> Value:
    data = np.ascontiguousarray(value.array[:, list(channels)])
    type_ = TensorType(data.shape, value.type.dtype, value.type.quantization)
    return Value(name, type_, Kind.CONSTANT, data)
