"""Input gradient and weight update of k×k convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.arithmetic import Mantissa, scalar_mantissa
from kilograd.ops.common.scaling import channel_scaling, scale_gradient
from kilograd.ops.common.window import Window
from kilograd.ops.common.windowed_backward import (
    GradientCase,
    WindowedInputGradient,
    WindowedWeightUpdate,
    WindowGradientAttributes,
)
from kilograd.ops.gradient_scale import gradient_arguments
from kilograd.ops.spec import (
    HOST,
    PLAIN,
    Array,
    Control,
    Input,
    Kernel,
    Scratch,
    Use,
    exactly,
)


class ConvInputGradient(WindowedInputGradient):
    """Input gradient for weights int8[O, kh, kw, I]; the sum contains the channels' scales."""

    name = "conv_input_gradient"

    def spread(
        self,
        attributes: WindowGradientAttributes,
        weight_type: TensorType,
        gradient: Array,
        weight: Array,
    ) -> tuple[NDArray[np.int64], Mantissa]:
        """Scale by channel, sum over outputs and taps."""
        window = attributes.window
        mantissas, channel_shift, unit = channel_scaling(weight_type, window.taps)
        scaled = exactly(scale_gradient(gradient, mantissas, channel_shift))
        height, width, channels = attributes.input_shape
        padded = window.padded(np.zeros((height, width, channels)))
        for row, column, rows, columns in window.tap_slices(gradient.shape[:2]):
            padded[rows, columns] += scaled @ exactly(weight[:, row, column])
        sums = window.unpadded(padded, height, width).astype(np.int64)
        return sums, scalar_mantissa(unit)

    def kernel(self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_conv_input_gradient, one position of the result at a time."""
        types = self.bind(attributes, inputs)
        mantissas, channel_shift, unit = channel_scaling(types.weight, attributes.window.taps)
        fields = {
            **self.fields(attributes, inputs, scalar_mantissa(unit)),
            "outputs": types.gradient.shape[2],
            "channel_mantissa": mantissas,
            "channel_shift": channel_shift,
        }
        arguments = (*gradient_arguments(self), Scratch())
        uses = {PLAIN: Use(4 * attributes.input_shape[2])}
        return Kernel("conv_input_gradient", fields, arguments, uses)

    def macs(self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]) -> int:
        """As the layer's forward."""
        gradient = self.bind(attributes, inputs).gradient
        return gradient.size * attributes.window.taps * attributes.input_shape[2]

    def gradient_cases(self) -> list[GradientCase]:
        """Odd channels, stride 2, uneven padding."""
        return _gradient_cases()


class ConvWeightUpdate(WindowedWeightUpdate):
    """Weight update for weights int8[O, kh, kw, I]."""

    name = "conv_weight_update"
    per_channel = (slice(None), None, None, None)

    def correlate(
        self, window: Window, gradient: Array, x: Array, shape: tuple[int, ...]
    ) -> NDArray[np.int64]:
        """Every output channel with every input channel."""
        flat = gradient.reshape(-1, shape[0])
        sums = np.zeros(shape, np.int64)
        for row, column, rows, columns in window.tap_slices(gradient.shape[:2]):
            under = x[rows, columns].reshape(len(flat), -1)
            sums[:, row, column] = np.matmul(np.transpose(flat), under).astype(np.int64)
        return sums

    def kernel(self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_conv_weight_update, one weight at a time."""
        outputs = self.bind(attributes, inputs).gradient.shape[2]
        fields = {**self.fields(attributes, inputs), "outputs": outputs}
        arguments = (Control(), *(Input(operand.name) for operand in self.operands))
        return Kernel("conv_weight_update", fields, arguments, {PLAIN: Use(), HOST: Use()})

    def macs(self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]) -> int:
        """Gradient elements · taps · trained channels."""
        channels = len(attributes.trained_channels) or attributes.input_shape[2]
        gradient = self.bind(attributes, inputs).gradient
        return gradient.size * attributes.window.taps * channels

    def gradient_cases(self) -> list[GradientCase]:
        """Odd channels, stride 2, uneven padding."""
        return _gradient_cases()


def conv_weight(window: Window, channels: int, outputs: int) -> TensorType:
    """int8[O, kh, kw, I] with a scale per output channel."""
    scales = tuple(0.002 * (1 + output) for output in range(outputs))
    shape = (outputs, window.height, window.width, channels)
    return TensorType(shape, DType.INT8, Quantization(scales, 0, 0))


def _gradient_cases() -> list[GradientCase]:
    shapes = [
        ("3x3s2", Window.same(3, 2), (7, 8, 3), 6, ()),
        ("5x5s1", Window.same(5), (5, 4, 5), 3, (1, 4)),
        ("2x3uneven", Window(2, 3, 2, 0, 1, 1, 0), (6, 7, 2), 4, (1,)),
    ]
    return [
        (
            name,
            WindowGradientAttributes(window, shape, 6, trained),
            TensorType((*window.output_shape(*shape[:2]), outputs)),
            conv_weight(window, shape[2], outputs),
        )
        for name, window, shape, outputs, trained in shapes
    ]
