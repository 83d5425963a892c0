"""Functions of one number that a file spells out, operator by operator.

What such operators make of a map is known for each of the 256 numbers that an element can be. It
is carried along until it is quantized, and becomes one table then. A map that is a function of
another one already counts as a function of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.builder import SMALLEST_SCALE
from kilograd.frontend.network import Tabulated
from kilograd.frontend.onnx.draft import Draft, keeps_range
from kilograd.frontend.onnx.errors import RefusedError
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.values import (
    Constant,
    Dequantized,
    Pending,
    Step,
    Stored,
    Traced,
    Value,
)
from kilograd.ir import Quantization
from kilograd.ops.lookup.functions import Function
from kilograd.ops.lookup.tables import INPUTS, rounded_table

_Results = NDArray[Any]


def _relu(x: _Results) -> _Results:
    return np.maximum(x, 0)


def _clip(x: _Results, low: float = -np.inf, high: float = np.inf) -> _Results:
    return np.minimum(np.maximum(x, low), high)


#: Operators that are nothing else here.
_ALONE: Mapping[str, Callable[..., _Results]] = {
    "Exp": np.exp,
    "Log": np.log,
    "Sqrt": np.sqrt,
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Sign": np.sign,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.rint,
    "Sin": np.sin,
    "Cos": np.cos,
    "Pow": np.power,
    "Max": lambda *x: np.max(np.broadcast_arrays(*x), axis=0),
    "Min": lambda *x: np.min(np.broadcast_arrays(*x), axis=0),
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Equal": np.equal,
    "Not": np.logical_not,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Where": np.where,
}

#: Operators that are layers, too.
_OTHERS: Mapping[str, Callable[..., _Results]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Relu": _relu,
    "Clip": _clip,
}

#: Scale and zero point of functions by their names, where these follow from the function.
_RANGES: Mapping[str, tuple[float, int]] = {
    "tanh": (1 / 128, 0),
    "logistic": (1 / 256, -128),
    "hard_sigmoid": (1 / 256, -128),
}

#: Operators that a layer in front of them takes in.
_CLAMPS = {"Relu", "Clip"}

#: Operators that are layers where they read two maps.
_OF_TWO = {"Max", "Min"}


def traced(draft: Draft, node: Node) -> Value | None:
    """What a node makes of each number that an element of its map can be.

    Args:
        draft: what is known.
        node: of any operator.

    Returns:
        None for a node that is a layer by itself, or none at all.

    Raises:
        RefusedError: when it computes with several maps, or with more than single constants.
    """
    operands = [draft.value(node, place) for place, name in enumerate(node.inputs) if name]
    is_continued = any(isinstance(value, Traced) for value in operands)
    if node.operator not in _CLAMPS:
        is_continued |= any(_function_of(value) is not None for value in operands)
    divides = node.operator == "Div" and not any(isinstance(x, Constant) for x in operands)
    operators = {**_ALONE, **_OTHERS} if is_continued or divides else _ALONE
    if node.operator not in operators:
        return None
    results: list[_Results | float] = []
    roots: list[tuple[int, Map]] = []
    for place, value in enumerate(operands):
        if isinstance(value, Constant):
            constants = value.data if value.data.dtype.kind == "b" else value.reals("constant")
            if constants.size != 1:
                raise RefusedError(
                    f"it computes with a constant of the shape {list(constants.shape)}, and "
                    "kilograd's functions are of one number"
                )
            results.append(constants.item())
        else:
            root, made, map_ = _of_root(draft, node, place, value)
            results.append(made)
            roots.append((root, map_))
    if len({*roots}) > 1 and node.operator in _OF_TWO:
        return None
    if len({*roots}) != 1:
        raise RefusedError(
            "it computes with several maps, and kilograd has functions of one number, sums, "
            "differences, products, and the larger or smaller of two"
        )
    with np.errstate(all="ignore"):
        made = operators[node.operator](*results)
    root, map_ = roots[0]
    results_of_all = np.broadcast_to(made, INPUTS.shape)
    return Traced(root, map_, results_of_all, node.operator, node.outputs[0])


def applied(draft: Draft, node: Node, place: int, known: Function) -> Traced | None:
    """A function of an operand that is a function of a map already; None for other operands."""
    value = draft.value(node, place)
    if _function_of(value) is None:
        return None
    root, results, map_ = _of_root(draft, node, place, value)
    made = known.value(np.asarray(results, np.float64))
    return Traced(root, map_, made, node.operator, node.outputs[0])


def ended(draft: Draft, value: Pending) -> Stored | Dequantized:
    """A network's result that nothing quantizes: of real numbers, unless its range is known."""
    if keeps_range(value):
        return draft.kept(value)
    known = _function_of(value)
    scale, zero = _RANGES.get("" if known is None else known.name, (0.0, 0))
    if not scale:
        return draft.emit(value, "float32", (), ())
    made = draft.emit(value, "int8", (scale,), (zero,))
    return Dequantized(made.number, made.map)


def _function_of(value: Value) -> Function | None:
    """The function that a layer would be a table of; None for what is none."""
    if not isinstance(value, Pending) or len(value.steps) != 1:
        return None
    known = value.steps[0].options.get("function")
    return known.function if isinstance(known, Tabulated) else None


def _of_root(draft: Draft, node: Node, place: int, value: Value) -> tuple[int, _Results, Map]:
    """The map that an operand is a function of, and the function's results."""
    if isinstance(value, Traced):
        return value.number, value.results, value.map
    function = _function_of(value)
    if isinstance(value, Pending) and function is not None:
        (step,) = value.steps
        root, reals = _results(draft, step.inputs[0])
        return root, _clip(function.value(reals), value.low, value.high), value.map
    x = draft.read(node, place, may_be_spread=True, may_be_loose=True, may_lack_batch=True)
    return *_results(draft, x.number), x.map


def _results(draft: Draft, number: int) -> tuple[int, _Results]:
    """The map that a tensor is a function of, and the real numbers that its elements then are."""
    behind: list[int] = []
    while number in draft.functions and number not in draft.tables:
        behind.append(number)
        number, _ = draft.functions[number]
    root, numbers = draft.tables.get(number, (number, INPUTS))
    for made in reversed(behind):
        given, function = draft.functions[made]
        table = rounded_table(function, _quantization(draft, given), _quantization(draft, made))
        numbers = np.array(table)[numbers - INPUTS[0]]
        draft.tables[made] = root, numbers
        number = made
    quantization = _quantization(draft, number)
    return root, (numbers - quantization.zero_point) * quantization.scale


def _quantization(draft: Draft, number: int) -> Quantization:
    tensor = draft.tensors[number]
    scales = tensor.scales
    if len(scales) != 1 or not SMALLEST_SCALE <= scales[0] <= 1 / SMALLEST_SCALE:
        raise RefusedError("its input needs one scale and one zero point of int8")
    return Quantization(scales, tensor.zero_point)


def as_layer(
    draft: Draft,
    value: Traced,
    scales: tuple[float, ...] = (),
    zero_points: tuple[int, ...] = (),
) -> Pending:
    """A function as a layer, with a table of its results.

    Args:
        draft: what is known.
        value: the function.
        scales: of the result once it is quantized, beyond which what is infinite lies.
        zero_points: likewise, for int8.

    Raises:
        RefusedError: when the function is not defined for a number that its map can hold.
    """
    given = _quantization(draft, value.number)
    results = np.asarray(value.results, np.float64)
    if np.isnan(results).any():
        at = given.scale * (int(INPUTS[np.isnan(results)][0]) - given.zero_point)
        raise RefusedError(
            f"its map can hold {at:.3g}, of which {value.file_operator} is no number"
        )
    finite = results[np.isfinite(results)]
    ends = [*finite, *(scale * (n - zero_points[0]) for scale in scales[:1] for n in (-129, 128))]
    points = np.clip(results, min(ends, default=0.0), max(ends, default=0.0))
    start = given.scale * (int(INPUTS[0]) - given.zero_point)
    function = Function("points", (start, given.scale, *points.tolist()))
    options = {"function": Tabulated(function)}
    step = Step("lookup", (value.number,), options, value.map)
    return Pending((step,), value.file_operator, value.name)
