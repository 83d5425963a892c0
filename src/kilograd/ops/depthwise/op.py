"""Forward depthwise convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from kilograd.ir import DType, Quantization, TensorType, Value
from kilograd.ops.common.layers import check_parameters, requantization, shifts_suit_dsp
from kilograd.ops.common.window import Window
from kilograd.ops.common.windowed import WindowedAttributes, WindowedLayer, forward_case
from kilograd.ops.depthwise.backward import depthwise_weight, plane_bytes
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
    c_constant,
    exactly,
)

#: Windows of at most so many taps are packed on the stack with DSP instructions.
FEW_TAPS = c_constant(Path(__file__).parent / "kernels" / "kg_depthwise.h", "KG_DEPTHWISE_FEW")


class Depthwise(WindowedLayer):
    """Depthwise convolution: int8 in, int8 out (TensorFlow Lite's DEPTHWISE_CONV_2D).

    Inputs: activation int8[H, W, C], bias int32[C], weight int8[kh, kw, C].
    Output: int8[H', W', C].
    """

    name = "depthwise"
    reuses = MappingProxyType({"y": ("x",)})
    input_gradient = "depthwise_input_gradient"
    weight_update = "depthwise_weight_update"
    channel_axis = 2

    def infer(
        self, attributes: WindowedAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The channels at each position of the window."""
        types = self.bind(attributes, inputs)
        height, width, channels = types.x.shape
        taps = attributes.window.taps
        check_parameters(types, outputs=channels, terms=taps, weight_size=taps * channels)
        rows, columns = attributes.window.output_shape(height, width)
        return (TensorType((rows, columns, channels), DType.INT8, attributes.output),)

    def tap(self, x: Array, weight: Array, row: int, column: int) -> Array:
        """Each channel by itself."""
        return x * weight[row, column]

    def kernel(self, attributes: WindowedAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_depthwise: with DSP instructions four channels at a time, their weights packed."""
        taps = attributes.window.taps
        fields = self.fields(attributes, inputs)
        uses = {PLAIN: Use(), HOST: Use(falls_back=True)}
        types = self.bind(attributes, inputs)
        _, shifts = requantization(types, attributes.output.scale)
        if shifts_suit_dsp(shifts):
            uses[DSP] = Use(8 * taps if taps > FEW_TAPS else 0, falls_back=True)
        arguments = (Input("x"), Input("bias"), Input("weight"), Output("y"), Scratch())
        return Kernel("depthwise", fields, arguments, uses)

    def in_place_bytes(self, attributes: WindowedAttributes, inputs: Sequence[TensorType]) -> int:
        """A copy of four channels."""
        return plane_bytes(self.bind(attributes, inputs).x)

    def macs(self, attributes: WindowedAttributes, inputs: Sequence[TensorType]) -> int:
        """Output elements · taps."""
        (out,) = self.infer(attributes, inputs)
        return out.size * attributes.window.taps

    def gain(self, weight: Value, window: Window) -> float:
        """Growth by the taps of one channel; clamps mask a random half of the gradients."""
        real = exactly(weight.array) * np.asarray(weight.type.scales)
        per_input = float((real**2).sum(axis=(0, 1)).mean()) / math.prod(window.strides) / 2
        return 0.5 * math.log2(max(per_input, 1e-12))

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
        return [
            forward_case(
                name,
                WindowedAttributes(window, Quantization((0.05,), -128)),
                TensorType(shape, DType.INT8, Quantization((0.03,), -128)),
                depthwise_weight(window, shape[2]),
                window.taps,
            )
            for name, window, shape in windows
        ]
