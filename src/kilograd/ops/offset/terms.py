"""The constant half of a sum or difference, as TensorFlow Lite's ADD and SUB compute it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import Quantization
from kilograd.ops.add.op import LEFT_SHIFT
from kilograd.ops.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier

#: Largest magnitude of a term: 255 steps of the larger scale, of which two make a unit.
MOST_TERM = 255 << (LEFT_SHIFT - 1)


def unit_of(a: float, b: float) -> float:
    """Real value of one unit of the sum, for the scales of its two halves."""
    return 2 * max(a, b) / (1 << LEFT_SHIFT)


def scaled_half(values: NDArray[np.int8], given: Quantization, unit: float) -> NDArray[np.int64]:
    """One half of a sum in its units.

    Args:
        values: int8 of any shape.
        given: their quantization.
        unit: of the sum.
    """
    shifted = (values.astype(np.int64) - given.zero_point) << LEFT_SHIFT
    return multiply_by_quantized_multiplier(shifted, *branch_multiplier(given.scale, unit))


def branch_multiplier(scale: float, unit: float) -> tuple[int, int]:
    """Multiplier and shift that bring a half into the sum's units."""
    return quantize_multiplier(scale / (unit * (1 << LEFT_SHIFT)))


def offset_terms(
    constants: NDArray[np.int8], given: Quantization, x: Quantization, *, subtracts: bool
) -> tuple[float, tuple[int, ...]]:
    """What ``offset`` adds to a map.

    Args:
        constants: int8 [C].
        given: their quantization.
        x: quantization of the map.
        subtracts: whether they are subtracted.

    Returns:
        The real value of a unit, and the terms in units.
    """
    unit = unit_of(x.scale, given.scale)
    terms = scaled_half(constants.ravel(), given, unit)
    return unit, tuple(int(term) for term in (-terms if subtracts else terms))


def difference_table(
    constant: NDArray[np.int8], given: Quantization, x: Quantization, output: Quantization
) -> tuple[int, ...]:
    """A constant minus each of the 256 inputs, from -128 up, as TensorFlow Lite's SUB."""
    unit = unit_of(x.scale, given.scale)
    inputs = np.arange(-128, 128).astype(np.int8)
    total = scaled_half(constant.ravel()[:1], given, unit) - scaled_half(inputs, x, unit)
    scaled = multiply_by_quantized_multiplier(total, *quantize_multiplier(unit / output.scale))
    return tuple(int(y) for y in np.clip(scaled + output.zero_point, -128, 127))
