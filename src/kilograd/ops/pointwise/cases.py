"""Types that the tests of both gradients share."""

from __future__ import annotations

from kilograd.ir import Quantization, TensorType


def weight_types(outputs: int, channels: int, trained: tuple[int, ...]) -> tuple[TensorType, ...]:
    """Types of a weight: whole, or its trained and its frozen columns."""
    scales = tuple(0.001 * (1 + output % 17) for output in range(outputs))
    quantization = Quantization(scales, 0, 0)
    widths = [len(trained), channels - len(trained)] if trained else [channels]
    return tuple(TensorType((outputs, w), quantization=quantization) for w in widths)
