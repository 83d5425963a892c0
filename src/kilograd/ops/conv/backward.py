"""Input gradient and weight step of k×k convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kilograd.ir import Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import channel_mantissas, scalar_mantissa
from kilograd.ops.gradient import (
    EXPONENT,
    MAGNITUDE,
    branch_type,
    emit_gradient,
    rounded_gradient,
    whole_exponent,
)
from kilograd.ops.layers import ACTIVATION, WEIGHT
from kilograd.ops.pointwise.backward import channel_scaling, scale_gradient, weight_gain
from kilograd.ops.spec import (
    Array,
    Case,
    Control,
    Gradient,
    GradientBuilder,
    Input,
    KernelCall,
    OpSpec,
    Output,
    Scratch,
    StepContext,
    exactly,
)
from kilograd.ops.step import fixed_point_step
from kilograd.ops.window import Window


@dataclass(frozen=True)
class ConvGradientAttributes:
    """Attributes of ``conv_input_gradient`` and ``conv_weight_step``.

    Attributes:
        window: the layer's.
        input_shape: (height, width, channels) of the layer's input.
        stream: of the stochastic rounding.
        trained_channels: as the layer's; of the weight step only.
    """

    window: Window
    input_shape: tuple[int, ...]
    stream: int
    trained_channels: tuple[int, ...] = ()


def emit_conv_input_gradient(
    node: Node, graph: Graph, builder: GradientBuilder, gradient: Gradient, window: Window
) -> None:
    """Contribute the transposed convolution of the gradient to the layer's input."""
    activation = node.inputs[ACTIVATION]
    weight = graph.values[node.inputs[WEIGHT]]
    gain = weight_gain(weight.array, weight.type.scales, 1 / window.stride**2)
    contribution = emit_gradient(
        builder,
        "conv_input_gradient",
        [gradient.value, gradient.exponent, weight.name],
        ConvGradientAttributes(window, graph.type_of(activation).shape, builder.stream()),
        layer=node.layer,
        task="input_gradient",
        magnitude=gradient.magnitude + gain + 0.5 * np.log2(window.taps),
    )
    builder.contribute(activation, contribution)


class ConvInputGradient(OpSpec[ConvGradientAttributes]):
    """Transposed convolution of the gradient, rounded stochastically to int8.

    Inputs: gradient int8[H', W', O], its exponent, weight int8[O, kh, kw, I], the result's
    exponent. Outputs: int8[H, W, I], magnitude bits.
    """

    name = "conv_input_gradient"
    attributes_type = ConvGradientAttributes

    def infer(
        self, attributes: ConvGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The layer's input shape."""
        _check_gradient(attributes, inputs[0], inputs[2])
        branch_type(inputs, 1)
        branch_type(inputs, 3)
        return (TensorType(attributes.input_shape), MAGNITUDE)

    def reference(
        self,
        attributes: ConvGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Scale by channel, spread over the taps, round."""
        gradient, exponent, weight, result_exponent = arrays
        mantissas, channel_shift, unit = channel_scaling(inputs[2], attributes.window.taps)
        scaled = exactly(scale_gradient(gradient, mantissas, channel_shift))
        height, width, channels = attributes.input_shape
        window = attributes.window
        padded = window.padded(np.zeros((height, width, channels)))
        for row, column, rows, columns in window.tap_slices(inputs[0].shape[:2]):
            padded[rows, columns] += scaled @ exactly(weight[:, row, column])
        sums = window.unpadded(padded, height, width).astype(np.int64)
        scale = scalar_mantissa(unit)
        shift = whole_exponent(result_exponent) - whole_exponent(exponent) - scale.exponent
        return rounded_gradient(sums * scale.mantissa, shift, attributes.stream, context)

    def kernel(
        self, attributes: ConvGradientAttributes, inputs: Sequence[TensorType]
    ) -> KernelCall:
        """kg_conv_input_gradient, one position of the result at a time."""
        mantissas, channel_shift, unit = channel_scaling(inputs[2], attributes.window.taps)
        scale = scalar_mantissa(unit)
        height, width, channels = attributes.input_shape
        fields = {
            **attributes.window.fields((height, width), inputs[0].shape[:2]),
            "channels": channels,
            "outputs": inputs[0].shape[2],
            "channel_mantissa": mantissas,
            "channel_shift": channel_shift,
            "mantissa": scale.mantissa,
            "exponent": scale.exponent,
            "stream": attributes.stream,
        }
        reads = tuple(Input(index) for index in range(4))
        arguments = (Control(), *reads, Output(0), Output(1), Scratch())
        return KernelCall("kg_conv_input_gradient", fields, arguments, 4 * channels)

    def macs(self, attributes: ConvGradientAttributes, inputs: Sequence[TensorType]) -> int:
        """As the layer's forward."""
        return inputs[0].size * attributes.window.taps * attributes.input_shape[2]

    def cases(self) -> Sequence[Case]:
        """The forward's windows."""
        return [
            Case(
                name,
                attributes,
                (gradient, EXPONENT, weight, EXPONENT),
                low={0: -127, 1: -80, 2: -127, 3: -160},
                high={1: 0, 3: -60},
            )
            for name, attributes, gradient, weight in _gradient_cases()
        ]


class ConvWeightStep(OpSpec[ConvGradientAttributes]):
    """As the pointwise weight step, for every tap of the window.

    Inputs: weight int8[O, kh, kw, I], gradient int8[H', W', O], its exponent, activation
    int8[H, W, I], the loss exponent.
    """

    name = "conv_weight_step"
    attributes_type = ConvGradientAttributes
    updates = MappingProxyType({0: 0})

    def infer(
        self, attributes: ConvGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The weight again."""
        _check_gradient(attributes, inputs[1], inputs[0])
        if inputs[3].shape != attributes.input_shape:
            msg = f"activation {inputs[3].shape} is not {attributes.input_shape}"
            raise ValueError(msg)
        branch_type(inputs, 2)
        branch_type(inputs, 4)
        return (inputs[0],)

    def reference(
        self,
        attributes: ConvGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Correlate gradient and activation at each tap, scale, round, saturate."""
        weight, gradient, exponent, x, loss_exponent = arrays
        padded = attributes.window.padded(exactly(x) - inputs[3].zero_point)
        flat = exactly(gradient).reshape(-1, weight.shape[0])
        sums = np.zeros(weight.shape, np.int64)
        for row, column, rows, columns in attributes.window.tap_slices(inputs[1].shape[:2]):
            under = padded[rows, columns].reshape(len(flat), -1)
            sums[:, row, column] = (flat.T @ under).astype(np.int64)
        mantissas, exponents = channel_mantissas([inputs[3].scale / s for s in inputs[0].scales])
        whole = exponents + np.int64(whole_exponent(exponent) + int(loss_exponent[0]))
        per_channel = (slice(None), None, None, None)
        step = fixed_point_step(
            sums, mantissas[per_channel], whole[per_channel], attributes.stream, context
        )
        if attributes.trained_channels:
            kept = np.zeros(weight.shape[3], np.int64)
            kept[list(attributes.trained_channels)] = 1
            step = step * kept
        return (np.clip(weight.astype(np.int64) - step, -127, 127).astype(np.int8),)

    def kernel(
        self, attributes: ConvGradientAttributes, inputs: Sequence[TensorType]
    ) -> KernelCall:
        """kg_conv_weight_step, one weight at a time."""
        height, width, channels = attributes.input_shape
        trained = np.array(attributes.trained_channels or range(channels), np.uint16)
        mantissas, exponents = channel_mantissas([inputs[3].scale / s for s in inputs[0].scales])
        fields = {
            **attributes.window.fields((height, width), inputs[1].shape[:2]),
            "channels": channels,
            "outputs": inputs[1].shape[2],
            "trained": len(trained),
            "trained_channel": trained,
            "zero_point": inputs[3].zero_point,
            "mantissa": mantissas,
            "exponent": exponents,
            "stream": attributes.stream,
        }
        arguments = (Control(), *(Input(index) for index in range(5)))
        return KernelCall("kg_conv_weight_step", fields, arguments)

    def macs(self, attributes: ConvGradientAttributes, inputs: Sequence[TensorType]) -> int:
        """Gradient elements · taps · trained channels."""
        channels = len(attributes.trained_channels) or attributes.input_shape[2]
        return inputs[1].size * attributes.window.taps * channels

    def cases(self) -> Sequence[Case]:
        """The forward's windows, all channels and a share."""
        cases: list[Case] = []
        for name, attributes, gradient, weight in _gradient_cases():
            x = TensorType(attributes.input_shape, quantization=Quantization((0.03,), -9))
            cases.append(
                Case(
                    name,
                    attributes,
                    (weight, gradient, EXPONENT, x, EXPONENT),
                    low={0: -127, 1: -127, 2: -240, 4: -30},
                    high={2: 0, 4: 0},
                )
            )
        return cases


def _check_gradient(
    attributes: ConvGradientAttributes, gradient: TensorType, weight: TensorType
) -> None:
    height, width, channels = attributes.input_shape
    rows, columns = attributes.window.output_shape(height, width)
    if gradient.shape != (rows, columns, weight.shape[0]) or weight.shape[3] != channels:
        msg = f"gradient {gradient.shape} and weight {weight.shape} do not fit the window"
        raise ValueError(msg)


def _gradient_cases() -> list[tuple[str, ConvGradientAttributes, TensorType, TensorType]]:
    shapes = [
        ("3x3s2", Window.same(3, 2), (7, 8, 3), 6, ()),
        ("5x5s1", Window.same(5), (5, 4, 5), 3, (1, 4)),
        ("2x3uneven", Window(2, 3, 2, 0, 1, 1, 0), (6, 7, 2), 4, (1,)),
    ]
    cases: list[tuple[str, ConvGradientAttributes, TensorType, TensorType]] = []
    for name, window, shape, outputs, trained in shapes:
        rows, columns = window.output_shape(*shape[:2])
        scales = tuple(0.002 * (1 + output) for output in range(outputs))
        weight = TensorType(
            (outputs, window.height, window.width, shape[2]),
            quantization=Quantization(scales, 0, 0),
        )
        attributes = ConvGradientAttributes(window, shape, 6, trained)
        cases.append((name, attributes, TensorType((rows, columns, outputs)), weight))
    return cases
