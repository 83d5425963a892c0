"""Numbers of quantized networks as TensorFlow Lite computes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from kilograd.ir import Quantization
from kilograd.ops.lookup.functions import Function

_FLOAT: Any = np.float32

#: What is left by a layer that clamps to nothing less.
INT8_RANGE = (-128, 127)

#: The lowest and highest value that an activation leaves, in real numbers.
_REAL_RANGES: Mapping[str, tuple[float, float]] = {
    "none": (-math.inf, math.inf),
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "relu_n1_to_1": (-1.0, 1.0),
    "relu_0_to_1": (0.0, 1.0),
}


def int8_range(activation: str, quantization: Quantization) -> tuple[int, int] | None:
    """The int8 values that an activation leaves; None if it is not a clamp.

    The quotient is one of floats, with halves away from zero.
    """
    if activation not in _REAL_RANGES:
        return None
    ends: list[int] = []
    for real, end in zip(_REAL_RANGES[activation], INT8_RANGE, strict=True):
        if math.isinf(real):
            ends.append(end)
            continue
        quotient = float(_FLOAT(real) / _FLOAT(quantization.scale))
        rounded = math.copysign(math.floor(abs(quotient) + 0.5), quotient)
        ends.append(min(max(int(rounded) + quantization.zero_point, -128), 127))
    return ends[0], ends[1]


def clamp_function(activation: str) -> Function:
    """A clamp as a function of real numbers."""
    low, high = _REAL_RANGES[activation]
    return Function("leaky_relu", (0.0,)) if math.isinf(high) else Function("clip", (low, high))


def scale_of_float32_product(x: float, weight: float) -> float:
    """A weight's scale whose product with the map's is what float32 makes of it.

    It is so but for the last bit of a double, and a multiplier keeps 31 of its 53.
    """
    with np.errstate(over="ignore", under="ignore"):
        return float(_FLOAT(x) * _FLOAT(weight)) / x


def int8_ends(quantization: Quantization) -> tuple[float, float]:
    """The real values of -128 and 127.

    Files do not say what a pixel stands for. Whoever quantized the network showed it pixels of
    all values, so that these are the ends of its int8: a pixel p is p - 128, whether the network
    was trained on 0 to 1, -1 to 1 or 0 to 255.
    """
    scale, zero_point = quantization.scale, quantization.zero_point
    return (-128 - zero_point) * scale, (127 - zero_point) * scale
