"""Nodes that compute with constants alone, or with shapes: their results are constants.

Exporters leave them to the runtime: a flatten for any batch, a weight that is clipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.onnx.draft import Draft
from kilograd.frontend.onnx.errors import DamagedError, RefusedError
from kilograd.frontend.onnx.graph import DTYPES, Node
from kilograd.frontend.onnx.values import Constant, Value

_Array = NDArray[Any]

#: Most elements of a constant that is computed; a microcontroller holds far fewer.
_MOST_ELEMENTS = 1 << 24


def _axes(arrays: list[_Array]) -> tuple[int, ...] | None:
    """Of Squeeze and Unsqueeze."""
    return tuple(arrays[1].ravel().tolist()) if len(arrays) > 1 and arrays[1].size else None


def _cast(node: Node, arrays: list[_Array]) -> _Array:
    return arrays[0].astype(element_type(node))


def _clip(_: Node, arrays: list[_Array]) -> _Array:
    low, high = (arrays[place] if place < len(arrays) else None for place in (1, 2))
    low, high = (None if bound is None or not bound.size else bound for bound in (low, high))
    return arrays[0] if low is None and high is None else np.clip(arrays[0], low, high)


def _filled(node: Node, arrays: list[_Array]) -> _Array:
    shape = tuple(int(extent) for extent in arrays[0].ravel())
    value = node.attributes.get("value")
    element = value.ravel()[0] if isinstance(value, np.ndarray) else np.float32(0)
    if min(shape, default=1) < 0 or math.prod(shape) > _MOST_ELEMENTS:
        msg = f"it makes a constant of the shape {list(shape)}"
        raise DamagedError(msg)
    return np.full(shape, element)


def _gather(node: Node, arrays: list[_Array]) -> _Array:
    return np.take(arrays[0], arrays[1], axis=node.whole("axis", 0))


def _concat(node: Node, arrays: list[_Array]) -> _Array:
    return np.concatenate(arrays, node.whole("axis", 0))


def _slice(_: Node, arrays: list[_Array]) -> _Array:
    given: list[list[int]] = [array.ravel().tolist() for array in arrays[1:]]
    starts, ends, axes, steps = (*given, [], [])[:4]
    axes, steps = axes or [*range(len(starts))], steps or [1] * len(starts)
    index = [slice(None)] * arrays[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        index[axis] = slice(start, end, step)
    return arrays[0][tuple(index)]


def _unsqueeze(_: Node, arrays: list[_Array]) -> _Array:
    return np.expand_dims(arrays[0], _axes(arrays) or ())


def _squeeze(_: Node, arrays: list[_Array]) -> _Array:
    return np.squeeze(arrays[0], _axes(arrays))


def _reshape(node: Node, arrays: list[_Array]) -> _Array:
    shape: list[int] = arrays[1].ravel().tolist()
    if not node.whole("allowzero", 0):
        before = arrays[0].shape
        shape = [
            before[place] if extent == 0 and place < len(before) else extent
            for place, extent in enumerate(shape)
        ]
    return arrays[0].reshape(shape)


def _transpose(node: Node, arrays: list[_Array]) -> _Array:
    return np.transpose(arrays[0], _order(node, arrays[0].ndim))


def _order(node: Node, rank: int) -> tuple[int, ...]:
    return node.numbers("perm", tuple(reversed(range(rank))))


def _of_two(compute: Callable[[_Array, _Array], _Array]) -> Callable[[Node, list[_Array]], _Array]:
    def computed(_: Node, arrays: list[_Array]) -> _Array:
        a, b = arrays
        return np.asarray(compute(a, b)).astype(a.dtype)

    return computed


def _divided(a: _Array, b: _Array) -> _Array:
    """Of whole numbers, as in C."""
    return np.trunc(a / b) if a.dtype.kind in "iu" else a / b


#: An input that a node does without, which stands for its default.
_LEFT_OUT = Constant("", np.zeros(0, np.int64))

#: What becomes of constants.
_COMPUTED: Mapping[str, Callable[[Node, list[_Array]], _Array]] = {
    "Cast": _cast,
    "Clip": _clip,
    "ConstantOfShape": _filled,
    "Gather": _gather,
    "Concat": _concat,
    "Slice": _slice,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Add": _of_two(np.add),
    "Sub": _of_two(np.subtract),
    "Mul": _of_two(np.multiply),
    "Div": _of_two(_divided),
}


def folded(draft: Draft, node: Node) -> Constant | None:
    """The constant that a node makes; None for a node that reads a map.

    Raises:
        DamagedError: when the constants do not fit the node.
    """
    if node.operator == "Shape" and node.inputs:
        return _shape(draft, node)
    compute = _COMPUTED.get(node.operator)
    if compute is None or not node.inputs:
        return None
    draft.value(node)
    operands = [draft.optional(node, place) or _LEFT_OUT for place in range(len(node.inputs))]
    constants = [value for value in operands if isinstance(value, Constant)]
    if len(constants) != len(operands):
        return None
    first = constants[0]
    if first.scales:
        return _rearranged(node, first, constants[1:])
    if any(constant.scales or constant.data.dtype.kind not in "iufb" for constant in constants):
        return None
    shapes = [constant.data.shape for constant in constants]
    if node.operator in {"Add", "Sub", "Mul", "Div"} and (
        math.prod(np.broadcast_shapes(*shapes)) > _MOST_ELEMENTS
    ):
        msg = f"it makes a constant of {' and '.join(str([*shape]) for shape in shapes)}"
        raise DamagedError(msg)
    try:
        with np.errstate(all="ignore"):
            made = compute(node, [constant.data for constant in constants])
    except (IndexError, TypeError, ValueError) as error:
        msg = f"it computes with constants of {' and '.join(str([*shape]) for shape in shapes)}"
        raise DamagedError(msg) from error
    # The author's name of a weight stays with it.
    return Constant(first.name or node.outputs[0], made)


def _shape(draft: Draft, node: Node) -> Constant:
    """The shape of a value, for a batch of one."""
    value: Value = draft.value(node)
    shape = value.data.shape if isinstance(value, Constant) else value.map.in_file
    first, last = node.whole("start", 0), node.whole("end", len(shape))
    return Constant("", np.array(shape[first:last], np.int64))


def _rearranged(node: Node, weight: Constant, more: list[Constant]) -> Constant | None:
    """A quantized weight in another shape, or with its dimensions in another order."""
    if node.operator == "Transpose":
        order = _order(node, weight.data.ndim)
        made = np.transpose(weight.data, order)
        return replace(weight, data=made, axis=order.index(weight.axis) if order else 0)
    if node.operator in {"Reshape", "Squeeze", "Unsqueeze"} and len(weight.scales) == 1:
        arrays = [weight.data, *(constant.data for constant in more)]
        return replace(weight, data=_COMPUTED[node.operator](node, arrays), axis=0)
    return None


def element_type(node: Node) -> str:
    """What Cast makes.

    Raises:
        RefusedError: when NumPy has no such type.
    """
    number = node.whole("to", 0)
    if number not in DTYPES:
        raise RefusedError(f"it makes numbers of the type {number}, which is not read")
    return DTYPES[number][0]
