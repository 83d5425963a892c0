"""Weights and biases of layers, in the order of neutral records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.network import Tensor
from kilograd.frontend.onnx.draft import Draft
from kilograd.frontend.onnx.errors import DamagedError
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.values import Constant, Dequantized

#: A bias whose scale is that of its accumulator but for rounding is taken as it stands.
_SAME_SCALE = 1e-6

#: Of int8, symmetric around zero.
LARGEST_WEIGHT = 127

_INT32 = np.iinfo(np.int32)


def weight(draft: Draft, node: Node, place: int, rank: int) -> Constant:
    """A node's weight in the file's order.

    Raises:
        RefusedError: when it is not a constant.
        DamagedError: when it has other than so many dimensions, or no elements.
    """
    constant = draft.constant(node, place, "weight")
    if constant is None:
        msg = "it has no weight"
        raise DamagedError(msg)
    if constant.data.ndim != rank or not constant.data.size:
        msg = f"its weight has the shape {list(constant.data.shape)}"
        raise DamagedError(msg)
    return constant


def store_weight(draft: Draft, constant: Constant, order: Sequence[int], outputs: int) -> int:
    """Number of a weight whose dimensions are put into another order.

    One with zero points, or with several scales along another dimension than the outputs, is
    rounded once more: it gets a scale for each output and no zero point. One of real numbers, as
    quantizers leave a last layer that they are told to, is rounded as they would.

    Args:
        draft: what it is added to.
        constant: with the file's dimensions.
        order: which of the file's dimensions each of kilograd's is.
        outputs: which of the file's dimensions are the channels of the result.
    """
    is_real = constant.data.dtype.kind == "f" and not constant.scales
    is_across = len(constant.scales) > 1 and constant.axis != outputs
    if is_real or is_across or any(constant.zero_points):
        constant = _rounded(constant, outputs)
    data = np.ascontiguousarray(np.transpose(constant.data, order))
    return draft.store(
        Tensor(
            constant.name,
            data.shape,
            str(data.dtype),
            constant.scales,
            constant.zero_points,
            list(order).index(outputs),
            data,
        )
    )


def _rounded(constant: Constant, outputs: int) -> Constant:
    """A weight in int8 from -127 to 127, with a scale for each output."""
    reals = np.moveaxis(constant.reals("weight"), outputs, 0)
    if not np.isfinite(reals).all():
        msg = "its weight has numbers that are not finite"
        raise DamagedError(msg)
    largest = np.abs(reals).reshape(len(reals), -1).max(axis=1)
    scales = np.where(largest > 0, largest, 1.0) / LARGEST_WEIGHT
    steps = np.rint(reals / scales.reshape(-1, *(1,) * (reals.ndim - 1))).astype(np.int8)
    data = np.moveaxis(steps, 0, outputs)
    return replace(
        constant,
        data=data,
        scales=tuple(scales.tolist()),
        zero_points=(0,) * len(scales),
        axis=outputs,
    )


def symmetric(values: NDArray[np.float64]) -> tuple[float, NDArray[np.int8]]:
    """A scale for real numbers, and the numbers in it, from -127 to 127."""
    scale = float(np.abs(values).max()) / LARGEST_WEIGHT or 1.0
    return scale, np.rint(values / scale).astype(np.int8)


def store_bias(
    draft: Draft, x: Dequantized, weight_number: int, constant: Constant, outputs: int
) -> int:
    """Number of a bias in units of input scale · weight scale.

    Args:
        draft: what it is added to.
        x: what the layer reads.
        weight_number: of its weight, which is stored.
        constant: int32 with scales of its own, or float.
        outputs: how many numbers it needs.

    Raises:
        DamagedError: when it has other than so many numbers, or one that is not finite.
    """
    stated = constant.data.ravel()
    if stated.size != outputs or (math.prod(constant.data.shape[:-1]) != 1):
        msg = f"its bias has the shape {list(constant.data.shape)}, and needs {outputs} numbers"
        raise DamagedError(msg)
    scales = np.array(draft.tensors[weight_number].scales or (1.0,), np.float64)
    unit = np.resize(draft.tensors[x.number].scales[0] * scales, outputs)
    if constant.scales:  # of int32, as dequantized constants other than weights are
        steps = stated.astype(np.int64) - np.array(constant.zero_points)
        given = np.resize(constant.scales, outputs)
        ratio = np.where(np.abs(given / unit - 1) < _SAME_SCALE, 1.0, given / unit)
        steps = steps * ratio
    elif constant.data.dtype.kind == "f":
        steps = stated.astype(np.float64) / unit
    else:
        msg = f"its bias is {constant.data.dtype} without a scale"
        raise DamagedError(msg)
    if not np.isfinite(steps).all():
        msg = "its bias has numbers that are not finite"
        raise DamagedError(msg)
    # Biases of channels without weights may be past int32; quantizers cut them off as well.
    data = np.clip(np.rint(steps), _INT32.min, _INT32.max).astype(np.int32)
    return draft.store(Tensor("", data.shape, "int32", tuple(unit.tolist()), (), 0, data))
