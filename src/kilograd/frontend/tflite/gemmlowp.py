"""Fixed-point functions of gemmlowp (public/fixedpoint.h), with which TensorFlow Lite computes.

Numbers are int32 in int64 arrays; with k integer bits, q stands for q / 2^(31 - k). A product of
numbers with j and k integer bits has j + k.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Raw = NDArray[np.int64]

_INT32 = np.iinfo(np.int32)

#: One with 0 integer bits, which is as near as they come, and with 2.
_ONE_0, _ONE_2 = (1 << 31) - 1, 1 << 29

#: exp(-1/8) and 1/3 with 0 integer bits.
_EXP_OF_EIGHTH, _THIRD = 1895147668, 715827883

#: exp(-2^k) with 0 integer bits, for k from -2 up.
_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)

#: 48/17 and -32/17 with 2 integer bits: where Newton's iteration for a reciprocal starts.
_NEWTON_START, _NEWTON_SLOPE = 1515870810, -1010580540


def multiply(a: Raw, b: Raw | int) -> Raw:
    """SaturatingRoundingDoublingHighMul of 32 bits, for operands that are not both -2^31."""
    return (a * b + (1 << 30)) >> 31


def divide_by_power(x: Raw, exponent: int) -> Raw:
    """RoundingDivideByPOT: x / 2^exponent, halves away from zero."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def _shift_up(x: Raw, bits: int) -> Raw:
    """SaturatingRoundingMultiplyByPOT to the left."""
    return np.clip(x << bits, _INT32.min, _INT32.max)


def _exp_near_zero(a: Raw) -> Raw:
    """Of a in [-1/4, 0) with 0 integer bits: a Taylor polynomial about -1/8."""
    x = a + (1 << 28)
    square = multiply(x, x)
    cube, fourth = multiply(square, x), multiply(square, square)
    higher = multiply(divide_by_power(fourth, 2) + cube, _THIRD) + square
    return _EXP_OF_EIGHTH + multiply(x + divide_by_power(higher, 1), _EXP_OF_EIGHTH)


def exp_of_negative(a: Raw, integer_bits: int) -> Raw:
    """exp(a) for a ≤ 0, with 0 integer bits."""
    quarter = 1 << (31 - integer_bits - 2)
    rest: Raw = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(_shift_up(rest, integer_bits))
    quarters: Raw = rest - a
    for place, power in enumerate(_POWERS[: integer_bits + 2]):
        is_set: NDArray[np.bool_] = (quarters & (quarter << place)) != 0
        result = np.where(is_set, multiply(result, power), result)
    return np.where(a == 0, _ONE_0, result)


def _twice_reciprocal(a: Raw) -> Raw:
    """2 / (1 + a) for a in [0, 1], with 2 integer bits; a has none."""
    half: Raw = (a + _ONE_0 + 1) >> 1
    x: Raw = _NEWTON_START + multiply(half, _NEWTON_SLOPE)
    for _ in range(3):
        x = x + _shift_up(multiply(x, _ONE_2 - multiply(half, x)), 2)
    return x


def logistic(a: Raw, integer_bits: int) -> Raw:
    """1 / (1 + exp(-a)), with 0 integer bits."""
    above = _shift_up(_twice_reciprocal(exp_of_negative(-np.abs(a), integer_bits)), 1)
    result = np.where(a > 0, above, _ONE_0 - above)
    return np.where(a == 0, 1 << 30, result)


def tanh(a: Raw, integer_bits: int) -> Raw:
    """The hyperbolic tangent, with 0 integer bits."""
    # With one integer bit more the same integer is twice the number.
    exp = exp_of_negative(-np.abs(a), integer_bits + 1)
    above = _shift_up(_twice_reciprocal(exp) - _ONE_2, 2)
    return np.sign(a) * above
