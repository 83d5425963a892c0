"""Input gradient and weight step of depthwise convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import channel_mantissas, relative_mantissas, scalar_mantissa
from kilograd.ops.gradient import (
    EXPONENT,
    MAGNITUDE,
    branch_type,
    emit_gradient,
    rounded_gradient,
    whole_exponent,
)
from kilograd.ops.layers import ACTIVATION, WEIGHT
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
    StepContext,
    exactly,
)
from kilograd.ops.step import fixed_point_step
from kilograd.ops.window import Window


@dataclass(frozen=True)
class DepthwiseGradientAttributes:
    """Attributes of ``depthwise_input_gradient`` and ``depthwise_weight_step``.

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


def emit_depthwise_input_gradient(
    node: Node, graph: Graph, builder: GradientBuilder, gradient: Gradient, window: Window
) -> None:
    """Contribute the transposed depthwise convolution to the gradient of the layer's input."""
    activation = node.inputs[ACTIVATION]
    weight = graph.values[node.inputs[WEIGHT]]
    real = exactly(weight.array) * np.asarray(weight.type.scales)
    per_input = float((real**2).sum(axis=(0, 1)).mean()) / window.stride**2 / 2
    contribution = emit_gradient(
        builder,
        "depthwise_input_gradient",
        [gradient.value, gradient.exponent, weight.name],
        DepthwiseGradientAttributes(window, graph.type_of(activation).shape, builder.stream()),
        layer=node.layer,
        task="input_gradient",
        magnitude=gradient.magnitude + 0.5 * math.log2(max(per_input, 1e-12)),
    )
    builder.contribute(activation, contribution)


class DepthwiseInputGradient(OpSpec[DepthwiseGradientAttributes]):
    """Transposed depthwise convolution of the gradient, rounded stochastically to int8.

    Inputs: gradient int8[H', W', C], its exponent, weight int8[kh, kw, C], the result's
    exponent. Outputs: int8[H, W, C], magnitude bits.
    """

    name = "depthwise_input_gradient"
    attributes_type = DepthwiseGradientAttributes

    def infer(
        self, attributes: DepthwiseGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The layer's input shape."""
        _check_gradient(attributes, inputs[0])
        branch_type(inputs, 1)
        branch_type(inputs, 3)
        return (TensorType(attributes.input_shape), MAGNITUDE)

    def reference(
        self,
        attributes: DepthwiseGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Spread over the taps, scale by channel, round."""
        gradient, exponent, weight, result_exponent = arrays
        height, width, channels = attributes.input_shape
        window = attributes.window
        padded = window.padded(np.zeros((height, width, channels)))
        for row, column, rows, columns in window.tap_slices(inputs[0].shape[:2]):
            padded[rows, columns] += exactly(gradient) * exactly(weight[row, column])
        sums = window.unpadded(padded, height, width).astype(np.int64)
        mantissas, unit = relative_mantissas(inputs[2].scales)
        scale = scalar_mantissa(unit)
        products = sums * mantissas.astype(np.int64) * scale.mantissa
        shift = whole_exponent(result_exponent) - whole_exponent(exponent) - scale.exponent
        return rounded_gradient(products, shift, attributes.stream, context)

    def kernel(
        self, attributes: DepthwiseGradientAttributes, inputs: Sequence[TensorType]
    ) -> KernelCall:
        """kg_depthwise_input_gradient; needs no scratch."""
        mantissas, unit = relative_mantissas(inputs[2].scales)
        scale = scalar_mantissa(unit)
        height, width, channels = attributes.input_shape
        fields = {
            **attributes.window.fields((height, width), inputs[0].shape[:2]),
            "channels": channels,
            "channel_mantissa": mantissas,
            "mantissa": scale.mantissa,
            "exponent": scale.exponent,
            "stream": attributes.stream,
        }
        reads = tuple(Input(index) for index in range(4))
        arguments = (Control(), *reads, Output(0), Output(1))
        return KernelCall("kg_depthwise_input_gradient", fields, arguments)

    def macs(self, attributes: DepthwiseGradientAttributes, inputs: Sequence[TensorType]) -> int:
        """As the layer's forward."""
        return inputs[0].size * attributes.window.taps

    def cases(self) -> Sequence[Case]:
        """The forward's windows."""
        return [
            Case(
                name,
                attributes,
                (gradient, EXPONENT, weight, EXPONENT),
                low={0: -127, 1: -80, 2: -127, 3: -160},
                high={1: 0, 3: -20},
            )
            for name, attributes, gradient, weight in _gradient_cases()
        ]


class DepthwiseWeightStep(OpSpec[DepthwiseGradientAttributes]):
    """As the pointwise weight step, for every tap and channel.

    Inputs: weight int8[kh, kw, C], gradient int8[H', W', C], its exponent, activation
    int8[H, W, C], the loss exponent.
    """

    name = "depthwise_weight_step"
    attributes_type = DepthwiseGradientAttributes
    updates = MappingProxyType({0: 0})

    def infer(
        self, attributes: DepthwiseGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The weight again."""
        _check_gradient(attributes, inputs[1])
        if inputs[3].shape != attributes.input_shape:
            msg = f"activation {inputs[3].shape} is not {attributes.input_shape}"
            raise ValueError(msg)
        branch_type(inputs, 2)
        branch_type(inputs, 4)
        return (inputs[0],)

    def reference(
        self,
        attributes: DepthwiseGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Correlate gradient and activation at each tap, scale, round, saturate."""
        weight, gradient, exponent, x, loss_exponent = arrays
        padded = attributes.window.padded(exactly(x) - inputs[3].zero_point)
        sums = np.zeros(weight.shape, np.int64)
        for row, column, rows, columns in attributes.window.tap_slices(inputs[1].shape[:2]):
            product = exactly(gradient) * padded[rows, columns]
            sums[row, column] = product.sum(axis=(0, 1)).astype(np.int64)
        mantissas, exponents = channel_mantissas([inputs[3].scale / s for s in inputs[0].scales])
        whole = exponents + np.int64(whole_exponent(exponent) + int(loss_exponent[0]))
        step = fixed_point_step(sums, mantissas, whole, attributes.stream, context)
        if attributes.trained_channels:
            kept = np.zeros(weight.shape[2], np.int64)
            kept[list(attributes.trained_channels)] = 1
            step = step * kept
        return (np.clip(weight.astype(np.int64) - step, -127, 127).astype(np.int8),)

    def kernel(
        self, attributes: DepthwiseGradientAttributes, inputs: Sequence[TensorType]
    ) -> KernelCall:
        """kg_depthwise_weight_step; needs no scratch."""
        height, width, channels = attributes.input_shape
        trained = np.array(attributes.trained_channels or range(channels), np.uint16)
        mantissas, exponents = channel_mantissas([inputs[3].scale / s for s in inputs[0].scales])
        fields = {
            **attributes.window.fields((height, width), inputs[1].shape[:2]),
            "channels": channels,
            "trained": len(trained),
            "trained_channel": trained,
            "zero_point": inputs[3].zero_point,
            "mantissa": mantissas,
            "exponent": exponents,
            "stream": attributes.stream,
        }
        arguments = (Control(), *(Input(index) for index in range(5)))
        return KernelCall("kg_depthwise_weight_step", fields, arguments)

    def macs(self, attributes: DepthwiseGradientAttributes, inputs: Sequence[TensorType]) -> int:
        """Gradient positions · taps · trained channels."""
        rows, columns, channels = inputs[1].shape
        trained = len(attributes.trained_channels) or channels
        return rows * columns * attributes.window.taps * trained

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


def depthwise_weight(window: Window, channels: int) -> TensorType:
    """int8[kh, kw, C] with a scale per channel."""
    scales = tuple(0.002 * (1 + channel % 23) for channel in range(channels))
    shape = (window.height, window.width, channels)
    return TensorType(shape, DType.INT8, Quantization(scales, 0, 2))


def _check_gradient(attributes: DepthwiseGradientAttributes, gradient: TensorType) -> None:
    height, width, channels = attributes.input_shape
    expected = (*attributes.window.output_shape(height, width), channels)
    if gradient.shape != expected:
        msg = f"gradient {gradient.shape} is not {expected}"
        raise ValueError(msg)


def _gradient_cases() -> list[tuple[str, DepthwiseGradientAttributes, TensorType, TensorType]]:
    shapes = [
        ("3x3s1", Window.same(3), (5, 6, 5), ()),
        ("3x3s2", Window.same(3, 2), (8, 7, 8), (0, 3, 7)),
        ("5x5s2", Window.same(5, 2), (9, 8, 19), ()),
        ("7x7small", Window.same(7), (4, 4, 33), (2, 5, 20, 32)),
        ("2x3uneven", Window(2, 3, 2, 0, 1, 1, 0), (6, 7, 2), ()),
    ]
    cases: list[tuple[str, DepthwiseGradientAttributes, TensorType, TensorType]] = []
    for name, window, shape, trained in shapes:
        rows, columns = window.output_shape(*shape[:2])
        attributes = DepthwiseGradientAttributes(window, shape, 6, trained)
        gradient = TensorType((rows, columns, shape[2]))
        cases.append((name, attributes, gradient, depthwise_weight(window, shape[2])))
    return cases
