"""The integer arithmetic that every operator is made of, in NumPy and in C."""

from kilograd.ops.arithmetic.fixed_point import (
    ACCUMULATOR_LIMIT,
    Mantissa,
    bias_limit,
    channel_mantissas,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    relative_mantissas,
    requantize,
    scalar_mantissa,
)
from kilograd.ops.arithmetic.random import mix, numbers_of, random_bits, stochastic_round
from kilograd.ops.arithmetic.schedule import scheduled_rate

#: Raised whenever any result changes by a bit; docs/numerics.md is its text.
NUMERICS_VERSION = 3

__all__ = [
    "ACCUMULATOR_LIMIT",
    "NUMERICS_VERSION",
    "Mantissa",
    "bias_limit",
    "channel_mantissas",
    "mix",
    "multiply_by_quantized_multiplier",
    "numbers_of",
    "quantize_multiplier",
    "random_bits",
    "relative_mantissas",
    "requantize",
    "scalar_mantissa",
    "scheduled_rate",
    "stochastic_round",
]
