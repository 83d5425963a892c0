"""The mean over all positions, with a quantization of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import ACCUMULATOR_LIMIT, quantize_multiplier, requantize
from kilograd.ops.clamp import clamped_gradient
from kilograd.ops.pool.op import contribute_mean
from kilograd.ops.spec import (
    Array,
    Case,
    GradientBuilder,
    Input,
    Kernel,
    OpSpec,
    Output,
    StepContext,
    required,
)

#: Most bits by which TensorFlow Lite shifts a multiplier up before it divides it.
_MOST_BITS = 32


@dataclass(frozen=True)
class MeanAttributes:
    """Attributes of ``mean``.

    Attributes:
        output: quantization of the result.
    """

    output: Quantization


class Mean(OpSpec[MeanAttributes]):
    """Mean over all positions (TensorFlow Lite's MEAN over height and width).

    Input: int8[H, W, C]. Output: int8[1, 1, C], requantized. The number of positions is a part of
    the multiplier, so the result is not rounded as that of an average pool, even where both
    quantizations are the same.
    """

    name = "mean"
    attributes_type = MeanAttributes
    operands = required("x")
    results = ("y",)

    def infer(
        self, attributes: MeanAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """One position."""
        x = self.bind(attributes, inputs).x
        if x.size // x.shape[2] * 255 > ACCUMULATOR_LIMIT:
            msg = f"a sum over {x.size // x.shape[2]} positions can overflow 32 bits"
            raise ValueError(msg)
        return (TensorType((1, 1, x.shape[2]), DType.INT8, attributes.output),)

    def _multiplier(self, attributes: MeanAttributes, x: TensorType) -> tuple[int, int]:
        """Of input scale / (output scale · positions), as TensorFlow Lite's MEAN makes it."""
        count = x.shape[0] * x.shape[1]
        multiplier, shift = quantize_multiplier(x.scale / attributes.output.scale)
        up = min(count.bit_length() - 1, _MOST_BITS, 31 + shift)
        return (multiplier << up) // count, shift - up

    def reference(
        self,
        attributes: MeanAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum, requantize."""
        del context
        x = self.bind(attributes, inputs).x
        given = self.bind(attributes, arrays).x.astype(np.int64)
        total = given.sum(axis=(0, 1), keepdims=True) - x.zero_point * x.shape[0] * x.shape[1]
        multiplier, shift = self._multiplier(attributes, x)
        return (requantize(total, multiplier, shift, attributes.output.zero_point),)

    def real(
        self, attributes: MeanAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The mean."""
        del inputs
        return self.bind(attributes, values).x.mean(axis=(0, 1), keepdims=True)

    def may_clamp(self, node: Node, graph: Graph) -> bool:
        """By the results of maps that are the smallest and the largest everywhere."""
        types = graph.types(node.inputs)
        for end in (-128, 127):
            everywhere = np.full(types[0].shape, end, np.int8)
            (result,) = self.reference(node.attributes, types, [everywhere], StepContext())
            if np.any(result == end):
                return True
        return False

    def kernel(self, attributes: MeanAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_mean."""
        x = self.bind(attributes, inputs).x
        height, width, channels = x.shape
        multiplier, shift = self._multiplier(attributes, x)
        fields = {
            "positions": height * width,
            "channels": channels,
            "zero_point": x.zero_point,
            "multiplier": multiplier,
            "shift": shift,
            "output_zero_point": attributes.output.zero_point,
        }
        return Kernel("mean", fields, (Input("x"), Output("y")))

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The clamped gradient over the number of positions, to every position."""
        if builder.wanted(node.inputs[0]):
            gradient = clamped_gradient(self, node, graph, builder)
            contribute_mean(node, graph, builder, gradient)

    def cases(self) -> Sequence[Case]:
        """Finer, coarser and equal scales, even, odd and single positions."""
        given = Quantization((0.1,), -3)
        outputs: list[tuple[tuple[int, ...], Quantization]] = [
            ((4, 4, 6), Quantization((0.1,), -3)),
            ((3, 5, 7), Quantization((0.02,), -128)),
            ((1, 1, 3), Quantization((0.15,), 20)),
            ((8, 8, 1), Quantization((0.3,), 90)),
        ]
        return [
            Case(f"{shape}", MeanAttributes(output), (TensorType(shape, DType.INT8, given),))
            for shape, output in outputs
        ]
