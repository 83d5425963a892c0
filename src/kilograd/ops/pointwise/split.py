"""Weights whose trained input channels are kept apart from the frozen ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.arithmetic import bias_limit
from kilograd.ops.delta.op import NARROW, Precision, delta_type, effective_weight
from kilograd.ops.spec import Array, Case, Operand, Operands

#: Most weights that are moved by their deltas at once, where there is more than one slice.
SLICE_BYTES = 4096


def channel_order(trained: Sequence[int], channels: int) -> NDArray[np.uint16]:
    """The trained channels, then all others in ascending order.

    Raises:
        ValueError: if a channel is out of range or named twice.
    """
    chosen = set(trained)
    if len(chosen) != len(trained) or not chosen <= set(range(channels)):
        msg = f"trained channels must be distinct and below {channels}"
        raise ValueError(msg)
    rest = [channel for channel in range(channels) if channel not in chosen]
    return np.array([*trained, *rest], np.uint16)


def merge(weight: Array, frozen: Array | None, trained: Sequence[int], channels: int) -> Array:
    """The whole weight [outputs, channels] from its trained and frozen columns."""
    if frozen is None:
        return weight
    whole = np.empty((weight.shape[0], channels), weight.dtype)
    whole[:, channel_order(trained, channels)] = np.concatenate([weight, frozen], axis=1)
    return whole


def check_delta(types: Operands[TensorType], fraction_bits: int) -> None:
    """ValueError unless the delta, where there is one, belongs to the weight."""
    delta = types.get("delta")
    if delta is None:
        return
    if delta != delta_type(types.weight, Precision(DType.INT8, fraction_bits)):
        msg = f"delta {delta} does not belong to the weight {types.weight}"
        raise ValueError(msg)


def split_weight(*, has_delta: bool) -> tuple[Operand, ...]:
    """The operands that are a layer's weights.

    Args:
        has_delta: whether the kernel moves them where the attributes' ``fraction_bits`` say so.
    """
    frozen = Operand("frozen", lambda attributes: bool(attributes.trained_channels))
    delta = Operand("delta", lambda attributes: attributes.fraction_bits > 0)
    return (Operand("weight"), frozen, *([delta] if has_delta else []))


def whole_weight(given: Operands[Array], trained: Sequence[int], channels: int, bits: int) -> Array:
    """The effective weight [outputs, channels] of a layer, from all its parts."""
    weight = effective_weight(given.weight, given.delta, bits) if bits else given.weight
    return merge(weight, given.get("frozen"), trained, channels)


def slice_length(count: int, size: int) -> int:
    """How many of ``count`` rows or columns of so many weights are moved at once."""
    return min(count, max(1, SLICE_BYTES // size))


def split_fields(trained: Sequence[int], channels: int) -> dict[str, int | Array | None]:
    """The struct members that tell a kernel about the split."""
    if not trained:
        return {"trained": channels, "order": None}
    return {"trained": len(trained), "order": channel_order(trained, channels)}


def pointwise_cases(
    attributes: Callable[[tuple[int, ...]], object],
    positions: Sequence[tuple[int, int]] = ((3, 3), (4, 4), (1, 5)),
) -> list[Case]:
    """Forward cases: shapes cycle through the given positions."""
    shapes = [
        (5, 3, ()),
        (16, 8, ()),
        (7, 6, (2, 5)),
        (24, 9, (0, 1, 7, 23)),
        (1, 1, ()),
        (130, 40, ()),
    ]
    cases: list[Case] = []
    for index, (channels, outputs, trained) in enumerate(shapes):
        height, width = positions[index % len(positions)]
        activation = TensorType(
            (height, width, channels), DType.INT8, Quantization((0.04,), 5 - 40 * index)
        )
        scales = tuple(0.002 * (1 + output) for output in range(outputs))
        quantization = Quantization(scales, 0, 0)
        widths = [len(trained), channels - len(trained)] if trained else [channels]
        weights = [TensorType((outputs, w), DType.INT8, quantization) for w in widths]
        limit = min(bias_limit(channels), 20000)
        cases.append(
            Case(
                f"{channels}to{outputs}" + ("split" if trained else ""),
                attributes(trained),
                (activation, TensorType((outputs,), DType.INT32), *weights),
                low={"bias": -limit},
                high={"bias": limit},
            )
        )
    return cases


def delta_cases(
    cases: Sequence[Case], bind: Callable[[Any, Sequence[TensorType]], Operands[TensorType]]
) -> list[Case]:
    """The same forward cases with a delta for the weight."""
    moved: list[Case] = []
    for case in cases:
        delta = delta_type(bind(case.attributes, case.inputs).weight, NARROW)
        attributes = replace(case.attributes, fraction_bits=NARROW.fraction_bits)
        moved.append(
            replace(
                case,
                name=f"{case.name}moved",
                attributes=attributes,
                inputs=(*case.inputs, delta),
                low={**case.low, "delta": -127},
            )
        )
    return moved
