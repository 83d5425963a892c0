"""What TensorFlow Lite Micro's functions of one number make of each int8 input, byte for byte.

Sources: tensorflow/lite/kernels/internal/reference/ (integer_ops/logistic.h, integer_ops/tanh.h,
hard_swish.h, leaky_relu.h) and tensorflow/lite/micro/kernels/ (elu.cc, elementwise.cc), with the
multipliers that the kernels there prepare.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.tflite import gemmlowp
from kilograd.ir import Quantization
from kilograd.ops.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier

_FLOAT: Any = np.float32
_INT16 = np.iinfo(np.int16)

#: Integer bits of the fixed-point input of a sigmoid or a hyperbolic tangent.
_INTEGER_BITS = 4

#: A smaller scale is shifted to the right, which the framework does not define.
_SMALLEST_SCALE = 2.0 ** -(31 - _INTEGER_BITS)

Table = tuple[int, ...]


def logistic(given: Quantization, output: Quantization) -> Table | None:
    """LOGISTIC, for a result of 1/256 and -128; None for others, which it ignores or refuses."""
    if output != Quantization((1 / 256,), -128) or not _is_usual(given):
        return None
    return _by_gemmlowp(given, gemmlowp.logistic, 8, -128)


def tanh(given: Quantization, output: Quantization) -> Table | None:
    """TANH, likewise for 1/128 and 0."""
    if output != Quantization((1 / 128,), 0) or not _is_usual(given):
        return None
    return _by_gemmlowp(given, gemmlowp.tanh, 7, 0)


def _is_usual(given: Quantization) -> bool:
    return _SMALLEST_SCALE <= given.scale < 1 << _INTEGER_BITS


def _by_gemmlowp(given: Quantization, function: Any, bits: int, zero_point: int) -> Table:
    x = _inputs(given)
    fraction, shift = math.frexp(given.scale * (1 << (31 - _INTEGER_BITS)))
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    reach = math.floor(((1 << _INTEGER_BITS) - 1) * (1 << (31 - _INTEGER_BITS)) / 2.0**shift)
    inside = np.abs(x) < reach
    scaled = gemmlowp.multiply(np.where(inside, x, 0) << shift, multiplier)
    result = gemmlowp.divide_by_power(function(scaled, _INTEGER_BITS), 31 - bits) + zero_point
    return _table(np.where(inside, result, np.where(x < 0, -128, 127)))


def hard_swish(given: Quantization, output: Quantization) -> Table | None:
    """HARD_SWISH, in 16 bits; None where its result is too fine for its input."""
    fine = _FLOAT(1 / 128) * _FLOAT(given.scale)
    multiplier, exponent = _multiplier16(float(fine / _FLOAT(output.scale)))
    if exponent > 0:
        return None
    x = _inputs(given) * 128
    scaled = _multiply16(x, multiplier)
    multiplier, left = _multiplier16(float(fine / _FLOAT(3.0 / 32768.0)))
    # x / 3, limited to -1 and 1; the last bit of a shift to the left comes after the product.
    share = _saturate16(x << (left - 1)) if left > 0 else x
    share = _multiply16(share, multiplier)
    share = _saturate16(share << 1) if left > 0 else _divide16(share, -left)
    share = (share + (1 << 15)) >> 1
    product = share * scaled
    halved = np.sign(product) * (np.abs(product) >> 15)
    return _table(_divide16(halved, -exponent) + output.zero_point)


def _multiplier16(real: float) -> tuple[int, int]:
    """QuantizeMultiplier and DownScaleInt32ToInt16Multiplier."""
    fraction, exponent = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier, exponent = multiplier // 2, exponent + 1
    if exponent < -31:  # noqa: PLR2004 - nothing is left of 32 bits
        return 0, 0
    return min((multiplier + (1 << 15)) >> 16, _INT16.max), exponent


def _multiply16(a: NDArray[np.int64], b: int) -> NDArray[np.int64]:
    """SaturatingRoundingDoublingHighMul of 16 bits."""
    return (a * b + (1 << 14)) >> 15


def _divide16(x: NDArray[np.int64], exponent: int) -> NDArray[np.int64]:
    """RoundingDivideByPOT of 16 bits, whose mask wraps for exponents from 16 on."""
    mask = int(np.array((1 << exponent) - 1).astype(np.int16))
    threshold: NDArray[np.int64] = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def _saturate16(x: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.clip(x, _INT16.min, _INT16.max)


def leaky_relu(given: Quantization, output: Quantization, alpha: float) -> Table | None:
    """LEAKY_RELU: one multiplier above zero, another below; None for a negative slope."""
    if alpha < 0:
        return None
    x = _inputs(given)
    scale, result = _FLOAT(given.scale), _FLOAT(output.scale)
    above = _scaled(x, float(scale / result))
    below = _scaled(x, float(scale * _FLOAT(alpha) / result))
    return _table(np.where(x >= 0, above, below) + output.zero_point)


def absolute(given: Quantization, output: Quantization) -> Table:
    """ABS."""
    size = np.abs(_inputs(given))
    if given.scale != output.scale:
        size = _scaled(size, float(_FLOAT(given.scale) / _FLOAT(output.scale)))
    return _table(size + output.zero_point)


def _scaled(x: NDArray[np.int64], real: float) -> NDArray[np.int64]:
    if not real:
        return np.zeros_like(x)
    return multiply_by_quantized_multiplier(x, *quantize_multiplier(real))


def elu(given: Quantization, output: Quantization) -> Table:
    """ELU: floats of 32 bits."""
    x: NDArray[np.float32] = _FLOAT(given.scale) * _inputs(given).astype(np.float32)
    below: NDArray[np.float32] = np.exp(np.minimum(x, 0).astype(np.float64)).astype(
        np.float32
    ) - _FLOAT(1)
    steps: NDArray[np.float32] = np.where(x < 0, below, x) * (_FLOAT(1) / _FLOAT(output.scale))
    rounded = np.copysign(np.floor(np.abs(steps).astype(np.float64) + 0.5), steps)
    return _table(np.clip(rounded, -(2**30), 2**30) + output.zero_point)


def _inputs(given: Quantization) -> NDArray[np.int64]:
    return np.arange(-128, 128, dtype=np.int64) - given.zero_point


def _table(entries: NDArray[Any]) -> Table:
    return tuple(int(entry) for entry in np.clip(entries, -128, 127))
