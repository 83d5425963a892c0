"""Forward operators of 1×1 convolutions and dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Kind, Node, Quantization, TensorType, Value
from kilograd.ops.arithmetic import multiply_by_quantized_multiplier, requantize
from kilograd.ops.clamp import clamped_gradient
from kilograd.ops.common.layers import (
    DSP_ROWS,
    check_parameters,
    contribute_updates,
    largest_channels,
    layer_may_clamp,
    layer_weights,
    requantization,
    shifts_suit_dsp,
    train_whole,
    trained_bias,
    trained_weight,
)
from kilograd.ops.delta import NARROW, WIDE, Precision
from kilograd.ops.pointwise.input_gradient import emit_pointwise_input_gradient
from kilograd.ops.pointwise.split import (
    channel_order,
    check_delta,
    delta_cases,
    merge,
    pointwise_cases,
    slice_length,
    split_fields,
    split_weight,
    whole_weight,
)
from kilograd.ops.pointwise.weight_update import weight_update_attributes
from kilograd.ops.spec import (
    DSP,
    HOST,
    PLAIN,
    Array,
    Case,
    Gradient,
    GradientBuilder,
    Input,
    Kernel,
    LayerWeights,
    Operands,
    OpSpec,
    Output,
    RowRule,
    Scratch,
    StepContext,
    Trainable,
    Use,
    Variant,
    c_constant,
    exactly,
    required,
)

#: At most so many channels are expanded on the stack with DSP instructions.
FEW_CHANNELS = c_constant(Path(__file__).parent / "kernels" / "kg_pointwise.h", "KG_POINTWISE_FEW")


@dataclass(frozen=True)
class PointwiseAttributes:
    """Attributes of ``pointwise`` and ``dense``.

    Attributes:
        output: quantization of the result.
        trained_channels: input channels whose weights are a state, in the state's column order;
            empty when all weights are alike. ``frozen`` holds the other columns.
        fraction_bits: of the delta that moves the (trained) weight as ``apply_delta`` does; 0
            where there is none. The effective weight is never whole.
    """

    output: Quantization
    trained_channels: tuple[int, ...] = ()
    fraction_bits: int = 0


class _PointwiseForward(OpSpec[PointwiseAttributes]):
    """Σ over input channels; subclasses say what becomes of the accumulators."""

    attributes_type = PointwiseAttributes
    results = ("y",)
    #: of the delta of a trained weight
    precision: ClassVar[Precision] = NARROW
    #: of the weight in the layout that convolutions have elsewhere
    window_shape: ClassVar[tuple[int, ...]] = (1, 1)

    def _check(
        self, attributes: PointwiseAttributes, inputs: Sequence[TensorType]
    ) -> tuple[int, int, int]:
        types = self.bind(attributes, inputs)
        height, width, channels = types.x.shape
        outputs = types.bias.shape[0]
        check_delta(types, attributes.fraction_bits)
        check_parameters(types, outputs=outputs, terms=channels, weight_size=outputs * channels)
        channel_order(attributes.trained_channels, channels)
        return height, width, outputs

    def _accumulate(
        self, attributes: PointwiseAttributes, inputs: Sequence[TensorType], arrays: Sequence[Array]
    ) -> NDArray[np.int64]:
        x, given = self.bind(attributes, inputs).x, self.bind(attributes, arrays)
        channels = x.shape[-1]
        weight = whole_weight(
            given, attributes.trained_channels, channels, attributes.fraction_bits
        )
        rows = exactly(given.x.reshape(-1, channels)) - x.zero_point
        sums: Array = np.matmul(rows, np.transpose(exactly(weight)))
        return sums.astype(np.int64) + given.bias.astype(np.int64)

    def real(
        self, attributes: PointwiseAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """X · Wᵀ + b at every position; the weight of several parts is their columns in order."""
        (out,) = self.infer(attributes, inputs)
        given = self.bind(attributes, values)
        channels = given.x.shape[-1]
        weight = given.weight + given.delta if attributes.fraction_bits else given.weight
        if attributes.trained_channels:
            columns = np.empty((len(weight), channels))
            order = channel_order(attributes.trained_channels, channels)
            columns[:, order] = np.concatenate([weight, given.frozen], axis=1)
            weight = columns
        sums: Array = np.matmul(given.x.reshape(-1, channels), np.transpose(weight))
        return (sums + given.bias).reshape(out.shape)

    def _fields(
        self, attributes: PointwiseAttributes, types: Operands[TensorType]
    ) -> dict[str, int | Array | None]:
        multipliers, shifts = requantization(types, attributes.output.scale)
        channels = types.x.shape[-1]
        return {
            "channels": channels,
            "outputs": types.weight.shape[0],
            **split_fields(attributes.trained_channels, channels),
            "zero_point": types.x.zero_point,
            "multiplier": multipliers,
            "shift": shifts,
        }

    def macs(self, attributes: PointwiseAttributes, inputs: Sequence[TensorType]) -> int:
        """Positions · input channels · output channels."""
        types = self.bind(attributes, inputs)
        return types.x.size * types.bias.shape[0]

    def trainable(self, node: Node, graph: Graph, *, bias: bool, share: float) -> Trainable:
        """Weights of the strongest input channels become a state with columns of their own."""
        reads = self.inputs_of(node)
        value = graph.values[reads.weight]
        channels = largest_channels(value.array, 1, share) if share else ()
        if len(channels) in (0, value.type.shape[1]):
            return train_whole(
                self, node, graph, bias=bias, weight=bool(channels), precision=self.precision
            )
        others = channel_order(channels, value.type.shape[1])[len(channels) :]
        columns = _columns(value, channels, value.name)
        before, values = trained_weight(columns, node.layer, self.precision)
        if bias:
            moved, more = trained_bias(graph.values[reads.bias], node.layer)
            before, values = (*moved, *before), (*more, *values)
        frozen = _columns(value, tuple(others.tolist()), f"{value.name}.frozen")
        attributes = replace(node.attributes, trained_channels=channels)
        inputs = (reads.x, reads.bias, reads.weight, frozen.name)
        replaced = replace(node, inputs=inputs, attributes=attributes)
        return Trainable(replaced, (*values, frozen), before)

    def weights(self, node: Node, graph: Graph) -> LayerWeights:
        """The columns in their order: the trained ones between those that are frozen."""
        reads = self.inputs_of(node)
        channels = graph.type_of(reads.x).shape[-1]
        frozen = None if (name := reads.get("frozen")) is None else graph.values[name].array

        def arranged(weight: Array) -> Array:
            whole = merge(weight, frozen, node.attributes.trained_channels, channels)
            return whole.reshape(*whole.shape, *self.window_shape)

        return layer_weights(self, node, graph, arranged)

    def _contribute(
        self, node: Node, graph: Graph, builder: GradientBuilder, gradient: Gradient
    ) -> None:
        reads = self.inputs_of(node)
        if builder.wanted(reads.x):
            emit_pointwise_input_gradient(node, reads, graph, builder, gradient)
        contribute_updates(
            self,
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
    operands = (*required("x", "bias"), *split_weight(has_delta=True))

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
        types = self.bind(attributes, inputs)
        multipliers, shifts = requantization(types, attributes.output.scale)
        accumulator = self._accumulate(attributes, inputs, arrays)
        result = requantize(accumulator, multipliers, shifts, attributes.output.zero_point)
        return (result.reshape(*types.x.shape[:2], -1),)

    def kernel(self, attributes: PointwiseAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_pointwise: one position at a time in plain C, four with DSP instructions."""
        types = self.bind(attributes, inputs)
        outputs, columns = types.weight.shape
        bits = attributes.fraction_bits
        slice_ = slice_length(outputs, columns) if bits else outputs
        fields = {
            **self._fields(attributes, types),
            "positions": types.x.size // types.x.shape[-1],
            "output_zero_point": attributes.output.zero_point,
            "fraction_bits": bits,
            "slice": slice_,
        }

        def use(expanded_bytes: int, *, falls_back: bool = False) -> Use:
            """Expanded positions, and behind them the slice of the weight that is moved."""
            total = expanded_bytes + (slice_ * columns if bits else 0)
            return Use(total, {"effective_offset": expanded_bytes}, falls_back)

        channels, trained = types.x.shape[-1], len(attributes.trained_channels)
        uses: dict[Variant, Use] = {
            PLAIN: use(2 * channels),
            HOST: use(2 * channels, falls_back=True),
        }
        _, shifts = requantization(types, attributes.output.scale)
        if types.x.size >= DSP_ROWS * channels and shifts_suit_dsp(shifts):
            is_on_stack = channels <= FEW_CHANNELS and not trained and not bits
            padded = sum(-(-part // 4) * 4 for part in (trained, channels - trained))
            uses[DSP] = use(0 if is_on_stack else 2 * DSP_ROWS * padded)
        reads = (Input(operand.name) for operand in self.operands)
        return Kernel("pointwise", fields, (*reads, Output("y"), Scratch()), uses)

    def by_rows(self, attributes: PointwiseAttributes, inputs: Sequence[TensorType]) -> RowRule:
        """Row by row."""
        del inputs
        return RowRule(("x",), attributes)

    def in_slices(self, trained: Trainable) -> Trainable:
        """The node reads base and delta itself, instead of their sum."""
        weight = self.inputs_of(trained.node).weight
        summed = next((node for node in trained.before if node.outputs == (weight,)), None)
        if summed is None or not summed.attributes.has_base:
            return trained
        base, delta = summed.inputs
        inputs = tuple(base if name == weight else name for name in trained.node.inputs)
        bits = summed.attributes.fraction_bits
        attributes = replace(trained.node.attributes, fraction_bits=bits)
        values = tuple(value for value in trained.values if value.name != weight)
        before = tuple(node for node in trained.before if node is not summed)
        node = replace(trained.node, inputs=(*inputs, delta), attributes=attributes)
        return Trainable(node, values, before)

    def may_clamp(self, node: Node, graph: Graph) -> bool:
        """By the frozen weights of each channel."""
        return layer_may_clamp(self, node, graph, 0)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """Through the clamp, to the parameters and the input."""
        gradient = clamped_gradient(self, node, graph, builder)
        self._contribute(node, graph, builder, gradient)

    def cases(self) -> Sequence[Case]:
        """Whole and split weights, odd channel counts, an odd number of positions."""
        output = Quantization((0.05,), 3)
        cases = pointwise_cases(lambda channels: PointwiseAttributes(output, channels))
        return [*cases, *delta_cases(cases, self.bind)]


class Dense(_PointwiseForward):
    """A dense layer on a 1×1 map: int8 in, int32 logits out, not clamped.

    Inputs as ``pointwise``. Output: int32[O] with the attributes' scale and zero point 0.
    """

    name = "dense"
    operands = (*required("x", "bias"), *split_weight(has_delta=False))
    precision = WIDE  # a fresh head has all its weights to find, and has few
    window_shape = ()

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
        types = self.bind(attributes, inputs)
        multipliers, shifts = requantization(types, attributes.output.scale)
        accumulator = self._accumulate(attributes, inputs, arrays)[0]
        logits = multiply_by_quantized_multiplier(accumulator, multipliers, shifts)
        return (logits.astype(np.int32),)

    def kernel(self, attributes: PointwiseAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_dense."""
        types = self.bind(attributes, inputs)
        reads = (Input(name) for name in ("x", "bias", "weight", "frozen"))
        uses = {PLAIN: Use(2 * types.x.shape[-1])}
        fields = self._fields(attributes, types)
        return Kernel("dense", fields, (*reads, Output("y"), Scratch()), uses)

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
