"""Forward convolution with a k×k window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import bias_limit, requantize
from kilograd.ops.clamp import clamped_gradient
from kilograd.ops.conv.backward import ConvGradientAttributes, emit_conv_input_gradient
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
    Scratch,
    StepContext,
    Trainable,
    exactly,
)
from kilograd.ops.window import Window


@dataclass(frozen=True)
class ConvAttributes:
    """Attributes of ``conv``.

    Attributes:
        window: its taps, stride and padding.
        output: quantization of the result.
        trained_channels: input channels whose weights are stepped; empty for all of them. The
            whole weight is a state either way.
    """

    window: Window
    output: Quantization
    trained_channels: tuple[int, ...] = ()


class Conv(OpSpec[ConvAttributes]):
    """k×k convolution: int8 in, int8 out (TensorFlow Lite's CONV_2D).

    Inputs: activation int8[H, W, I], bias int32[O], weight int8[O, kh, kw, I].
    Output: int8[H', W', O].
    """

    name = "conv"
    attributes_type = ConvAttributes

    def infer(
        self, attributes: ConvAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """One column of output channels for each position of the window."""
        height, width, channels = inputs[ACTIVATION].shape
        outputs = inputs[BIAS].shape[0]
        terms = attributes.window.taps * channels
        check_parameters(inputs, outputs=outputs, terms=terms, weight_size=outputs * terms)
        rows, columns = attributes.window.output_shape(height, width)
        return (TensorType((rows, columns, outputs), DType.INT8, attributes.output),)

    def reference(
        self,
        attributes: ConvAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum tap by tap, requantize."""
        del context
        (out,) = self.infer(attributes, inputs)
        x = attributes.window.padded(exactly(arrays[ACTIVATION]) - inputs[ACTIVATION].zero_point)
        weight = exactly(arrays[WEIGHT])
        accumulator: Array = np.zeros(out.shape) + arrays[BIAS]
        for row, column, rows, columns in attributes.window.tap_slices(out.shape[:2]):
            accumulator += x[rows, columns] @ np.transpose(weight[:, row, column])
        multipliers, shifts = requantization(inputs, attributes.output.scale)
        zero_point = attributes.output.zero_point
        return (requantize(accumulator.astype(np.int64), multipliers, shifts, zero_point),)

    def kernel(self, attributes: ConvAttributes, inputs: Sequence[TensorType]) -> KernelCall:
        """kg_conv, with room for two gathered windows."""
        (out,) = self.infer(attributes, inputs)
        multipliers, shifts = requantization(inputs, attributes.output.scale)
        height, width, channels = inputs[ACTIVATION].shape
        fields = {
            **attributes.window.fields((height, width), out.shape[:2]),
            "channels": channels,
            "outputs": out.shape[2],
            "zero_point": inputs[ACTIVATION].zero_point,
            "output_zero_point": attributes.output.zero_point,
            "multiplier": multipliers,
            "shift": shifts,
        }
        arguments = (Input(ACTIVATION), Input(BIAS), Input(WEIGHT), Output(0), Scratch())
        return KernelCall("kg_conv", fields, arguments, 4 * attributes.window.taps * channels)

    def macs(self, attributes: ConvAttributes, inputs: Sequence[TensorType]) -> int:
        """Output elements · taps · input channels."""
        (out,) = self.infer(attributes, inputs)
        return out.size * attributes.window.taps * inputs[ACTIVATION].shape[2]

    def trainable(self, node: Node, graph: Graph, *, bias: bool, share: float) -> Trainable:
        """The whole weight becomes a state; the strongest share of its channels is stepped."""
        trained = train_whole(node, graph, bias=bias, weight=share > 0)
        if share in (0, 1):
            return trained
        weight = graph.values[node.inputs[WEIGHT]].array
        channels = largest_channels(weight, 3, share)
        attributes = replace(node.attributes, trained_channels=channels)
        return replace(trained, node=replace(node, attributes=attributes))

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """Through the clamp, to the parameters and the input."""
        gradient = clamped_gradient(node.outputs[0], node.layer, builder)
        attributes: ConvAttributes = node.attributes
        activation = node.inputs[ACTIVATION]
        if builder.wanted(activation):
            emit_conv_input_gradient(node, graph, builder, gradient, attributes.window)
        contribute_steps(
            node,
            graph,
            builder,
            gradient,
            weight_operator="conv_weight_step",
            weight_attributes=ConvGradientAttributes(
                attributes.window,
                graph.type_of(activation).shape,
                builder.stream(),
                attributes.trained_channels,
            ),
        )

    def cases(self) -> Sequence[Case]:
        """Odd channels, strides 1 and 2, uneven padding, rectangular windows."""
        windows = [
            ("3x3s2", Window.same(3, 2), (7, 8, 3), 6),
            ("3x3s1", Window.same(3), (5, 5, 5), 7),
            ("5x5s2", Window.same(5, 2), (9, 6, 4), 3),
            ("2x3uneven", Window(2, 3, 2, 0, 1, 1, 0), (6, 7, 2), 4),
            ("1x1s2", Window(1, 1, 2), (5, 6, 9), 2),
        ]
        cases: list[Case] = []
        for name, window, shape, outputs in windows:
            limit = min(20000, bias_limit(window.taps * shape[2]))
            cases.append(
                Case(
                    name,
                    ConvAttributes(window, Quantization((0.06,), -20)),
                    (
                        TensorType(shape, DType.INT8, Quantization((0.03,), 7)),
                        TensorType((outputs,), DType.INT32),
                        conv_weight(window, shape[2], outputs),
                    ),
                    low={BIAS: -limit, WEIGHT: -127},
                    high={BIAS: limit},
                )
            )
        return cases


def conv_weight(window: Window, channels: int, outputs: int) -> TensorType:
    """int8[O, kh, kw, I] with a scale per output channel."""
    scales = tuple(0.002 * (1 + output) for output in range(outputs))
    shape = (outputs, window.height, window.width, channels)
    return TensorType(shape, DType.INT8, Quantization(scales, 0, 0))
