"""The bias step: one for all layers, since a bias only sees its channel's summed gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.arithmetic import bias_limit, channel_mantissas
from kilograd.ops.common.update import fixed_point_step, stepped_bias
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
    """

    terms: int
    rng_stream: int


class BiasUpdate(OpSpec[BiasUpdateAttributes]):
    """b ← b − rate · 2^(exponents) · Σ gradient / scale(b), rounded stochastically.

    Inputs: bias int32[C], gradient int8[..., C], its exponent, the loss exponent.
    The division by the bias scale is quantization-aware scaling: the gradient for the quantized
    bias, times scale^−2 (MCUNetV3, section 2.1).
    """

    name = "bias_update"
    attributes_type = BiasUpdateAttributes
    operands = required("bias", "gradient", "gradient_exponent", "loss_exponent")
    results = ("bias",)
    updates = MappingProxyType({"bias": "bias"})

    def infer(
        self, attributes: BiasUpdateAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The bias again."""
        bias_limit(attributes.terms)
        types = self.bind(attributes, inputs)
        bias, gradient = types.bias, types.gradient
        if gradient.shape[-1:] != bias.shape or bias.dtype is not DType.INT32:
            msg = f"gradient {gradient.shape} does not end in the bias's channels {bias.shape}"
            raise ValueError(msg)
        check_exponents(types)
        return (bias,)

    def reference(
        self,
        attributes: BiasUpdateAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum the gradient over positions, scale, round, saturate."""
        types, given = self.bind(attributes, inputs), self.bind(attributes, arrays)
        bias = given.bias
        summed = given.gradient.astype(np.int64).reshape(-1, bias.size).sum(axis=0)
        mantissas, exponents = channel_mantissas([1 / s for s in types.bias.scales])
        exponent = whole_exponent(given.gradient_exponent) + int(given.loss_exponent[0])
        step = fixed_point_step(
            summed, mantissas, exponents + np.int64(exponent), attributes.rng_stream, context
        )
        return (stepped_bias(bias, step, bias_limit(attributes.terms), context),)

    def kernel(self, attributes: BiasUpdateAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_bias_update."""
        types = self.bind(attributes, inputs)
        channels = types.bias.size
        mantissas, exponents = channel_mantissas([1 / s for s in types.bias.scales])
        fields = {
            "positions": types.gradient.size // channels,
            "channels": channels,
            "limit": bias_limit(attributes.terms),
            "mantissa": mantissas,
            "exponent": exponents,
            "rng_stream": attributes.rng_stream,
        }
        arguments = (Control(), *(Input(operand.name) for operand in self.operands))
        return Kernel("bias_update", fields, arguments, {v: Use() for v in (PLAIN, DSP, HOST)})

    def cases(self) -> Sequence[Case]:
        """Odd channel counts, one position and several."""
        return [
            bias_case("dense", (1, 1), 10, 9),
            bias_case("odd", (3, 5), 7, 27),
            bias_case("wide", (4, 4), 33, 576),
        ]


def bias_case(name: str, positions: tuple[int, int], channels: int, terms: int) -> Case:
    """A bias step on a map of this many positions and channels."""
    scales = tuple(1e-5 * (1 + channel) for channel in range(channels))
    bias = TensorType((channels,), DType.INT32, Quantization(scales, 0, 0))
    limit = bias_limit(terms)
    return Case(
        name,
        BiasUpdateAttributes(terms, 5),
        (bias, TensorType((*positions, channels)), EXPONENT, EXPONENT),
        low={
            "bias": -limit,
            "gradient": -127,
            "gradient_exponent": -400,
            "loss_exponent": -40,
        },
        high={"bias": limit, "gradient_exponent": 160, "loss_exponent": 0},
    )
