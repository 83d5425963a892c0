"""QuantizeLinear and DequantizeLinear: between two of them stands a layer of integers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.network import Layer, Tensor
from kilograd.frontend.onnx.draft import Draft
from kilograd.frontend.onnx.errors import DamagedError, RefusedError
from kilograd.frontend.onnx.functions import as_layer
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.values import Constant, Dequantized, Pending, Stored, Traced, Value

#: An unsigned number less this is a signed one, if the zero point is moved as well.
_UNSIGNED = 128

#: What a constant that is dequantized may hold: weights and biases.
_CONSTANTS = ("int8", "uint8", "int32")

#: Names of the element types that QuantizeLinear can make, by ONNX's numbers.
_TYPES: Mapping[int, str] = {2: "uint8", 3: "int8", 4: "uint16", 5: "int16"}


@dataclass(frozen=True)
class _Given:
    """Operands of a QuantizeLinear or DequantizeLinear.

    Attributes:
        scales: finite and positive.
        zero_points: as many.
        axis: along which several of them lie.
        dtype: of the integers.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    dtype: str

    @property
    def as_signed(self) -> _Given:
        """The same numbers as int8, if they are uint8: each less 128."""
        if self.dtype != "uint8":
            return self
        zeros = tuple(zero - _UNSIGNED for zero in self.zero_points)
        return replace(self, zero_points=zeros, dtype="int8")


def quantize(draft: Draft, node: Node) -> Value:
    """QuantizeLinear: the end of a layer, or that of the float samples before the network."""
    value = draft.value(node)
    if isinstance(value, Constant):
        return _quantized_constant(value, _given(draft, node, value.data.shape, ""))
    stated = _given(draft, node, value.map.in_file, "")
    given = stated.as_signed
    if isinstance(value, Traced):
        value = as_layer(draft, value, given.scales, given.zero_points)
    if isinstance(value, Pending):
        made = draft.emit(value, given.dtype, given.scales, given.zero_points)
    else:
        tensor = draft.tensors[value.number]
        result = Tensor(
            tensor.name, tensor.shape, given.dtype, given.scales, given.zero_points, given.axis
        )
        made = Stored(value.number, value.map)
        if result != replace(tensor, is_open=False):
            made = Stored(draft.store(result), value.map)
            layer = Layer("quantize", (value.number,), (made.number,), "none", {}, node.operator)
            draft.layers.append(layer)
    if stated.dtype == "uint8":
        draft.unsigned.add(made.number)
    return made


def dequantize(draft: Draft, node: Node) -> Value:
    """DequantizeLinear: integers as what they stand for."""
    value = draft.value(node)
    if isinstance(value, Constant):
        return _dequantized_constant(draft, node, value)
    if not isinstance(value, Stored):
        msg = "its input is not quantized"
        raise DamagedError(msg)
    tensor = draft.tensors[value.number]
    dtype = "uint8" if value.number in draft.unsigned else tensor.dtype
    if dtype not in {"int8", "uint8"}:
        raise RefusedError(f"its input is {dtype}, and kilograd computes with int8")
    given = _given(draft, node, value.map.in_file, dtype).as_signed
    if not tensor.scales:  # the network's input, given as integers
        tensor = replace(
            tensor, dtype=given.dtype, scales=given.scales, zero_points=given.zero_points
        )
        draft.tensors[value.number] = tensor
        if dtype == "uint8":
            draft.unsigned.add(value.number)
    stated = (tensor.scales, tensor.zero_points, tensor.dtype)
    if stated != (given.scales, given.zero_points, given.dtype):
        raise RefusedError(
            "it reads a map with another scale or zero point than the map was quantized with"
        )
    return Dequantized(value.number, value.map)


def _given(draft: Draft, node: Node, shape: tuple[int, ...], dtype: str) -> _Given:
    """Scales and zero points, checked.

    Args:
        draft: what is known.
        node: of quantization.
        shape: of what is quantized.
        dtype: of the integers; empty where the zero point tells.
    """
    if node.whole("block_size", 0):
        raise RefusedError("it has a scale for each block of elements, which is not read")
    scale = draft.constant(node, 1, "scale")
    zero = draft.constant(node, 2, "zero point")
    if scale is None:
        msg = "it has no scale"
        raise DamagedError(msg)
    scales = tuple(float(number) for number in scale.data.ravel())
    if scale.data.dtype.kind != "f" or scale.data.ndim > 1 or not scales:
        msg = f"its scale is {scale.data.dtype} of the shape {list(scale.data.shape)}"
        raise DamagedError(msg)
    wrong = [number for number in scales if not (math.isfinite(number) and number > 0)]
    if wrong:
        msg = f"it has a scale of {wrong[0]}, and scales are positive"
        raise DamagedError(msg)
    if zero is None:
        made = _TYPES.get(node.whole("output_dtype", 0), "uint8")
        zeros: tuple[int, ...] = (0,) * len(scales)
        dtype = dtype or made
    else:
        if zero.data.dtype.kind not in "iu" or zero.data.size != len(scales):
            msg = f"it has {len(scales)} scales and {zero.data.size} zero points"
            raise DamagedError(msg)
        if dtype and str(zero.data.dtype) != dtype:
            msg = f"its input is {dtype}, and its zero point {zero.data.dtype}"
            raise DamagedError(msg)
        zeros = tuple(int(number) for number in zero.data.ravel())
        dtype = str(zero.data.dtype)
    axis = node.whole("axis", 1)
    rank = len(shape)
    # Of a bias, some files state the axis of its layer's weight.
    if len(scales) == 1 or shape == (len(scales),):
        return _Given(scales, zeros, 0, dtype)
    axis += rank if axis < 0 else 0
    if not 0 <= axis < rank or shape[axis] != len(scales):
        msg = f"it has {len(scales)} scales along dimension {axis} of the shape {list(shape)}"
        raise DamagedError(msg)
    return _Given(scales, zeros, axis, dtype)


def _along(numbers: tuple[float, ...], axis: int, rank: int) -> NDArray[Any]:
    """Numbers along one dimension of a tensor."""
    shape = [1] * rank
    if len(numbers) > 1:
        shape[axis] = len(numbers)
    return np.array(numbers).reshape(shape if len(numbers) > 1 or rank else ())


def _quantized_constant(value: Constant, given: _Given) -> Constant:
    """A weight that the file holds as float numbers."""
    if value.data.dtype.kind != "f" or value.scales or given.dtype not in {"int8", "uint8"}:
        msg = f"it turns a constant of {value.data.dtype} into {given.dtype}"
        raise DamagedError(msg)
    rank = value.data.ndim
    scales = _along(given.scales, given.axis, rank).astype(np.float32)
    zeros = _along(given.zero_points, given.axis, rank)
    kind = np.iinfo(given.dtype)
    with np.errstate(all="ignore"):
        steps = np.rint(value.data.astype(np.float32) / scales) + zeros
    if not np.isfinite(steps).all():
        msg = "it quantizes a constant that is not finite"
        raise DamagedError(msg)
    return Constant(value.name, np.clip(steps, kind.min, kind.max).astype(given.dtype))


def _dequantized_constant(draft: Draft, node: Node, value: Constant) -> Constant:
    dtype = str(value.data.dtype)
    if value.scales:
        msg = "its input is not quantized"
        raise DamagedError(msg)
    if dtype not in _CONSTANTS:
        raise RefusedError(f"its constant is {dtype}, and kilograd's weights are int8")
    given = _given(draft, node, value.data.shape, dtype)
    data = value.data
    if dtype == "uint8":
        data, given = (data.astype(np.int16) - _UNSIGNED).astype(np.int8), given.as_signed
    return Constant(value.name, data, given.scales, given.zero_points, given.axis)
