"""How gradients are scaled by channel, and how large they are expected to grow."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import TensorType
from kilograd.ops.arithmetic import relative_mantissas
from kilograd.ops.spec import (
    Array,
    exactly,
)

#: What weights that start at zero, those of a fresh head, are expected to grow to.
_EXPECTED_WEIGHT = 8


def channel_scaling(weight: TensorType, taps: int = 1) -> tuple[NDArray[np.int16], int, float]:
    """How gradients are scaled by their output channel's weight scale before they are summed.

    Returns mantissas, the bits dropped after the multiplication so that a sum over the outputs
    and taps stays below 2^30, and the real value of one unit of the scaled gradient.
    """
    mantissas, unit = relative_mantissas(weight.scales)
    shift = max(7, math.ceil(math.log2(len(weight.scales) * taps)) - 1)
    return mantissas, shift, unit * 2.0**shift


def scale_gradient(gradient: Array, mantissas: NDArray[np.int16], shift: int) -> Array:
    """The first stage of the input gradient: [..., outputs] to 16 bits, halves up."""
    product = gradient.astype(np.int64) * mantissas
    return (product + (1 << (shift - 1))) >> shift


def weight_gain(weight: Array, scales: Sequence[float], share_of_outputs: float = 1.0) -> float:
    """Expected log2 growth of a gradient's root mean square through [O, ...] weights.

    Counts a random half of the gradients as masked by clamps.
    """
    least = 0 if weight.any() else _EXPECTED_WEIGHT
    quantized = np.maximum(np.abs(exactly(weight)), least).reshape(weight.shape[0], -1)
    real = quantized * np.asarray(scales)[:, None]
    per_input = (real**2).sum(axis=0).mean() * share_of_outputs / 2
    return 0.5 * math.log2(max(float(per_input), 1e-12))
