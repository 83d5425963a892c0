"""The tables of a function: its results and its slopes, for each of the 256 inputs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import Quantization
from kilograd.ops.lookup.functions import Function

#: Every int8 number, in the order of a table's entries.
INPUTS = np.arange(-128, 128)

#: Largest magnitude of a slope in its table.
_MOST_SLOPE = (1 << 15) - 1

#: Largest magnitude of a table's exponent; exponents of gradients reach as far.
_MOST_EXPONENT = 64


def rounded_table(function: Function, given: Quantization, output: Quantization) -> tuple[int, ...]:
    """A function's results, rounded to nearest, halves away from zero, and clamped.

    Args:
        function: of real numbers.
        given: quantization of its input.
        output: quantization of its result.

    Returns:
        256 numbers of int8, for the inputs from -128 up.
    """
    steps = function.value(_reals(given)) / output.scale
    rounded = np.copysign(np.floor(np.abs(steps) + 0.5), steps) + output.zero_point
    return tuple(int(entry) for entry in np.clip(rounded, -128, 127))


def slope_table(
    function: Function, given: Quantization, output: Quantization
) -> tuple[NDArray[np.int16], int]:
    """A function's derivatives in fixed point: slopes · 2^exponent.

    Where the result is beyond what its quantization can hold, by more than half a step, the clamp
    acts and the slope is zero.

    Args:
        function: of real numbers.
        given: quantization of its input.
        output: quantization of its result.

    Returns:
        256 slopes, for the inputs from -128 up, and the exponent that they share.

    Raises:
        ValueError: when a slope is not finite, or the exponent is out of use.
    """
    x = _reals(given)
    steps = function.value(x) / output.scale + output.zero_point
    slopes = np.where((steps >= -128.5) & (steps <= 127.5), function.slope(x), 0.0)  # noqa: PLR2004 - half a step beyond int8
    largest = float(np.max(np.abs(slopes)))
    if not math.isfinite(largest):
        msg = f"{function.name} has a derivative that is not finite"
        raise ValueError(msg)
    exponent = math.frexp(largest)[1] - 15 if largest else 0
    if abs(exponent) > _MOST_EXPONENT:
        msg = f"{function.name} has a derivative of {largest:.3g}, which is too far from 1"
        raise ValueError(msg)
    fixed = np.floor(np.ldexp(slopes, -exponent) + 0.5)
    return np.clip(fixed, -_MOST_SLOPE, _MOST_SLOPE).astype(np.int16), exponent


def _reals(given: Quantization) -> NDArray[np.float64]:
    return (INPUTS - given.zero_point).astype(np.float64) * given.scale
