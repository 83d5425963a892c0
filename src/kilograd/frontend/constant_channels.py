"""Channels that training drove to zero, and biases that an accumulator cannot hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import Quantization
from kilograd.ops.arithmetic import (
    bias_limit,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)

#: Of a weight in int8.
_LARGEST = 127

#: Of an activation less its zero point.
_LARGEST_INPUT = 255

#: By which a trained bias moves.
_LARGEST_DELTA = 32767

#: A constant channel whose weight scale is this much below its layer's median is rescaled.
_RATIO = 2.0**-8


@dataclass(frozen=True)
class Parameters:
    """A layer's parameters as checkpoints hold them.

    Attributes:
        weight: int8, [O, kh, kw, I]; depthwise [kh, kw, C]; pointwise [O, I].
        bias: int32 [O], in units of input scale · weight scale.
        scales: float [O]: of the weight.
    """

    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    scales: NDArray[np.float64]


def rescale_constant_channels(
    p: Parameters, channel_axis: int, given: Quantization, output: Quantization, *, is_int8: bool
) -> Parameters:
    """Give channels that are constant a scale that others have.

    Where training drove a channel's weights to zero, its weight scale is as small as 1e-9 and its
    bias, in units of that scale, saturates int32. Interval arithmetic over all inputs proves that
    the channel's int8 result is constant. With the layer's median scale its weights round to zero
    and its bias fits; where that would change the constant, the weights become zero and the bias
    what makes it, if need be with a scale of one step of the result. Accumulators cannot overflow
    then, and the channel can learn again.

    Args:
        p: of the layer.
        channel_axis: of the weight.
        given: quantization of the layer's input.
        output: quantization of its result.
        is_int8: whether the result is; only then does the clamp make it constant.

    Raises:
        ValueError: when a bias does not fit and the channel is not constant.
    """
    terms = p.weight.size // len(p.scales)
    limit = bias_limit(terms)
    if p.weight.size and p.weight.min() < -_LARGEST:  # products are larger, and a bias may learn
        limit -= terms * _LARGEST_INPUT + _LARGEST_DELTA
    weight = np.moveaxis(p.weight, channel_axis, 0).reshape(len(p.scales), -1).astype(np.int64)
    bias = p.bias.astype(np.int64)
    layer = _Layer(given, output)
    low, high = layer.results(weight, bias, p.scales)
    is_constant = (low == high) & is_int8
    median = float(np.median(p.scales))
    overflows = np.abs(bias) > limit
    chosen = overflows | (is_constant & (p.scales < median * _RATIO))
    if not chosen.any():
        return p
    unproven = np.flatnonzero(overflows & ~is_constant)
    if unproven.size:
        channel = unproven[0]
        msg = (
            f"the bias {bias[channel]:,} of channel {channel} is past ±{limit:,}, which an "
            "accumulator can hold, and the channel is not constant"
        )
        raise ValueError(msg)
    live = p.scales[~chosen]
    if 2 * live.size <= len(p.scales):  # the median is that of a channel without a scale of its own
        median = float(np.median(live)) if live.size else output.scale / given.scale
    ratio = np.where(chosen, p.scales / median, 1.0)
    scales = np.where(chosen, median, p.scales)
    moved = np.rint(weight * ratio[:, None])
    shifted = np.clip(np.rint(bias * ratio), -limit, limit)
    for coarser in (median, output.scale / given.scale):
        now = layer.results(moved, shifted, scales)
        fits = (np.abs(moved).max(axis=1) <= _LARGEST) & (np.abs(shifted) <= limit)
        wrong = chosen & ~(fits & (now[0] == low) & (now[1] == low))
        scales[wrong], moved[wrong] = coarser, 0
        shifted[wrong] = layer.bias_of(low, scales)[wrong]
    shape = np.moveaxis(p.weight, channel_axis, 0).shape
    back = np.moveaxis(moved.reshape(shape), 0, channel_axis).astype(np.int8)
    return Parameters(np.ascontiguousarray(back), shifted.astype(np.int32), scales)


@dataclass(frozen=True)
class _Layer:
    """What turns a channel's accumulator into its result."""

    given: Quantization
    output: Quantization

    def results(
        self, weight: NDArray[Any], bias: NDArray[Any], scales: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The lowest and highest int8 result of each channel, over all inputs."""
        least, most = -128 - self.given.zero_point, 127 - self.given.zero_point
        terms, offset = weight.astype(np.int64), bias.astype(np.int64)
        low = np.minimum(terms * least, terms * most).sum(axis=1) + offset
        high = np.maximum(terms * least, terms * most).sum(axis=1) + offset
        pairs = [
            quantize_multiplier(self.given.scale * float(scale) / self.output.scale)
            for scale in scales
        ]
        multipliers = np.array([multiplier for multiplier, _ in pairs], np.int64)
        shifts = np.array([shift for _, shift in pairs], np.int64)
        return self._int8(low, multipliers, shifts), self._int8(high, multipliers, shifts)

    def _int8(
        self,
        accumulator: NDArray[np.int64],
        multiplier: NDArray[np.int64],
        shift: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """As kernels requantize, and beyond the limit of their accumulators as TensorFlow Lite."""
        within = multiply_by_quantized_multiplier(accumulator, multiplier, shift)
        right = np.maximum(-shift, 0)
        high = (accumulator * multiplier + (1 << 30)) >> 31
        beyond = (high + (np.left_shift(1, right) >> 1) - ((high < 0) & (right > 0))) >> right
        scaled = np.where(shift > 0, within, beyond)
        return np.clip(scaled + self.output.zero_point, -128, 127)

    def bias_of(
        self, constant: NDArray[np.int64], scales: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The bias that makes each channel's constant without any weights."""
        unit = self.given.scale * scales / self.output.scale
        return np.rint((constant - self.output.zero_point) / unit)
