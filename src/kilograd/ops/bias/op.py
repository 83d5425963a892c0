"""The bias step: one for all layers, since a bias only sees its channel's summed gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.arithmetic import bias_limit, channel_mantissas
from kilograd.ops.common.update import fixed_point_step, stepped_bias
from kilograd.ops.gradient_scale import EXPONENT, branch_type, whole_exponent
from kilograd.ops.spec import (
    Array,
    Case,
    Control,
    Input,
    KernelCall,
    OpSpec,
    StepContext,
)

BIAS, GRADIENT, GRADIENT_EXPONENT, LOSS_EXPONENT = range(4)


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
    updates = MappingProxyType({0: BIAS})

    def infer(
        self, attributes: BiasUpdateAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The bias again."""
        bias_limit(attributes.terms)
        bias, gradient = inputs[BIAS], inputs[GRADIENT]
        if gradient.shape[-1:] != bias.shape or bias.dtype is not DType.INT32:
            msg = f"gradient {gradient.shape} does not end in the bias's channels {bias.shape}"
            raise ValueError(msg)
        branch_type(inputs, GRADIENT_EXPONENT)
        branch_type(inputs, LOSS_EXPONENT)
        return (bias,)

    def reference(
        self,
        attributes: BiasUpdateAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum the gradient over positions, scale, round, saturate."""
        bias = arrays[BIAS]
        summed = arrays[GRADIENT].astype(np.int64).reshape(-1, bias.size).sum(axis=0)
        mantissas, exponents = channel_mantissas([1 / s for s in inputs[BIAS].scales])
        exponent = whole_exponent(arrays[GRADIENT_EXPONENT]) + int(arrays[LOSS_EXPONENT][0])
        step = fixed_point_step(
            summed, mantissas, exponents + np.int64(exponent), attributes.rng_stream, context
        )
        return (stepped_bias(bias, step, bias_limit(attributes.terms), context),)

    def kernel(self, attributes: BiasUpdateAttributes, inputs: Sequence[TensorType]) -> KernelCall:
        """kg_bias_update."""
        channels = inputs[BIAS].size
        mantissas, exponents = channel_mantissas([1 / s for s in inputs[BIAS].scales])
        fields = {
            "positions": inputs[GRADIENT].size // channels,
            "channels": channels,
            "limit": bias_limit(attributes.terms),
            "mantissa": mantissas,
            "exponent": exponents,
            "rng_stream": attributes.rng_stream,
        }
        arguments = (
            Control(),
            Input(BIAS),
            Input(GRADIENT),
            Input(GRADIENT_EXPONENT),
            Input(LOSS_EXPONENT),
        )
        return KernelCall("kg_bias_update", fields, arguments)

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
        low={BIAS: -limit, GRADIENT: -127, GRADIENT_EXPONENT: -400, LOSS_EXPONENT: -40},
        high={BIAS: limit, GRADIENT_EXPONENT: 160, LOSS_EXPONENT: 0},
    )
