"""Input gradient and weight update of depthwise convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.arithmetic import Mantissa, relative_mantissas, scalar_mantissa
from kilograd.ops.common.window import Window
from kilograd.ops.common.windowed_backward import (
    GradientCase,
    WindowedInputGradient,
    WindowedWeightUpdate,
    WindowGradientAttributes,
)
from kilograd.ops.gradient_scale import gradient_arguments
from kilograd.ops.spec import (
    DSP,
    HOST,
    PLAIN,
    Array,
    Control,
    Input,
    Kernel,
    Scratch,
    Use,
    c_constant,
    exactly,
)

_ARITHMETIC = Path(__file__).parents[1] / "arithmetic"

#: Channels that a kernel in place copies at once.
PLANE_CHANNELS = c_constant(_ARITHMETIC / "kg_plane.h", "KG_PLANE_CHANNELS")


class DepthwiseInputGradient(WindowedInputGradient):
    """Input gradient for weights int8[kh, kw, C]; a channel's scale stays outside its sum."""

    name = "depthwise_input_gradient"
    reuses = MappingProxyType({"result": ("gradient",)})

    def spread(
        self,
        attributes: WindowGradientAttributes,
        weight_type: TensorType,
        gradient: Array,
        weight: Array,
    ) -> tuple[NDArray[np.int64], Mantissa]:
        """Sum over taps, scale by channel."""
        height, width, channels = attributes.input_shape
        window = attributes.window
        padded = window.padded(np.zeros((height, width, channels)))
        for row, column, rows, columns in window.tap_slices(gradient.shape[:2]):
            padded[rows, columns] += exactly(gradient) * exactly(weight[row, column])
        sums = window.unpadded(padded, height, width).astype(np.int64)
        mantissas, unit = relative_mantissas(weight_type.scales)
        return sums * mantissas.astype(np.int64), scalar_mantissa(unit)

    def kernel(self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_depthwise_input_gradient, with room for the weights of four channels."""
        weight = self.bind(attributes, inputs).weight
        mantissas, unit = relative_mantissas(weight.scales)
        fields = {
            **self.fields(attributes, inputs, scalar_mantissa(unit)),
            "channel_mantissa": mantissas,
        }
        arguments = (*gradient_arguments(self), Scratch())
        uses = {
            PLAIN: Use(),
            DSP: Use(8 * attributes.window.taps, falls_back=True),
            HOST: Use(falls_back=True),
        }
        return Kernel("depthwise_input_gradient", fields, arguments, uses)

    def in_place_bytes(
        self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]
    ) -> int:
        """A copy of four channels of the gradient."""
        return plane_bytes(self.bind(attributes, inputs).gradient)

    def macs(self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]) -> int:
        """As the layer's forward."""
        return self.bind(attributes, inputs).gradient.size * attributes.window.taps

    def gradient_cases(self) -> list[GradientCase]:
        """All windows; maps smaller than the window."""
        return _gradient_cases()


class DepthwiseWeightUpdate(WindowedWeightUpdate):
    """Weight update for weights int8[kh, kw, C]."""

    name = "depthwise_weight_update"
    per_channel = (slice(None),)

    def correlate(
        self, window: Window, gradient: Array, x: Array, shape: tuple[int, ...]
    ) -> NDArray[np.int64]:
        """Each channel with itself."""
        sums = np.zeros(shape, np.int64)
        for row, column, rows, columns in window.tap_slices(gradient.shape[:2]):
            sums[row, column] = (gradient * x[rows, columns]).sum(axis=(0, 1)).astype(np.int64)
        return sums

    def kernel(self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_depthwise_weight_update; needs no scratch."""
        fields = self.fields(attributes, inputs)
        arguments = (Control(), *(Input(operand.name) for operand in self.operands))
        return Kernel("depthwise_weight_update", fields, arguments, {PLAIN: Use(), HOST: Use()})

    def macs(self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]) -> int:
        """Gradient positions · taps · trained channels."""
        rows, columns, channels = self.bind(attributes, inputs).gradient.shape
        trained = len(attributes.trained_channels) or channels
        return rows * columns * attributes.window.taps * trained

    def gradient_cases(self) -> list[GradientCase]:
        """All windows; maps smaller than the window."""
        return _gradient_cases()


def plane_bytes(map_: TensorType) -> int:
    """Size of the copied channels that a kernel in place reads."""
    height, width, _ = map_.shape
    return PLANE_CHANNELS * height * width


def depthwise_weight(window: Window, channels: int) -> TensorType:
    """int8[kh, kw, C] with a scale per channel."""
    scales = tuple(0.002 * (1 + channel % 23) for channel in range(channels))
    shape = (window.height, window.width, channels)
    return TensorType(shape, DType.INT8, Quantization(scales, 0, 2))


def _gradient_cases() -> list[GradientCase]:
    shapes = [
        ("3x3s1", Window.same(3), (5, 6, 5), ()),
        ("3x3s2", Window.same(3, 2), (8, 7, 8), (0, 3, 7)),
        ("5x5s2", Window.same(5, 2), (9, 8, 19), ()),
        ("7x7small", Window.same(7), (4, 4, 33), (2, 5, 20, 32)),
        ("2x3uneven", Window(2, 3, 2, 0, 1, 1, 0), (6, 7, 2), ()),
    ]
    return [
        (
            name,
            WindowGradientAttributes(window, shape, 6, trained),
            TensorType((*window.output_shape(*shape[:2]), shape[2])),
            depthwise_weight(window, shape[2]),
        )
        for name, window, shape, trained in shapes
    ]
