"""One update for all layers' biases: a bias sees nothing but its channel's summed gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kilograd.ir import DType, TensorType
from kilograd.ops.arithmetic import bias_limit, channel_mantissas
from kilograd.ops.bias.delta import (
    WIDE_BIAS,
    BiasPrecision,
    bias_delta_type,
    check_delta,
    example_bias,
    stored_widths,
)
from kilograd.ops.common.update import fixed_point_step, stepped_bias_delta
from kilograd.ops.gradient_scale import EXPONENT, check_exponents, whole_exponent
from kilograd.ops.spec import (
    DSP,
    HOST,
    PLAIN,
    Array,
    Case,
    Control,
    Input,
    Kernel,
    Operand,
    OpSpec,
    StepContext,
    Use,
    required,
)


@dataclass(frozen=True)
class BiasUpdateAttributes:
    """Attributes of ``bias_update``.

    Attributes:
        terms: products that the layer adds to a bias; bounds the bias so that no accumulator
            overflows.
        rng_stream: of the stochastic rounding.
        unit_bits: see ``BiasPrecision``.
        has_base: whether there is a base; otherwise it is zero.
    """

    terms: int
    rng_stream: int
    unit_bits: int
    has_base: bool = True


class BiasUpdate(OpSpec[BiasUpdateAttributes]):
    """d ← d − rate · 2^(exponents) · Σ gradient / scale(d), rounded stochastically.

    Inputs: delta int8[C] or int16[C], base int16[C] or int32[C] (not there where it is zero),
    gradient int8[..., C], its exponent, the loss exponent. The division by the scale is
    quantization-aware scaling: the gradient for the quantized bias, times scale^−2 (MCUNetV3,
    section 2.1).
    """

    name = "bias_update"
    attributes_type = BiasUpdateAttributes
    operands = (
        Operand("delta"),
        Operand("base", lambda attributes: attributes.has_base),
        *required("gradient", "gradient_exponent", "loss_exponent"),
    )
    results = ("delta",)
    updates = MappingProxyType({"delta": "delta"})

    def infer(
        self, attributes: BiasUpdateAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The delta again."""
        bias_limit(attributes.terms)
        types = self.bind(attributes, inputs)
        delta, gradient = types.delta, types.gradient
        if gradient.shape[-1:] != delta.shape:
            msg = f"gradient {gradient.shape} does not end in the bias's channels {delta.shape}"
            raise ValueError(msg)
        check_delta(types, attributes.unit_bits)
        check_exponents(types)
        return (delta,)

    def reference(
        self,
        attributes: BiasUpdateAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum the gradient over positions, scale, round, saturate."""
        types, given = self.bind(attributes, inputs), self.bind(attributes, arrays)
        delta, base = given.delta, given.base if attributes.has_base else 0
        summed = given.gradient.astype(np.int64).reshape(-1, delta.size).sum(axis=0)
        mantissas, exponents = channel_mantissas([1 / s for s in types.delta.scales])
        exponent = whole_exponent(given.gradient_exponent) + int(given.loss_exponent[0])
        step = fixed_point_step(
            summed, mantissas, exponents + np.int64(exponent), attributes.rng_stream, context
        )
        limit = bias_limit(attributes.terms)
        bits = attributes.unit_bits
        return (
            stepped_bias_delta(delta, base, step, unit_bits=bits, limit=limit, context=context),
        )

    def kernel(self, attributes: BiasUpdateAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_bias_update."""
        types = self.bind(attributes, inputs)
        channels = types.delta.size
        mantissas, exponents = channel_mantissas([1 / s for s in types.delta.scales])
        fields = {
            "positions": types.gradient.size // channels,
            "channels": channels,
            "limit": bias_limit(attributes.terms),
            "mantissa": mantissas,
            "exponent": exponents,
            "rng_stream": attributes.rng_stream,
            **stored_widths(types, attributes.unit_bits),
        }
        arguments = (Control(), *(Input(operand.name) for operand in self.operands))
        return Kernel("bias_update", fields, arguments, {v: Use() for v in (PLAIN, DSP, HOST)})

    def cases(self) -> Sequence[Case]:
        """Odd channel counts, one position and several; with a base and without."""
        return [
            bias_case("dense", (1, 1), 10, 9, WIDE_BIAS, has_base=False),
            bias_case("odd", (3, 5), 7, 27, BiasPrecision(DType.INT8, 7)),
            bias_case("wide", (4, 4), 33, 576, WIDE_BIAS),
            bias_case("near_the_limit", (2, 2), 5, 33_155, BiasPrecision(DType.INT8, 4)),
            bias_case("short_base", (2, 2), 6, 12, BiasPrecision(DType.INT8, 5), DType.INT16),
        ]


def bias_case(
    name: str,
    positions: tuple[int, int],
    channels: int,
    terms: int,
    precision: BiasPrecision,
    base: DType = DType.INT32,
    *,
    has_base: bool = True,
) -> Case:
    """A bias step on a map of this many positions and channels."""
    bias = example_bias(channels)
    delta = bias_delta_type(bias, precision)
    limit = bias_limit(terms)
    unit = 1 << precision.unit_bits
    most = min(int(np.iinfo(delta.dtype.value).max), limit // 2 // unit)
    room = min(limit - most * unit, int(np.iinfo(base.value).max))
    gradient = TensorType((*positions, channels))
    bases = (TensorType(bias.shape, base, bias.quantization),) if has_base else ()
    return Case(
        name,
        BiasUpdateAttributes(terms, 5, precision.unit_bits, has_base),
        (delta, *bases, gradient, EXPONENT, EXPONENT),
        low={
            "delta": -most,
            "gradient": -127,
            "gradient_exponent": -400,
            "loss_exponent": -40,
            **({"base": -room} if has_base else {}),
        },
        high={
            "delta": most,
            "gradient_exponent": 160,
            "loss_exponent": 0,
            **({"base": room} if has_base else {}),
        },
    )
