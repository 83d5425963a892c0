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
    stream: int,
    context: StepContext,
) -> NDArray[np.int64]:
    """``gradient · mantissa · 2^exponent · rate``, rounded stochastically, |step| < 2^30.

    Args:
        gradient: integers, |gradient| < 2^31; element i in C order takes random number i.
        mantissas: broadcastable to the gradient, below 2^15.
        exponents: likewise; already holds the gradient's and the loss's exponents.
        stream: of the stochastic rounding.
        context: holds seed, step and learning rate.
    """
    product = gradient * (mantissas.astype(np.int64) * context.rate_mantissa)
    shift = np.broadcast_to(-(exponents + context.rate_exponent), product.shape)
    bits = random_bits(context.seed, context.step, stream, product.size)
    step = stochastic_round(product, shift, bits)
    return np.clip(step, -ACCUMULATOR_LIMIT, ACCUMULATOR_LIMIT)
