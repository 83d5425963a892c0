"""Forward depthwise convolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import bias_limit, requantize
from kilograd.ops.clamp import clamped_gradient
from kilograd.ops.depthwise.backward import (
    DepthwiseGradientAttributes,
    depthwise_weight,
    emit_depthwise_input_gradient,
)
from kilograd.ops.layers import (
    ACTIVATION,
    BIAS,
    WEIGHT,
    check_parameters,
    contribute_steps,
    largest_channels,
    requantization,
    train_whole,
)
from kilograd.ops.spec import (
    Array,
    Case,
    GradientBuilder,
    Input,
    KernelCall,
    OpSpec,
    Output,
    StepContext,
    Trainable,
    exactly,
)
from kilograd.ops.window import Window


@dataclass(frozen=True)
class DepthwiseAttributes:
    """Attributes of ``depthwise``.

    Attributes:
        window: its taps, stride and padding.
        output: quantization of the result.
        trained_channels: channels whose weights are stepped; empty for all of them. The whole
            weight is a state either way.
    """

    window: Window
    output: Quantization
    trained_channels: tuple[int, ...] = ()


class Depthwise(OpSpec[DepthwiseAttributes]):
    """Depthwise convolution: int8 in, int8 out (TensorFlow Lite's DEPTHWISE_CONV_2D).

    Inputs: activation int8[H, W, C], bias int32[C], weight int8[kh, kw, C].
    Output: int8[H', W', C].
    """

    name = "depthwise"
    attributes_type = DepthwiseAttributes

    def infer(
        self, attributes: DepthwiseAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The channels at each position of the window."""
        height, width, channels = inputs[ACTIVATION].shape
        taps = attributes.window.taps
        check_parameters(inputs, outputs=channels, terms=taps, weight_size=taps * channels)
        rows, columns = attributes.window.output_shape(height, width)
        return (TensorType((rows, columns, channels), DType.INT8, attributes.output),)

    def reference(
        self,
        attributes: DepthwiseAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum tap by tap, requantize."""
        del context
        (out,) = self.infer(attributes, inputs)
        x = attributes.window.padded(exactly(arrays[ACTIVATION]) - inputs[ACTIVATION].zero_point)
        weight = exactly(arrays[WEIGHT])
        accumulator = np.zeros(out.shape) + arrays[BIAS]
        for row, column, rows, columns in attributes.window.tap_slices(out.shape[:2]):
            accumulator += x[rows, columns] * weight[row, column]
        multipliers, shifts = requantization(inputs, attributes.output.scale)
        zero_point = attributes.output.zero_point
        return (requantize(accumulator.astype(np.int64), multipliers, shifts, zero_point),)

    def kernel(self, attributes: DepthwiseAttributes, inputs: Sequence[TensorType]) -> KernelCall:
        """kg_depthwise; needs no scratch."""
        (out,) = self.infer(attributes, inputs)
        multipliers, shifts = requantization(inputs, attributes.output.scale)
        height, width, channels = inputs[ACTIVATION].shape
        fields = {
            **attributes.window.fields((height, width), out.shape[:2]),
            "channels": channels,
            "zero_point": inputs[ACTIVATION].zero_point,
            "output_zero_point": attributes.output.zero_point,
            "multiplier": multipliers,
            "shift": shifts,
        }
        arguments = (Input(ACTIVATION), Input(BIAS), Input(WEIGHT), Output(0))
        return KernelCall("kg_depthwise", fields, arguments)

    def macs(self, attributes: DepthwiseAttributes, inputs: Sequence[TensorType]) -> int:
        """Output elements · taps."""
        (out,) = self.infer(attributes, inputs)
        return out.size * attributes.window.taps

    def trainable(self, node: Node, graph: Graph, *, bias: bool, share: float) -> Trainable:
        """The whole weight becomes a state; the strongest share of its channels is stepped."""
        trained = train_whole(node, graph, bias=bias, weight=share > 0)
        if share in (0, 1):
            return trained
        weight = graph.values[node.inputs[WEIGHT]].array
        attributes = replace(node.attributes, trained_channels=largest_channels(weight, 2, share))
        return replace(trained, node=replace(node, attributes=attributes))

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """Through the clamp, to the parameters and the input."""
        gradient = clamped_gradient(node.outputs[0], node.layer, builder)
        attributes: DepthwiseAttributes = node.attributes
        activation = node.inputs[ACTIVATION]
        if builder.wanted(activation):
            emit_depthwise_input_gradient(node, graph, builder, gradient, attributes.window)
        contribute_steps(
            node,
            graph,
            builder,
            gradient,
            weight_operator="depthwise_weight_step",
            weight_attributes=DepthwiseGradientAttributes(
                attributes.window,
                graph.type_of(activation).shape,
                builder.stream(),
                attributes.trained_channels,
            ),
        )

    def cases(self) -> Sequence[Case]:
        """Windows 3, 5, 7; strides 1 and 2; odd channels; maps smaller than the window."""
        windows = [
            ("3x3s1", Window.same(3), (5, 6, 5)),
            ("3x3s2", Window.same(3, 2), (8, 7, 8)),
            ("5x5s1", Window.same(5), (4, 4, 19)),
            ("5x5s2", Window.same(5, 2), (9, 8, 6)),
            ("7x7s2", Window.same(7, 2), (8, 8, 21)),
            ("7x7small", Window.same(7), (4, 4, 3)),
            ("2x3uneven", Window(2, 3, 2, 0, 1, 1, 0), (6, 7, 2)),
        ]
        cases: list[Case] = []
        for name, window, shape in windows:
            limit = min(20000, bias_limit(window.taps))
            cases.append(
                Case(
                    name,
                    DepthwiseAttributes(window, Quantization((0.05,), -128)),
                    (
                        TensorType(shape, DType.INT8, Quantization((0.03,), -128)),
                        TensorType((shape[2],), DType.INT32),
                        depthwise_weight(window, shape[2]),
                    ),
                    low={BIAS: -limit, WEIGHT: -127},
                    high={BIAS: limit},
                )
            )
        return cases
