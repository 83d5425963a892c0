"""Operators on gradient tensors: their sum at a fan-out and the adaptation of exponents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from kilograd.ir import TensorType
from kilograd.ops.gradient_scale.emit import (
    EXPONENT,
    MAGNITUDE,
    check_exponents,
    gradient_arguments,
    rounded_gradient,
    whole_exponent,
)
from kilograd.ops.spec import (
    DSP,
    HOST,
    PLAIN,
    Array,
    Case,
    Input,
    Kernel,
    NoAttributes,
    OpSpec,
    RngAttributes,
    StepContext,
    Use,
    c_constant,
    required,
)

#: Both branches of a sum are shifted onto the smaller of their exponents, by at most this much.
ALIGNMENT_LIMIT = c_constant(
    Path(__file__).parent / "kernels" / "kg_gradient_scale.h", "KG_ALIGNMENT_LIMIT"
)

#: An exponent stays within ±this many sixteenths.
EXPONENT_LIMIT = 1024


class GradientSum(OpSpec[RngAttributes]):
    """The sum of two gradients with exponents of their own.

    Inputs: a int8[...], its exponent, b int8[...], its exponent, the result's exponent.
    Outputs: int8[...], magnitude bits.
    """

    name = "gradient_sum"
    attributes_type = RngAttributes
    operands = required("a", "a_exponent", "b", "b_exponent", "result_exponent")
    results = ("result", "magnitude")
    reuses = MappingProxyType({"result": ("a", "b")})

    def infer(
        self, attributes: RngAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The shape of both."""
        types = self.bind(attributes, inputs)
        if types.a.shape != types.b.shape:
            msg = f"gradients of different shapes meet: {types.a.shape}, {types.b.shape}"
            raise ValueError(msg)
        check_exponents(types)
        return TensorType(types.a.shape), MAGNITUDE

    def reference(
        self,
        attributes: RngAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Align to the smaller exponent, add, round."""
        del inputs
        given = self.bind(attributes, arrays)
        a, b = whole_exponent(given.a_exponent), whole_exponent(given.b_exponent)
        low = max(min(a, b), max(a, b) - ALIGNMENT_LIMIT)
        aligned = [
            (g.astype(np.int64) << max(e - low, 0)) >> min(max(low - e, 0), 31)
            for g, e in ((given.a, a), (given.b, b))
        ]
        shift = whole_exponent(given.result_exponent) - low
        products = (aligned[0] + aligned[1]) << 14
        return rounded_gradient(products, shift + 14, attributes.rng_stream, context)

    def kernel(self, attributes: RngAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_gradient_sum."""
        count = self.bind(attributes, inputs).a.size
        fields = {"count": count, "rng_stream": attributes.rng_stream}
        arguments = gradient_arguments(self)
        return Kernel("gradient_sum", fields, arguments, {v: Use() for v in (PLAIN, DSP, HOST)})

    def cases(self) -> Sequence[Case]:
        """Close and far exponents."""
        shape = TensorType((3, 3, 7))
        inputs = (shape, EXPONENT, shape, EXPONENT, EXPONENT)
        low = {"a": -127, "b": -127}
        return [
            Case(
                "close",
                RngAttributes(2),
                inputs,
                low=low | {"a_exponent": -64, "b_exponent": -64, "result_exponent": -64},
                high={"a_exponent": 64, "b_exponent": 64, "result_exponent": 96},
            ),
            Case(
                "far",
                RngAttributes(4),
                inputs,
                low=low | {"a_exponent": -900, "b_exponent": 300, "result_exponent": 200},
                high={"a_exponent": -500, "b_exponent": 800, "result_exponent": 900},
            ),
        ]


class AdaptExponent(OpSpec[NoAttributes]):
    """Moves a gradient tensor's exponent towards the magnitudes it has just seen.

    Inputs: the exponent (sixteenths), magnitude bits. More than seven bits: some element was
    saturated, so up a quarter of a power of two, and at once by whole powers where it was more
    than doubled. Fewer than seven: down a sixteenth; fewer than four: down a whole power. In
    balance, about one step in five saturates its largest elements.
    """

    name = "adapt_exponent"
    attributes_type = NoAttributes
    operands = required("exponent", "magnitude")
    results = ("exponent",)
    updates = MappingProxyType({"exponent": "exponent"})

    def infer(
        self, attributes: NoAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The exponent again."""
        check_exponents(self.bind(attributes, inputs))
        return (EXPONENT,)

    def reference(
        self,
        attributes: NoAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """The rule above on the number of bits."""
        del inputs
        given = self.bind(attributes, arrays)
        bits = int(given.magnitude[0]).bit_length()
        context.counters.gradients += 1
        context.counters.gradients_vanished += int(bits == 0)
        if bits in {0, 7}:
            change = 0
        elif bits > 7:  # noqa: PLR2004 - see above
            context.counters.gradients_saturated += 1
            change = 4 + 16 * max(bits - 8, 0)
        else:
            change = -1 if bits >= 4 else -16  # noqa: PLR2004 - an eighth of the range
        new = int(given.exponent[0]) + change
        return (np.array([np.clip(new, -EXPONENT_LIMIT, EXPONENT_LIMIT)], np.int32),)

    def kernel(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_adapt_exponent."""
        del attributes, inputs
        fields = {"limit": EXPONENT_LIMIT}
        return Kernel("adapt_exponent", fields, (Input("exponent"), Input("magnitude")))

    def cases(self) -> Sequence[Case]:
        """Every number of bits, and both ends of the range."""
        inputs = (EXPONENT, MAGNITUDE)
        cases = [
            Case(
                f"bits{bits}",
                NoAttributes(),
                inputs,
                fixed={"magnitude": np.array([(1 << bits) >> 1], np.int32)},
                low={"exponent": -EXPONENT_LIMIT},
                high={"exponent": EXPONENT_LIMIT},
            )
            for bits in range(16)
        ]
        ends = np.array([EXPONENT_LIMIT], np.int32)
        seen = np.array([32767], np.int32)
        fixed = {"exponent": ends, "magnitude": seen}
        return [*cases, Case("end", NoAttributes(), inputs, fixed=fixed)]


OPERATORS = (GradientSum(), AdaptExponent())
