"""Gradients of a product: the other input times the gradient, summed for factors of channels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.arithmetic import ACCUMULATOR_LIMIT, scalar_mantissa
from kilograd.ops.gradient_scale import (
    EXPONENT,
    MAGNITUDE,
    check_exponents,
    exponent_shift,
    gradient_arguments,
    rounded_gradient,
)
from kilograd.ops.spec import (
    DSP,
    PLAIN,
    Array,
    Case,
    Kernel,
    OpSpec,
    RngAttributes,
    StepContext,
    Use,
    required,
)

#: Axes of a map that factors of channels are spread over.
_POSITIONS = (0, 1)

#: Most positions of a map whose factors get a gradient: a sum of products stays below 2^30.
_MOST_POSITIONS = ACCUMULATOR_LIMIT // (127 * 255)


def is_spread(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether b holds one factor for each channel of a map a of other extents."""
    return len(a) == 3 and a != b == (1, 1, a[2])  # noqa: PLR2004 - height, width, channels


def repeats(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """How often b is read for one a.

    Raises:
        ValueError: when it is neither a map of the same shape nor of one factor for each channel.
    """
    if a != b and not is_spread(a, b):
        msg = f"cannot multiply {a} by {b}: the shapes are the same, or the second is (1, 1, C)"
        raise ValueError(msg)
    return math.prod(a) // math.prod(b)


class MultiplyInputGradient(OpSpec[RngAttributes]):
    """gradient · the other input at each element, rounded stochastically by itself.

    Inputs: gradient int8[H, W, C], its exponent, other int8 of the same shape or [1, 1, C], the
    result's exponent. Outputs: int8[H, W, C], magnitude bits; may take the gradient's memory.
    """

    name = "multiply_input_gradient"
    attributes_type = RngAttributes
    operands = required("gradient", "gradient_exponent", "other", "result_exponent")
    results = ("result", "magnitude")
    reuses = MappingProxyType({"result": ("gradient",)})

    def infer(
        self, attributes: RngAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The gradient's shape."""
        types = self.bind(attributes, inputs)
        check_exponents(types)
        repeats(types.gradient.shape, types.other.shape)
        return TensorType(types.gradient.shape), MAGNITUDE

    def reference(
        self,
        attributes: RngAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Multiply, scale, round."""
        given, other = self.bind(attributes, arrays), self.bind(attributes, inputs).other
        scale = scalar_mantissa(other.scale)
        products = given.gradient.astype(np.int64) * _steps(given.other, other) * scale.mantissa
        shift = exponent_shift(given, scale.exponent)
        return rounded_gradient(products, shift, attributes.rng_stream, context)

    def kernel(self, attributes: RngAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_multiply_input_gradient."""
        types = self.bind(attributes, inputs)
        extents = {
            "repeats": repeats(types.gradient.shape, types.other.shape),
            "count": types.other.size,
        }
        return _kernel(self, extents, types.other, attributes)

    def cases(self) -> Sequence[Case]:
        """Both forms, extreme zero points, exponents far apart."""
        shapes = [((3, 4, 5), (3, 4, 5)), ((3, 4, 5), (1, 1, 5)), ((5, 2, 8), (1, 1, 8))]
        return [*_cases(shapes), *_cases([((1, 3, 7), (1, 1, 7))], far=True)]


class MultiplyFactorGradient(OpSpec[RngAttributes]):
    """Σ gradient · map over the positions: the gradient of one factor for each channel.

    Inputs: gradient int8[H, W, C], its exponent, other int8[H, W, C], the result's exponent.
    Outputs: int8[1, 1, C], magnitude bits. Sums stay below 2^30 for up to 33,155 positions.
    """

    name = "multiply_factor_gradient"
    attributes_type = RngAttributes
    operands = required("gradient", "gradient_exponent", "other", "result_exponent")
    results = ("result", "magnitude")

    def infer(
        self, attributes: RngAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """One position."""
        types = self.bind(attributes, inputs)
        check_exponents(types)
        shape = types.gradient.shape
        if shape != types.other.shape or len(shape) != 3:  # noqa: PLR2004 - height, width, channels
            msg = f"a gradient of {shape} does not fit a map of {types.other.shape}"
            raise ValueError(msg)
        if shape[0] * shape[1] > _MOST_POSITIONS:
            msg = (
                f"a sum over {shape[0] * shape[1]} positions can overflow a 32-bit accumulator "
                f"(at most {_MOST_POSITIONS})"
            )
            raise ValueError(msg)
        return TensorType((1, 1, shape[2])), MAGNITUDE

    def reference(
        self,
        attributes: RngAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Multiply, sum, scale, round."""
        given, other = self.bind(attributes, arrays), self.bind(attributes, inputs).other
        scale = scalar_mantissa(other.scale)
        products = given.gradient.astype(np.int64) * _steps(given.other, other)
        sums = products.sum(axis=_POSITIONS, keepdims=True) * scale.mantissa
        shift = exponent_shift(given, scale.exponent)
        return rounded_gradient(sums, shift, attributes.rng_stream, context)

    def kernel(self, attributes: RngAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_multiply_factor_gradient."""
        other = self.bind(attributes, inputs).other
        height, width, channels = other.shape
        extents = {"positions": height * width, "channels": channels}
        return _kernel(self, extents, other, attributes)

    def cases(self) -> Sequence[Case]:
        """Channels that do and do not fill words, single positions, exponents far apart."""
        shapes = [((3, 4, 5), (3, 4, 5)), ((5, 2, 8), (5, 2, 8)), ((1, 1, 3), (1, 1, 3))]
        return [*_cases(shapes), *_cases([((2, 3, 7), (2, 3, 7))], far=True)]


def _steps(array: Array, type_: TensorType) -> NDArray[np.int64]:
    return array.astype(np.int64) - type_.zero_point


def _kernel(
    spec: OpSpec[RngAttributes],
    extents: Mapping[str, int],
    other: TensorType,
    attributes: RngAttributes,
) -> Kernel:
    """A gradient's kernel, named like its operator."""
    scale = scalar_mantissa(other.scale)
    fields = {
        **extents,
        "zero_point": other.zero_point,
        "mantissa": scale.mantissa,
        "exponent": scale.exponent,
        "rng_stream": attributes.rng_stream,
    }
    return Kernel(spec.name, fields, gradient_arguments(spec), {PLAIN: Use(), DSP: Use()})


def _cases(
    shapes: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], *, far: bool = False
) -> list[Case]:
    """Gradients and other inputs of these shapes."""
    low, high = ((-1000, -1000), (1000, 1000)) if far else ((-80, -80), (0, 60))
    quantizations = [Quantization((0.03,), -128), Quantization((0.4,), 127), Quantization((2.0,))]
    return [
        Case(
            f"{'x'.join(map(str, gradient))}-{'x'.join(map(str, other))}{'-far' if far else ''}",
            RngAttributes(2),
            (
                TensorType(gradient),
                EXPONENT,
                TensorType(other, DType.INT8, quantizations[index % len(quantizations)]),
                EXPONENT,
            ),
            low={"gradient": -127, "gradient_exponent": low[0], "result_exponent": low[1]},
            high={"gradient_exponent": high[0], "result_exponent": high[1]},
        )
        for index, (gradient, other) in enumerate(shapes)
    ]
