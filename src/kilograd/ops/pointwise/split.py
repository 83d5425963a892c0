"""Weights whose trained input channels are kept apart from the frozen ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.arithmetic import bias_limit
from kilograd.ops.common.layers import BIAS, WEIGHT
from kilograd.ops.delta.op import NARROW, Precision, delta_type
from kilograd.ops.spec import Array, Case

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


def check_delta(
    fraction_bits: int, inputs: Sequence[TensorType], weight: int
) -> Sequence[TensorType]:
    """The inputs without the delta at their end, if they should have one.

    Raises:
        ValueError: if it does not belong to the input of index ``weight``.
    """
    if not fraction_bits:
        return inputs
    if inputs[-1] != delta_type(inputs[weight], Precision(DType.INT8, fraction_bits)):
        msg = f"delta {inputs[-1]} does not belong to the weight {inputs[weight]}"
        raise ValueError(msg)
    return inputs[:-1]


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
                low={BIAS: -limit, WEIGHT: -127, WEIGHT + 1: -127},
                high={BIAS: limit},
            )
        )
    return cases


def delta_cases(cases: Sequence[Case], weight: int) -> list[Case]:
    """The same cases with a delta for the weight, which is the input of that index."""
    moved: list[Case] = []
    for case in cases:
        delta = delta_type(case.inputs[weight], NARROW)
        attributes = replace(case.attributes, fraction_bits=NARROW.fraction_bits)
        moved.append(
            replace(
                case,
                name=f"{case.name}moved",
                attributes=attributes,
                inputs=(*case.inputs, delta),
                low={**case.low, len(case.inputs): -127},
            )
        )
    return moved
