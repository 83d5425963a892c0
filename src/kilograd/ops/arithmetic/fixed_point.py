"""Fixed-point multiplication and rounding (docs/numerics.md, sections 2 and 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

#: Accumulators stay below this in magnitude, so that doubling one never overflows 32 bits.
ACCUMULATOR_LIMIT = 1 << 30


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
    """
    mantissa, shift = math.frexp(real)
    multiplier = int(math.floor(mantissa * (1 << 31) + 0.5))
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    return multiplier, shift


def multiply_by_quantized_multiplier(
    values: IntArray, multiplier: IntArray | int, shift: IntArray | int
) -> IntArray:
    """TensorFlow Lite's MultiplyByQuantizedMultiplier with its two roundings.

    A saturating rounding doubling high multiplication, then a rounding division by a power of
    two (halves away from zero). A left shift saturates at ±2^30 first, which the reference
    leaves undefined; every result that fits int8 is unchanged by it.
    """
    shift_array = np.asarray(shift, np.int64)
    left = np.maximum(shift_array, 0)
    right = np.maximum(-shift_array, 0)
    limit = np.int64(ACCUMULATOR_LIMIT) >> left
    shifted = np.clip(values, -limit, limit) << left
    high = (shifted * np.asarray(multiplier, np.int64) + (1 << 30)) >> 31
    half = (np.int64(1) << right) >> 1
    negative = ((high < 0) & (right > 0)).astype(np.int64)
    return (high + half - negative) >> right


def requantize(
    accumulator: IntArray, multiplier: IntArray | int, shift: IntArray | int, zero_point: int
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
    mantissa = int(math.floor(fraction * (1 << 15) + 0.5))
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
    if np.any(np.abs(exponents) > 127):
        msg = "a scale is too far from 1 for its exponent to fit 8 bits"
        raise ValueError(msg)
    return np.array([pair.mantissa for pair in pairs], np.int16), exponents.astype(np.int8)


def relative_mantissas(reals: Sequence[float]) -> tuple[NDArray[np.int16], float]:
    """Several positive reals as ``mantissa · unit`` with one unit for all, mantissa ≤ 32767."""
    array = np.asarray(reals, np.float64)
    unit = float(array.max()) / 32767
    return np.floor(array / unit + 0.5).astype(np.int16), unit
