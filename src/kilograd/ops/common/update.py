"""The fixed-point step of trained numbers (docs/numerics.md, section 7)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.ops.arithmetic import ACCUMULATOR_LIMIT, random_bits, stochastic_round
from kilograd.ops.spec import StepContext


def fixed_point_step(
    gradient: NDArray[np.int64],
    mantissas: NDArray[Any],
    exponents: NDArray[Any],
    rng_stream: int,
    context: StepContext,
) -> NDArray[np.int64]:
    """``gradient · mantissa · 2^exponent · rate``, rounded stochastically, |step| < 2^30.

    Args:
        gradient: integers, |gradient| < 2^31; element i in C order takes random number i.
        mantissas: broadcastable to the gradient, below 2^15.
        exponents: likewise; already holds the gradient's and the loss's exponents.
        rng_stream: of the stochastic rounding.
        context: holds seed, step and learning rate.
    """
    product = gradient * (mantissas.astype(np.int64) * context.rate_mantissa)
    shift = np.broadcast_to(-(exponents + context.rate_exponent), product.shape)
    bits = random_bits(context.seed, context.step, rng_stream, product.size)
    step = stochastic_round(product, shift, bits)
    return np.clip(step, -ACCUMULATOR_LIMIT, ACCUMULATOR_LIMIT)


def stepped_weight(
    weight: NDArray[Any], step: NDArray[np.int64], trained: int, context: StepContext
) -> NDArray[Any]:
    """``weight − step`` cut at the ends of the weight's type (±127, ±32767), counted.

    Args:
        weight: int8 or int16; those that are not trained are there too.
        step: integers of the same shape, 0 where nothing is trained.
        trained: how many weights are.
        context: counts.
    """
    stepped = weight.astype(np.int64) - step
    limit = int(np.iinfo(weight.dtype).max)
    cut = np.clip(stepped, -limit, limit)
    context.counters.weight_updates += trained
    context.counters.weights_saturated += int(np.count_nonzero(cut != stepped))
    return cut.astype(weight.dtype)


def stepped_bias_delta(
    delta: NDArray[np.int16],
    base: NDArray[np.int32] | int,
    step: NDArray[np.int64],
    limit: int,
    context: StepContext,
) -> NDArray[np.int16]:
    """``delta − step``, cut so that it fits ±32767 and, with the base, ±``limit``; counted."""
    most = int(np.iinfo(np.int16).max)
    wide = np.asarray(base, np.int64)
    stepped = delta.astype(np.int64) - step
    cut = np.clip(stepped, np.maximum(-limit - wide, -most), np.minimum(limit - wide, most))
    context.counters.biases_saturated += int(np.count_nonzero(cut != stepped))
    return cut.astype(np.int16)
