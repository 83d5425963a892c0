"""Operators on gradient tensors: their sum at a fan-out and the adaptation of exponents."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from kilograd.ir import TensorType
from kilograd.ops.gradient_scale.emit import (
    EXPONENT,
    MAGNITUDE,
    branch_type,
    rounded_gradient,
    whole_exponent,
)
from kilograd.ops.spec import (
    Array,
    Case,
    Control,
    Input,
    KernelCall,
    NoAttributes,
    OpSpec,
    Output,
    RngAttributes,
    StepContext,
)

#: Both branches of a sum are shifted onto the smaller of their exponents, by at most this much.
ALIGNMENT_LIMIT = 24

#: An exponent stays within ±this many sixteenths.
EXPONENT_LIMIT = 1024


class GradientSum(OpSpec[RngAttributes]):
    """The sum of two gradients with exponents of their own.

    Inputs: a int8[...], its exponent, b int8[...], its exponent, the result's exponent.
    Outputs: int8[...], magnitude bits.
    """

    name = "gradient_sum"
    attributes_type = RngAttributes
    reuses = MappingProxyType({0: (0, 2)})

    def infer(
        self, attributes: RngAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The shape of both."""
        del attributes
        if inputs[0].shape != inputs[2].shape:
            msg = f"gradients of different shapes meet: {inputs[0].shape}, {inputs[2].shape}"
            raise ValueError(msg)
        for index in (1, 3, 4):
            branch_type(inputs, index)
        return (TensorType(inputs[0].shape), MAGNITUDE)

    def reference(
        self,
        attributes: RngAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Align to the smaller exponent, add, round."""
        del inputs
        a, b = whole_exponent(arrays[1]), whole_exponent(arrays[3])
        low = max(min(a, b), max(a, b) - ALIGNMENT_LIMIT)
        aligned = [
            (g.astype(np.int64) << max(e - low, 0)) >> min(max(low - e, 0), 31)
            for g, e in ((arrays[0], a), (arrays[2], b))
        ]
        shift = whole_exponent(arrays[4]) - low
        products = (aligned[0] + aligned[1]) << 14
        return rounded_gradient(products, shift + 14, attributes.rng_stream, context)

    def kernel(self, attributes: RngAttributes, inputs: Sequence[TensorType]) -> KernelCall:
        """kg_gradient_sum."""
        fields = {"count": inputs[0].size, "rng_stream": attributes.rng_stream}
        arguments = (Control(), *(Input(index) for index in range(5)), Output(0), Output(1))
        return KernelCall("kg_gradient_sum", fields, arguments)

    def cases(self) -> Sequence[Case]:
        """Close and far exponents."""
        shape = TensorType((3, 3, 7))
        inputs = (shape, EXPONENT, shape, EXPONENT, EXPONENT)
        low = {0: -127, 2: -127}
        return [
            Case(
                "close",
                RngAttributes(2),
                inputs,
                low=low | {1: -64, 3: -64, 4: -64},
                high={1: 64, 3: 64, 4: 96},
            ),
            Case(
                "far",
                RngAttributes(4),
                inputs,
                low=low | {1: -900, 3: 300, 4: 200},
                high={1: -500, 3: 800, 4: 900},
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
    updates = MappingProxyType({0: 0})

    def infer(
        self, attributes: NoAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The exponent again."""
        del attributes
        branch_type(inputs, 0)
        return (EXPONENT,)

    def reference(
        self,
        attributes: NoAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """The rule above on the number of bits."""
        del attributes, inputs
        bits = int(arrays[1][0]).bit_length()
        context.counters.gradients += 1
        context.counters.gradients_vanished += int(bits == 0)
        if bits in {0, 7}:
            change = 0
        elif bits > 7:  # noqa: PLR2004 - see above
            context.counters.gradients_saturated += 1
            change = 4 + 16 * max(bits - 8, 0)
        else:
            change = -1 if bits >= 4 else -16  # noqa: PLR2004 - an eighth of the range
        new = int(arrays[0][0]) + change
        return (np.array([np.clip(new, -EXPONENT_LIMIT, EXPONENT_LIMIT)], np.int32),)

    def kernel(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> KernelCall:
        """kg_adapt_exponent."""
        del attributes, inputs
        fields = {"limit": EXPONENT_LIMIT}
        return KernelCall("kg_adapt_exponent", fields, (Input(0), Input(1)))

    def cases(self) -> Sequence[Case]:
        """Every number of bits, and both ends of the range."""
        inputs = (EXPONENT, MAGNITUDE)
        cases = [
            Case(
                f"bits{bits}",
                NoAttributes(),
                inputs,
                fixed={1: np.array([(1 << bits) >> 1], np.int32)},
                low={0: -EXPONENT_LIMIT},
                high={0: EXPONENT_LIMIT},
            )
            for bits in range(16)
        ]
        ends = np.array([EXPONENT_LIMIT], np.int32)
        seen = np.array([32767], np.int32)
        return [*cases, Case("end", NoAttributes(), inputs, fixed={0: ends, 1: seen})]


OPERATORS = (GradientSum(), AdaptExponent())
