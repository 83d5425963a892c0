"""Max pooling and its gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
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

#: Bits that sums are shifted up by before they are rounded: the result's exponent may be lower.
HEADROOM = c_constant(Path(__file__).parent / "kernels" / "kg_pool.h", "KG_POOL_HEADROOM")


class MaxPool(WindowedPool):
    """The largest element under each window (TensorFlow Lite's MAX_POOL_2D)."""

    name = "max_pool"
    input_gradient = "max_pool_input_gradient"
    reads_map = True

    def reference(
        self,
        attributes: PoolAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """The maximum; nothing is rounded or clamped."""
        del context
        (out,) = self.infer(attributes, inputs)
        return (self._largest(attributes, out.shape, self.bind(attributes, arrays).x, -128),)

    def real(
        self, attributes: PoolAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The maximum."""
        (out,) = self.infer(attributes, inputs)
        return self._largest(attributes, out.shape, self.bind(attributes, values).x, -math.inf)

    def _largest(
        self, attributes: PoolAttributes, shape: tuple[int, ...], x: Array, least: float
    ) -> Array:
        window = attributes.window
        padded = window.padded(x, least)
        taps = (padded[rows, columns] for rows, columns in window.tap_slices(shape))
        return reduce(np.maximum, taps)

    def gain(self, window: PoolWindow, windows: float) -> float:
        """One position of each window gets it; as many meet at a position as by chance."""
        return math.log2(windows / window.positions) / 2


class MaxPoolInputGradient(WindowedPoolInputGradient):
    """The gradient of each window at the window's first largest element, summed where they meet.

    The map is read again for that. Of equal elements the first in row-major order is meant.
    """

    name = "max_pool_input_gradient"
    operands = required("gradient", "gradient_exponent", "x", "result_exponent")

    def reference(
        self,
        attributes: WindowedPoolGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Find the largest, add the gradients there, round."""
        del inputs
        window, given = attributes.window, self.bind(attributes, arrays)
        shape = given.gradient.shape
        # Below every int8, so that nothing outside of the map is the largest.
        padded = window.padded(given.x.astype(np.int64), -129)
        taps = [padded[rows, columns] for rows, columns in window.tap_slices(shape)]
        largest = np.stack(taps).argmax(axis=0)
        sums = np.zeros_like(padded)
        for tap, (rows, columns) in enumerate(window.tap_slices(shape)):
            sums[rows, columns] += np.where(largest == tap, given.gradient, 0)
        products = window.inside(sums, given.x.shape) << HEADROOM
        return rounded_gradient(
            products, exponent_shift(given, -HEADROOM), attributes.rng_stream, context
        )
