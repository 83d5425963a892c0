"""Average pooling over windows, and its gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import TensorType
from kilograd.ops.gradient_scale import exponent_shift, rounded_gradient
from kilograd.ops.pool.window import PoolWindow
from kilograd.ops.pool.windowed import (
    PoolAttributes,
    WindowedPool,
    WindowedPoolGradientAttributes,
    WindowedPoolInputGradient,
)
from kilograd.ops.spec import Array, StepContext, c_constant, required

#: Bits of the share that a position has in its window's mean.
SHARE_BITS = c_constant(Path(__file__).parent / "kernels" / "kg_pool.h", "KG_POOL_SHARE_BITS")

#: Windows that a position may lie under, so that a sum of their gradients fits 32 bits.
_MOST_WINDOWS = 256


class WindowedAveragePool(WindowedPool):
    """The mean under each window (TensorFlow Lite's AVERAGE_POOL_2D).

    Positions outside the map do not count. Rounded to nearest, halves away from zero.
    """

    name = "windowed_average_pool"
    input_gradient = "windowed_average_pool_input_gradient"
    reads_map = False

    def reference(
        self,
        attributes: PoolAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum, divide, round."""
        del inputs, context
        x = self.bind(attributes, arrays).x
        total = _sums(attributes.window, x.astype(np.int64))
        count = attributes.window.counts(x.shape)
        mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
        return (mean.astype(np.int8),)

    def real(
        self, attributes: PoolAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The mean."""
        del inputs
        x = self.bind(attributes, values).x
        return _sums(attributes.window, x) / attributes.window.counts(x.shape)

    def gain(self, window: PoolWindow, windows: float) -> float:
        """A share of every window; those that meet at a position add up as by chance."""
        return math.log2(windows) / 2 - math.log2(window.positions)


class WindowedAveragePoolInputGradient(WindowedPoolInputGradient):
    """The sum over windows of gradient / positions under it, at each position of the map."""

    name = "windowed_average_pool_input_gradient"
    operands = required("gradient", "gradient_exponent", "result_exponent")

    def infer(
        self, attributes: WindowedPoolGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The map's shape."""
        window = attributes.window
        over = -(-window.height // window.row_stride) * -(-window.width // window.column_stride)
        if over > _MOST_WINDOWS:
            msg = f"a position lies under {over} windows of a pool, more than {_MOST_WINDOWS}"
            raise ValueError(msg)
        return super().infer(attributes, inputs)

    def reference(
        self,
        attributes: WindowedPoolGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Gradients times shares, summed where windows meet, rounded."""
        (out, _) = self.infer(attributes, inputs)
        window, given = attributes.window, self.bind(attributes, arrays)
        count = window.counts(out.shape)
        share = ((1 << SHARE_BITS) + count // 2) // count
        products = given.gradient.astype(np.int64) * share
        sums = window.padded(np.zeros(out.shape, np.int64), 0)
        for rows, columns in window.tap_slices(products.shape):
            sums[rows, columns] += products
        shift = exponent_shift(given, -SHARE_BITS)
        inside = window.inside(sums, out.shape)
        return rounded_gradient(inside, shift, attributes.rng_stream, context)


def _sums(window: PoolWindow, x: Array) -> Array:
    padded = window.padded(x, 0)
    total = np.zeros(window.output_shape(x.shape), x.dtype)
    for rows, columns in window.tap_slices(total.shape):
        total += padded[rows, columns]
    return total
