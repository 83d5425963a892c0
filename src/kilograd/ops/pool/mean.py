"""Means over rows, columns or all positions, with a quantization of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import (
    ACCUMULATOR_LIMIT,
    Mantissa,
    quantize_multiplier,
    requantize,
    scalar_mantissa,
)
from kilograd.ops.clamp import clamped_gradient
from kilograd.ops.gradient_scale import (
    EXPONENT,
    MAGNITUDE,
    check_exponents,
    emit_gradient,
    exponent_shift,
    gradient_arguments,
    rounded_gradient,
)
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
        axes: that it is over: 0 is the height and 1 the width.
    """

    output: Quantization
    axes: tuple[int, ...] = (0, 1)

    def __post_init__(self) -> None:
        if self.axes not in {(0, 1), (0,), (1,)}:
            msg = f"a mean is over height, width or both, not over the axes {self.axes}"
            raise ValueError(msg)


@dataclass(frozen=True)
class MeanGradientAttributes:
    """Attributes of ``mean_input_gradient``.

    Attributes:
        shape: of the map: height, width and channels.
        axes: as of the mean.
        rng_stream: of the stochastic rounding.
    """

    shape: tuple[int, int, int]
    axes: tuple[int, ...]
    rng_stream: int


class Extents(NamedTuple):
    """A map as blocks of positions of elements; the mean is over the positions."""

    blocks: int
    positions: int
    channels: int


def extents_of(shape: tuple[int, ...], axes: tuple[int, ...]) -> Extents:
    """The blocks of a map [height, width, channels]."""
    height, width, channels = shape
    if axes == (0,):
        return Extents(1, height, width * channels)
    if axes == (1,):
        return Extents(height, width, channels)
    return Extents(1, height * width, channels)


class Mean(OpSpec[MeanAttributes]):
    """Mean over positions (TensorFlow Lite's MEAN over height, width or both).

    Input: int8[H, W, C]. Output: int8[1, 1, C], [1, W, C] or [H, 1, C], requantized. The number of
    positions is a part of the multiplier, so the result is not rounded as that of an average pool,
    even where both quantizations are the same.
    """

    name = "mean"
    attributes_type = MeanAttributes
    operands = required("x")
    results = ("y",)

    def infer(
        self, attributes: MeanAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """One position along each axis that the mean is over."""
        x = self.bind(attributes, inputs).x
        positions = extents_of(x.shape, attributes.axes).positions
        if positions * 255 > ACCUMULATOR_LIMIT:
            msg = f"a sum over {positions} positions can overflow 32 bits"
            raise ValueError(msg)
        shape = tuple(1 if i in attributes.axes else n for i, n in enumerate(x.shape))
        return (TensorType(shape, DType.INT8, attributes.output),)

    def _multiplier(self, attributes: MeanAttributes, x: TensorType) -> tuple[int, int]:
        """Of input scale / (output scale · positions), as TensorFlow Lite's MEAN makes it."""
        count = extents_of(x.shape, attributes.axes).positions
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
        count = extents_of(x.shape, attributes.axes).positions
        total = given.sum(axis=attributes.axes, keepdims=True) - x.zero_point * count
        multiplier, shift = self._multiplier(attributes, x)
        return (requantize(total, multiplier, shift, attributes.output.zero_point),)

    def real(
        self, attributes: MeanAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The mean."""
        del inputs
        return self.bind(attributes, values).x.mean(axis=attributes.axes, keepdims=True)

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
        multiplier, shift = self._multiplier(attributes, x)
        fields = {
            **extents_of(x.shape, attributes.axes)._asdict(),
            "zero_point": x.zero_point,
            "multiplier": multiplier,
            "shift": shift,
            "output_zero_point": attributes.output.zero_point,
        }
        return Kernel("mean", fields, (Input("x"), Output("y")))

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The clamped gradient over the number of positions, to every position."""
        if not builder.wanted(node.inputs[0]):
            return
        gradient = clamped_gradient(self, node, graph, builder)
        if node.attributes.axes == (0, 1):
            contribute_mean(node, graph, builder, gradient)
            return
        (name,) = node.inputs
        height, width, channels = graph.type_of(name).shape
        shape, axes = (height, width, channels), node.attributes.axes
        contribution = emit_gradient(
            builder,
            "mean_input_gradient",
            {"gradient": gradient.value, "gradient_exponent": gradient.exponent},
            MeanGradientAttributes(shape, axes, builder.rng_stream()),
            layer=node.layer,
            task="input_gradient",
            magnitude=gradient.magnitude - math.log2(extents_of(shape, axes).positions),
        )
        builder.contribute(name, contribution)

    def cases(self) -> Sequence[Case]:
        """Finer, coarser and equal scales, even, odd and single positions."""
        given = Quantization((0.1,), -3)
        both = (0, 1)
        outputs: list[tuple[tuple[int, ...], tuple[int, ...], Quantization]] = [
            ((4, 4, 6), both, Quantization((0.1,), -3)),
            ((3, 5, 7), both, Quantization((0.02,), -128)),
            ((1, 1, 3), both, Quantization((0.15,), 20)),
            ((8, 8, 1), both, Quantization((0.3,), 90)),
            ((3, 5, 7), (0,), Quantization((0.05,), -20)),
            ((6, 4, 3), (1,), Quantization((0.05,), -128)),
            ((1, 9, 5), (1,), Quantization((0.1,), -3)),
        ]
        return [
            Case(
                f"{shape}{axes if axes != both else ''}",
                MeanAttributes(output, axes),
                (TensorType(shape, DType.INT8, given),),
            )
            for shape, axes, output in outputs
        ]


class MeanInputGradient(OpSpec[MeanGradientAttributes]):
    """gradient / n at each of the n positions of a mean over rows or columns.

    Each element is rounded stochastically by itself. Inputs: gradient int8 [1, W, C] or
    [H, 1, C], its exponent, the result's exponent. Outputs: int8[H, W, C], magnitude bits.
    """

    name = "mean_input_gradient"
    attributes_type = MeanGradientAttributes
    operands = required("gradient", "gradient_exponent", "result_exponent")
    results = ("result", "magnitude")

    def infer(
        self, attributes: MeanGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The map's shape."""
        check_exponents(self.bind(attributes, inputs))
        return TensorType(attributes.shape), MAGNITUDE

    def _scale(self, attributes: MeanGradientAttributes) -> Mantissa:
        return scalar_mantissa(1 / extents_of(attributes.shape, attributes.axes).positions)

    def reference(
        self,
        attributes: MeanGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Scale, spread, round."""
        del inputs
        given, scale = self.bind(attributes, arrays), self._scale(attributes)
        products = given.gradient.astype(np.int64) * scale.mantissa
        products = np.broadcast_to(products, attributes.shape)
        shift = exponent_shift(given, scale.exponent)
        return rounded_gradient(products, shift, attributes.rng_stream, context)

    def kernel(self, attributes: MeanGradientAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_mean_input_gradient."""
        del inputs
        scale = self._scale(attributes)
        fields = {
            **extents_of(attributes.shape, attributes.axes)._asdict(),
            "mantissa": scale.mantissa,
            "exponent": scale.exponent,
            "rng_stream": attributes.rng_stream,
        }
        arguments = gradient_arguments(self)
        return Kernel("mean_input_gradient", fields, arguments)

    def cases(self) -> Sequence[Case]:
        """The forward's maps."""
        shapes: list[tuple[tuple[int, int, int], tuple[int, ...]]] = [
            ((3, 5, 7), (0,)),
            ((6, 4, 3), (1,)),
            ((1, 9, 5), (1,)),
        ]
        return [
            Case(
                f"{shape}{axes}",
                MeanGradientAttributes(shape, axes, 1),
                (
                    TensorType(tuple(1 if i in axes else n for i, n in enumerate(shape))),
                    EXPONENT,
                    EXPONENT,
                ),
                low={"gradient": -127, "gradient_exponent": -80, "result_exponent": -160},
                high={"gradient_exponent": 0, "result_exponent": -60},
            )
            for shape, axes in shapes
        ]
