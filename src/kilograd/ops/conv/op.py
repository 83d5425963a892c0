"""Forward convolution with a k×k window."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kilograd.ir import DType, Quantization, TensorType, Value
from kilograd.ops.common.layers import (
    DSP_ROWS,
    check_parameters,
    requantization,
    shifts_suit_dsp,
)
from kilograd.ops.common.scaling import weight_gain
from kilograd.ops.common.window import Window
from kilograd.ops.common.windowed import WindowedAttributes, WindowedLayer, forward_case
from kilograd.ops.conv.backward import conv_weight
from kilograd.ops.spec import (
    DSP,
    HOST,
    PLAIN,
    Array,
    Case,
    Input,
    Kernel,
    Output,
    Scratch,
    Use,
)


class Conv(WindowedLayer):
    """k×k convolution: int8 in, int8 out (TensorFlow Lite's CONV_2D).

    Inputs: activation int8[H, W, I], bias int32[O], weight int8[O, kh, kw, I].
    Output: int8[H', W', O].
    """

    name = "conv"
    input_gradient = "conv_input_gradient"
    weight_update = "conv_weight_update"
    channel_axis = 0

    def infer(
        self, attributes: WindowedAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """One column of output channels for each position of the window."""
        types = self.bind(attributes, inputs)
        height, width, channels = types.x.shape
        outputs = types.bias.shape[0]
        terms = attributes.window.taps * channels
        check_parameters(types, outputs=outputs, terms=terms, weight_size=outputs * terms)
        rows, columns = attributes.window.output_shape(height, width)
        return (TensorType((rows, columns, outputs), DType.INT8, attributes.output),)

    def tap(self, x: Array, weight: Array, row: int, column: int) -> Array:
        """Sum over input channels."""
        return np.matmul(x, np.transpose(weight[:, row, column]))

    def kernel(self, attributes: WindowedAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_conv: one window at a time in plain C, four with DSP instructions."""
        (out,) = self.infer(attributes, inputs)
        types = self.bind(attributes, inputs)
        taps = attributes.window.taps * types.x.shape[2]
        fields = {**self.fields(attributes, inputs), "outputs": types.bias.shape[0]}
        uses = {PLAIN: Use(2 * taps), HOST: Use(2 * taps, falls_back=True)}
        _, shifts = requantization(types, attributes.output.scale)
        if out.shape[1] >= DSP_ROWS and shifts_suit_dsp(shifts):
            uses[DSP] = Use(12 * (-(-taps // 4) * 4))
        arguments = (Input("x"), Input("bias"), Input("weight"), Output("y"), Scratch())
        return Kernel("conv", fields, arguments, uses)

    def macs(self, attributes: WindowedAttributes, inputs: Sequence[TensorType]) -> int:
        """Output elements · taps · input channels."""
        (out,) = self.infer(attributes, inputs)
        return out.size * attributes.window.taps * self.bind(attributes, inputs).x.shape[2]

    def gain(self, weight: Value, window: Window) -> float:
        """As a pointwise layer's at each tap."""
        per_tap = weight_gain(weight.array, weight.type.scales, 1 / math.prod(window.strides))
        return per_tap + 0.5 * math.log2(window.taps)

    def cases(self) -> Sequence[Case]:
        """Odd channels, strides 1 and 2, uneven padding, rectangular windows."""
        windows = [
            ("3x3s2", Window.same(3, 2), (7, 8, 3), 6),
            ("3x3s1", Window.same(3), (5, 5, 5), 7),
            ("5x5s2", Window.same(5, 2), (9, 6, 4), 3),
            ("2x3uneven", Window(2, 3, 2, 0, 1, 1, 0), (6, 7, 2), 4),
            ("1x1s2", Window(1, 1, 2), (5, 6, 9), 2),
        ]
        return [
            forward_case(
                name,
                WindowedAttributes(window, Quantization((0.06,), -20)),
                TensorType(shape, DType.INT8, Quantization((0.03,), 7)),
                conv_weight(window, shape[2], outputs),
                window.taps * shape[2],
            )
            for name, window, shape, outputs in windows
        ]
