"""Fixed-point multiplication and rounding (docs/numerics.md, sections 2 and 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

#: Largest magnitude of an accumulator, so that doubling one never overflows 32 bits.
ACCUMULATOR_LIMIT = (1 << 30) - 1

#: A multiplier shifted right by more than this rounds everything to zero.
_MINIMUM_SHIFT = -31

#: Largest left shift of a multiplier: a 1 shifted by it is within the accumulator's limit.
MAXIMUM_SHIFT = 29


def bias_limit(terms: int) -> int:
    """Largest |bias| that keeps an accumulator of ``terms`` products within its limit.

    Each product is a weight (|w| ≤ 127) times an activation less its zero point (|x| ≤ 255).

    Raises:
        ValueError: if the products alone could pass the limit.
    """
    limit = ACCUMULATOR_LIMIT - terms * 127 * 255
    if limit <= 0:
        msg = f"{terms} products a sum can overflow a 32-bit accumulator (at most 33155)"
        raise ValueError(msg)
    return limit


def quantize_multiplier(real: float) -> tuple[int, int]:
    """A positive real as ``multiplier · 2^(shift − 31)``, 2^30 ≤ multiplier < 2^31.

    The same rounding as TensorFlow Lite's QuantizeMultiplier.

    Raises:
        ValueError: if the real is 2^29 or more, for which 32 bits are too few.
    """
    mantissa, shift = math.frexp(real)
    multiplier = math.floor(mantissa * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < _MINIMUM_SHIFT:
        return 0, 0
    if shift > MAXIMUM_SHIFT:
        msg = f"a result's scale is {real:.3g} times too small for its inputs' scales"
        raise ValueError(msg)
    return multiplier, shift


def multiply_by_quantized_multiplier(
    values: IntArray, multiplier: NDArray[Any] | int, shift: NDArray[Any] | int
) -> IntArray:
    """TensorFlow Lite's MultiplyByQuantizedMultiplier with its two roundings.

    A saturating rounding doubling high multiplication, then a rounding division by a power of
    two (halves away from zero). A left shift saturates below ±2^30 first, which the reference
    leaves undefined; every result that fits int8 is unchanged by it.
    """
    shift_array = np.asarray(shift, np.int64)
    left = np.maximum(shift_array, 0)
    right = np.maximum(-shift_array, 0)
    limit: IntArray = np.right_shift(np.int64(ACCUMULATOR_LIMIT), left)
    shifted = np.clip(values, -limit, limit) << left
    high = (shifted * np.asarray(multiplier, np.int64) + (1 << 30)) >> 31
    half: IntArray = np.left_shift(np.int64(1), right) >> 1
    negative = ((high < 0) & (right > 0)).astype(np.int64)
    return (high + half - negative) >> right


def requantize(
    accumulator: IntArray,
    multiplier: NDArray[Any] | int,
    shift: NDArray[Any] | int,
    zero_point: int,
) -> NDArray[np.int8]:
    """int32 accumulators to int8 activations, clamped to [−128, 127]."""
    scaled = multiply_by_quantized_multiplier(accumulator, multiplier, shift)
    return np.clip(scaled + zero_point, -128, 127).astype(np.int8)


@dataclass(frozen=True)
class Mantissa:
    """A positive real as ``mantissa · 2^exponent`` with 2^14 ≤ mantissa < 2^15."""

    mantissa: int
    exponent: int


def scalar_mantissa(real: float) -> Mantissa:
    """Fifteen bits of a positive real."""
    fraction, exponent = math.frexp(real)
    mantissa = math.floor(fraction * (1 << 15) + 0.5)
    if mantissa == 1 << 15:
        mantissa //= 2
        exponent += 1
    return Mantissa(mantissa, exponent - 15)


def channel_mantissas(
    reals: Sequence[float],
) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    """Fifteen bits of each of several positive reals, with an exponent each."""
    pairs = [scalar_mantissa(real) for real in reals]
    exponents = np.array([pair.exponent for pair in pairs], np.int64)
    if np.any(np.abs(exponents) > np.iinfo(np.int8).max):
        msg = "a scale is too far from 1 for its exponent to fit 8 bits"
        raise ValueError(msg)
    return np.array([pair.mantissa for pair in pairs], np.int16), exponents.astype(np.int8)


def relative_mantissas(reals: Sequence[float]) -> tuple[NDArray[np.int16], float]:
    """Several positive reals as ``mantissa · unit`` with one unit for all, mantissa ≤ 32767."""
    array = np.asarray(reals, np.float64)
    unit = float(array.max()) / 32767
    return np.floor(array / unit + 0.5).astype(np.int16), unit
