"""ONNX's operators between DequantizeLinear and QuantizeLinear, as neutral layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.network import Option
from kilograd.frontend.onnx.channels import concat, gather, split, take
from kilograd.frontend.onnx.constants import element_type
from kilograd.frontend.onnx.draft import Draft
from kilograd.frontend.onnx.elementwise import (
    SIMPLIFY,
    add,
    divide,
    extremum,
    function,
    gelu,
    multiply,
    normalize,
    parametric_relu,
    subtract,
)
from kilograd.frontend.onnx.errors import DamagedError, RefusedError, shown
from kilograd.frontend.onnx.functions import is_function
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.quantizing import dequantize, quantize
from kilograd.frontend.onnx.repeats import expand, resize
from kilograd.frontend.onnx.shapes import flatten, reshape, squeeze, transpose, unsqueeze
from kilograd.frontend.onnx.values import (
    Constant,
    Dequantized,
    Pending,
    Step,
    Stored,
    Value,
    pending,
)
from kilograd.frontend.onnx.weights import store_bias, store_weight, weight
from kilograd.frontend.onnx.windows import Geometry, geometry, transposed_geometry

_NO_PADS = (0, 0, 0, 0)


#: Attributes of Constant, and their element types; those of tensors are their own.
_CONSTANT_VALUES: Mapping[str, type | None] = {
    "value": None,
    "value_int": np.int64,
    "value_ints": np.int64,
    "value_float": np.float32,
    "value_floats": np.float32,
}


def _conv(draft: Draft, node: Node) -> Value:
    x = draft.read(node)
    w = weight(draft, node, 1, len(x.map.shape))
    outputs, inputs, *window = w.data.shape
    moves = geometry(node, x.map, tuple(window))
    groups = node.whole("group", 1)
    stated = node.numbers("kernel_shape", tuple(window))
    if stated != tuple(window):
        msg = f"its kernel_shape is {list(stated)}, and its weight has the window {window}"
        raise DamagedError(msg)
    if groups < 1 or inputs * groups != x.map.channels or outputs % groups:
        msg = (
            f"its weight has the shape {list(w.data.shape)} in {groups} groups, and its input has "
            f"{x.map.channels} channels"
        )
        raise DamagedError(msg)
    w = replace(w, data=w.data.reshape(outputs, inputs, *moves.window))
    is_depthwise = groups > 1 and inputs == 1
    number = store_weight(draft, w, (1, 2, 3, 0) if is_depthwise else (0, 2, 3, 1), 0)
    options: dict[str, Option] = {
        "strides": moves.strides,
        "dilations": moves.dilations,
        "pads": moves.pads,
    }
    reads = (x.number, number, *_bias(draft, node, x, number, outputs))
    made = x.map.with_positions(moves.result, outputs)
    return pending(node, "depthwise" if is_depthwise else "conv", reads, options, made, w.name)


def _transposed(draft: Draft, node: Node) -> Value:
    x = draft.read(node)
    w = weight(draft, node, 1, len(x.map.shape))
    inputs, outputs, *window = w.data.shape
    moves = transposed_geometry(node, x.map, tuple(window))
    groups = node.whole("group", 1)
    if groups != 1:
        raise RefusedError(f"it has {groups} groups, and is transposed")
    if inputs != x.map.channels:
        msg = f"its weight has the shape {list(w.data.shape)}, and reads {x.map.channels} channels"
        raise DamagedError(msg)
    w = replace(w, data=w.data.reshape(inputs, outputs, *moves.window))
    number = store_weight(draft, w, (1, 2, 3, 0), 1)
    options: dict[str, Option] = {"strides": moves.strides, "pads": moves.pads}
    reads = (x.number, number, *_bias(draft, node, x, number, outputs))
    made = x.map.with_positions(moves.result, outputs)
    return pending(node, "transpose_conv", reads, options, made, w.name)


def _bias(draft: Draft, node: Node, x: Dequantized, number: int, outputs: int) -> tuple[int, ...]:
    constant = draft.constant(node, 2, "bias")
    return () if constant is None else (store_bias(draft, x, number, constant, outputs),)


def _gemm(draft: Draft, node: Node) -> Value:
    for name in ("alpha", "beta"):
        factor = node.attributes.get(name, 1.0)
        if factor != 1 and (name == "alpha" or len(node.inputs) > 2):  # noqa: PLR2004 - has a bias
            raise RefusedError(f"it multiplies by {name}, which is {shown(factor)}", SIMPLIFY)
    if node.whole("transA", 0):
        raise RefusedError("it transposes its input", SIMPLIFY)
    return _dense(draft, node, is_transposed=bool(node.whole("transB", 0)))


def _dense(draft: Draft, node: Node, *, is_transposed: bool) -> Value:
    """A dense layer; its weight is [outputs, inputs] if it is transposed, else the other way."""
    x = draft.read(node)
    if x.map.is_map or len(x.map.shape) < 2:  # noqa: PLR2004 - batch and elements
        raise RefusedError(
            f"it reads a map of the shape {list(x.map.shape)}, and kilograd's dense layers read "
            "vectors",
            "flatten the map before the layer",
        )
    w = weight(draft, node, 1, 2)
    outputs = 0 if is_transposed else 1
    count, elements = w.data.shape[outputs], w.data.shape[1 - outputs]
    if elements != x.map.channels:
        msg = f"its weight has the shape {list(w.data.shape)}, and reads {list(x.map.shape)}"
        raise DamagedError(msg)
    number = store_weight(draft, _by_position(w, x.map, outputs), (outputs, 1 - outputs), outputs)
    reads = (x.number, number, *_bias(draft, node, x, number, count))
    made = Map((x.map.shape[0], count))
    return pending(node, "dense", reads, {"has_float32_product": False}, made, w.name)


def _by_position(w: Constant, x: Map, outputs: int) -> Constant:
    """A dense weight that reads a flattened map in the order in which kilograd stores it."""
    if x.order is None:
        return w
    channels, positions = x.order
    count = w.data.shape[outputs]
    data: NDArray[Any] = np.moveaxis(w.data, outputs, 0).reshape(count, channels, positions)
    stored: NDArray[Any] = np.transpose(data, (0, 2, 1)).reshape(count, -1)
    return replace(w, data=np.moveaxis(stored, 0, outputs))


def _matmul(draft: Draft, node: Node) -> Value:
    return _dense(draft, node, is_transposed=False)


def _add(draft: Draft, node: Node) -> Value:
    operands = draft.value(node, 0), draft.value(node, 1)
    for value, other in (operands, operands[::-1]):
        if isinstance(value, Pending) and isinstance(other, Constant) and _lacks_bias(value):
            return _with_bias(draft, value, other)
    return add(draft, node)


def _lacks_bias(value: Pending) -> bool:
    (step, *more) = value.steps
    return not more and step.operator == "dense" and len(step.inputs) == 2  # noqa: PLR2004 - no bias


def _with_bias(draft: Draft, value: Pending, constant: Constant) -> Value:
    (step,) = value.steps
    x, number = step.inputs
    bias = store_bias(draft, Dequantized(x, step.map), number, constant, step.map.channels)
    return replace(value, steps=(replace(step, inputs=(x, number, bias)),))


def _global_average_pool(draft: Draft, node: Node) -> Value:
    return _of_all_positions(draft, node, "mean")


def _global_max_pool(draft: Draft, node: Node) -> Value:
    return _of_all_positions(draft, node, "maximum")


def _of_all_positions(draft: Draft, node: Node, operator: str) -> Value:
    x = draft.read(node)
    if not x.map.is_map:
        msg = f"it reduces the positions of a vector, {list(x.map.shape)}"
        raise DamagedError(msg)
    made = x.map.with_positions((1,) * len(x.map.positions), x.map.channels)
    return pending(node, operator, (x.number,), {"axes": (1, 2)}, made)


def _reduce_mean(draft: Draft, node: Node) -> Value:
    return _reduced(draft, node, "mean", "averages")


def _reduce_max(draft: Draft, node: Node) -> Value:
    return _reduced(draft, node, "maximum", "takes maxima")


def _reduced(draft: Draft, node: Node, operator: str, does: str) -> Value:
    x = draft.read(node)
    rank = len(x.map.shape)
    axes = draft.numbers(node, 1, "list of axes")
    if axes is None:
        axes = node.numbers("axes", ())
    wanted = {axis + rank if axis < 0 else axis for axis in axes}
    places = [axis for axis in range(1, rank) if axis != x.map.channel_axis]
    keeps = bool(node.whole("keepdims", 1))
    is_whole = wanted == set(places)
    if not x.map.is_map or not wanted or not wanted <= set(places):
        raise RefusedError(
            f"it {does} over the dimensions {sorted(wanted)} of {rank}, and kilograd {does} "
            "over height and width, or over one of them"
        )
    left = zip(places, x.map.positions, strict=True)
    made = x.map.with_positions(
        tuple(1 if axis in wanted else extent for axis, extent in left), x.map.channels
    )
    if not keeps and is_whole:
        made = Map((x.map.shape[0], x.map.channels))
    over = (1, 2) if is_whole else tuple(x.map.stored_axis(axis) for axis in sorted(wanted))
    reduced = pending(node, operator, (x.number,), {"axes": over}, made)
    if keeps or is_whole:
        return reduced
    left = tuple(extent for axis, extent in enumerate(x.map.shape) if axis not in wanted)
    squeezed = made.reshaped(left)
    if squeezed is None:
        raise RefusedError(f"it {does} over one dimension of {list(x.map.shape)}, and drops it")
    return reduced.then("reshape", {}, squeezed)


def _arg_max(draft: Draft, node: Node) -> Value:
    """Which logit is the largest: what reads it is no layer, and its shape does not matter."""
    number, map_ = draft.settled(node)
    return pending(node, "arg_max", (number,), {}, Map((map_.shape[0], 1)))


def _pool_window(node: Node, x: Map) -> Geometry:
    window = node.numbers("kernel_shape", ())
    moves = geometry(node, x, window)
    if any(
        dilation > 1 and tap > 1
        for dilation, tap in zip(moves.dilations, moves.window, strict=True)
    ):
        raise RefusedError("its window is dilated, and kilograd's are not dilated")
    return moves


def _average_pool(draft: Draft, node: Node) -> Value:
    x = draft.read(node)
    moves = _pool_window(node, x.map)
    made = x.map.with_positions(moves.result, x.map.channels)
    if moves.window == x.map.stored[1:3] and moves.pads == _NO_PADS:
        return pending(node, "mean", (x.number,), {"axes": (1, 2)}, made)
    options: dict[str, Option] = {"window": moves.window, "strides": moves.strides}
    if not node.whole("count_include_pad", 0) or moves.pads == _NO_PADS:
        return pending(node, "average_pool", (x.number,), options | {"pads": moves.pads}, made)
    if node.whole("ceil_mode", 0):
        raise RefusedError("its windows count the padding, and may reach beyond it (ceil_mode)")
    top, bottom, left, right = moves.pads
    height, width = x.map.stored[1:3]
    # A row of positions stays one: its height has neither a window nor padding.
    extents = (height + top + bottom, width + left + right)[-len(x.map.positions) :]
    padded = x.map.with_positions(extents, x.map.channels)
    pads: dict[str, Option] = {"pads": (0, 0, *moves.pads, 0, 0)}
    padding = pending(node, "pad", (x.number,), pads, padded)
    pool = Step("average_pool", (), options | {"pads": _NO_PADS}, made)
    return replace(padding, steps=(*padding.steps, pool))


def _max_pool(draft: Draft, node: Node) -> Value:
    if any(node.outputs[1:]):
        raise RefusedError("it also says where the largest elements are")
    x = draft.read(node)
    moves = _pool_window(node, x.map)
    options: dict[str, Option] = {
        "window": moves.window,
        "strides": moves.strides,
        "pads": moves.pads,
    }
    made = x.map.with_positions(moves.result, x.map.channels)
    return pending(node, "max_pool", (x.number,), options, made)


def _pad(draft: Draft, node: Node) -> Value:
    x = draft.read(node)
    mode = node.attributes.get("mode", "constant")
    if mode != "constant":
        raise RefusedError(f"it pads by {shown(mode)}, and kilograd pads with zeros")
    if draft.scalar(node, 2, "padding", 0.0) != 0:
        raise RefusedError("it pads with a number that is not 0")
    rank = len(x.map.shape)
    pads = draft.numbers(node, 1, "list of pads")
    axes = draft.numbers(node, 3, "list of axes")
    axes = tuple(range(rank)) if axes is None else tuple(a + rank if a < 0 else a for a in axes)
    if pads is None or len(pads) != 2 * len(axes) or len(set(axes) & set(range(rank))) != len(axes):
        msg = f"its pads are {pads} of the dimensions {list(axes)}"
        raise DamagedError(msg)
    stored = [0] * (2 * len(x.map.stored))
    shape = list(x.map.shape)
    for place, axis in enumerate(axes):
        before, after = pads[place], pads[place + len(axes)]
        if min(before, after) < 0:
            raise RefusedError(f"its pads {list(pads)} cut the map")
        shape[axis] += before + after
        at = 2 * x.map.stored_axis(axis)
        stored[at], stored[at + 1] = before, after
    made = replace(x.map, shape=tuple(shape))
    return pending(node, "pad", (x.number,), {"pads": tuple(stored)}, made)


def _relu(draft: Draft, node: Node) -> Value:
    return _clamp(draft, node, 0.0, math.inf)


def _clip(draft: Draft, node: Node) -> Value:
    low = draft.scalar(node, 1, "lower bound", -math.inf)
    high = draft.scalar(node, 2, "upper bound", math.inf)
    return _clamp(draft, node, low, high)


def _clamp(draft: Draft, node: Node, low: float, high: float) -> Value:
    value = draft.value(node)
    if isinstance(value, Pending):
        return value.clamped(low, high)
    x = draft.read(node)
    return pending(node, "quantize", (x.number,), {}, x.map).clamped(low, high)


def _of_logits(operator: str) -> Callable[[Draft, Node], Value]:
    """What may stand behind the last layer, and has as many elements as it reads."""

    def build(draft: Draft, node: Node) -> Value:
        number, map_ = draft.settled(node)
        return pending(node, operator, (number,), {}, map_)

    return build


def _sigmoid(draft: Draft, node: Node) -> Value:
    """A function of one number, or, behind what is not quantized, the end of the network."""
    value = draft.value(node)
    if isinstance(value, Pending) and not is_function(value):
        return _of_logits("logistic")(draft, node)
    return function("logistic")(draft, node)


def _cast(draft: Draft, node: Node) -> Value:
    """Cast between real numbers, of a sample of integers, and to the type that it has."""
    value, made = draft.value(node), element_type(node)
    if made.startswith("float"):
        return draft.counted(value) if isinstance(value, Stored) else value
    if isinstance(value, Stored) and made == draft.stored_type(value):
        return value
    raise RefusedError(f"it makes {made} numbers of a map", SIMPLIFY)


def _same(draft: Draft, node: Node) -> Value:
    return draft.value(node)


def _dropout(draft: Draft, node: Node) -> Value:
    if draft.scalar(node, 2, "training mode", 0.0) or any(node.outputs[1:]):
        raise RefusedError("it drops elements out, as in training", SIMPLIFY)
    return draft.value(node)


def _constant(draft: Draft, node: Node) -> Value:
    del draft
    for name, kind in _CONSTANT_VALUES.items():
        stated = node.attributes.get(name)
        if stated is not None and not isinstance(stated, str):
            return Constant(node.outputs[0], np.asarray(stated, kind))
    raise RefusedError("its value is not a tensor of numbers", SIMPLIFY)


OPERATORS: Mapping[str, Callable[[Draft, Node], Value | tuple[Value, ...]]] = {
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
    "Constant": _constant,
    "Cast": _cast,
    "Identity": _same,
    "Dropout": _dropout,
    "Conv": _conv,
    "ConvTranspose": _transposed,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _add,
    "GlobalAveragePool": _global_average_pool,
    "ReduceMean": _reduce_mean,
    "GlobalMaxPool": _global_max_pool,
    "ReduceMax": _reduce_max,
    "AveragePool": _average_pool,
    "MaxPool": _max_pool,
    "Pad": _pad,
    "Relu": _relu,
    "Clip": _clip,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Resize": resize,
    "Expand": expand,
    "Concat": concat,
    "Split": split,
    "Slice": take,
    "Gather": gather,
    "Softmax": _of_logits("softmax"),
    "LogSoftmax": _of_logits("log_softmax"),
    "ArgMax": _arg_max,
    "Mul": multiply,
    "Sub": subtract,
    "Div": divide,
    "Max": extremum("larger", "takes the larger elements"),
    "Min": extremum("smaller", "takes the smaller elements"),
    "Sigmoid": _sigmoid,
    "Tanh": function("tanh"),
    "HardSwish": function("hard_swish"),
    "LeakyRelu": function("leaky_relu", ("alpha", 0.01)),
    "Elu": function("elu", ("alpha", 1.0)),
    "HardSigmoid": function("hard_sigmoid", ("alpha", 0.2), ("beta", 0.5)),
    "Abs": function("absolute"),
    "Softplus": function("softplus"),
    "Softsign": function("softsign"),
    "Selu": function("selu", ("alpha", 1.6732632), ("gamma", 1.050701)),
    "Celu": function("celu", ("alpha", 1.0)),
    "Mish": function("mish"),
    "Erf": function("erf"),
    "Gelu": gelu,
    "PRelu": parametric_relu,
    "BatchNormalization": normalize,
}
"""By name; each makes the value of a node's first output, or those of several."""
