"""ONNX's operators between DequantizeLinear and QuantizeLinear, as neutral layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.network import Option
from kilograd.frontend.onnx.channels import concat, gather, split, take, whole
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
    swish,
)
from kilograd.frontend.onnx.errors import DamagedError, RefusedError, shown
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.names import author_name
from kilograd.frontend.onnx.pools import (
    average_pool,
    global_average_pool,
    global_max_pool,
    max_pool,
    reduce_max,
    reduce_mean,
    reduce_sum,
)
from kilograd.frontend.onnx.quantizing import dequantize, quantize
from kilograd.frontend.onnx.repeats import expand, resize
from kilograd.frontend.onnx.shapes import (
    depth_to_space,
    flatten,
    reshape,
    space_to_depth,
    squeeze,
    transpose,
    unsqueeze,
)
from kilograd.frontend.onnx.values import (
    Constant,
    Dequantized,
    Pending,
    Stored,
    Value,
    pending,
)
from kilograd.frontend.onnx.weights import store_bias, store_weight, weight
from kilograd.frontend.onnx.windows import geometry, transposed_geometry

#: Ways of padding with positions of the map itself.
_BORDERS = {"reflect", "edge", "wrap"}


def _conv(draft: Draft, node: Node) -> Value:
    x = draft.channels_first(draft.read(node))
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
    names = w.name, _bias_name(draft, node)
    return pending(node, "depthwise" if is_depthwise else "conv", reads, options, made, *names)


def _transposed(draft: Draft, node: Node) -> Value:
    x = draft.channels_first(draft.read(node))
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
    return pending(node, "transpose_conv", reads, options, made, w.name, _bias_name(draft, node))


def _bias(draft: Draft, node: Node, x: Dequantized, number: int, outputs: int) -> tuple[int, ...]:
    constant = draft.constant(node, 2, "bias")
    return () if constant is None else (store_bias(draft, x, number, constant, outputs),)


def _bias_name(draft: Draft, node: Node) -> str:
    constant = draft.constant(node, 2, "bias")
    return "" if constant is None else constant.name


def _gemm(draft: Draft, node: Node) -> Value:
    for name in ("alpha", "beta"):
        factor = node.attributes.get(name, 1.0)
        if factor != 1 and (name == "alpha" or len(node.inputs) > 2):  # noqa: PLR2004 - has a bias
            raise RefusedError(f"it multiplies by {name}, which is {shown(factor)}", SIMPLIFY)
    if node.whole("transA", 0):
        raise RefusedError("it transposes its input", SIMPLIFY)
    return _dense(draft, node, is_transposed=bool(node.whole("transB", 0)))


def _dense(draft: Draft, node: Node, *, is_transposed: bool) -> Value:
    """A dense layer, of a vector or of each position of a map.

    Its weight is [outputs, inputs] if it is transposed, else the other way.
    """
    x = draft.read(node, may_be_loose=True, may_lack_batch=True, may_be_stored_as_map=True)
    if x.map.is_map:
        x = draft.in_file_order(x)
    w = weight(draft, node, 1, 2)
    outputs = 0 if is_transposed else 1
    count, elements = w.data.shape[outputs], w.data.shape[1 - outputs]
    if len(x.map.shape) < 2 or elements != x.map.shape[-1]:  # noqa: PLR2004 - batch and elements
        msg = f"its weight has the shape {list(w.data.shape)}, and reads {list(x.map.shape)}"
        raise DamagedError(msg)
    number = store_weight(draft, _by_position(w, x.map, outputs), (outputs, 1 - outputs), outputs)
    reads = (x.number, number, *_bias(draft, node, x, number, count))
    made = replace(x.map, shape=(*x.map.shape[:-1], count), pieces=None)
    names = w.name, _bias_name(draft, node)
    return pending(node, "dense", reads, {"has_float32_product": False}, made, *names)


def _by_position(w: Constant, x: Map, outputs: int) -> Constant:
    """A dense weight that reads a flattened map in the order in which kilograd stores it."""
    if x.pieces is None:
        return w
    stored: NDArray[Any] = x.pieces.in_memory(np.moveaxis(w.data, outputs, 0))
    return replace(w, data=np.moveaxis(stored, 0, outputs))


def _matmul(draft: Draft, node: Node) -> Value:
    if not isinstance(draft.value(node, 1), Constant):
        raise RefusedError(
            "it multiplies two maps, as attention does, and kilograd's layers have constant weights"
        )
    return _dense(draft, node, is_transposed=False)


def _add(draft: Draft, node: Node) -> Value:
    operands = draft.value(node, 0), draft.value(node, 1)
    for value, other in (operands, operands[::-1]):
        if isinstance(value, Pending) and isinstance(other, Constant) and _is_bias(other, value):
            return _with_bias(draft, value, other)
    return add(draft, node)


def _is_bias(constant: Constant, value: Pending) -> bool:
    """Whether a value lacks a bias, and a constant has one number for each of its outputs."""
    (step, *more) = value.steps
    lacks_bias = not more and step.operator == "dense" and len(step.inputs) == 2  # noqa: PLR2004 - no bias
    return lacks_bias and constant.data.shape[-1:] == (constant.data.size,) == step.map.shape[-1:]


def _with_bias(draft: Draft, value: Pending, constant: Constant) -> Value:
    (step,) = value.steps
    x, number = step.inputs
    bias = store_bias(draft, Dequantized(x, step.map), number, constant, step.map.channels)
    steps = (replace(step, inputs=(x, number, bias)),)
    return replace(value, steps=steps, name=author_name(value.name, "", constant.name))


def _arg_max(draft: Draft, node: Node) -> Value:
    """Which logit is the largest: what reads it is no layer, and its shape does not matter."""
    number, map_ = draft.settled(node)
    return pending(node, "arg_max", (number,), {}, Map((map_.shape[0], 1)))


def _pad(draft: Draft, node: Node) -> Value:
    x = whole(draft, node)
    mode = node.attributes.get("mode", "constant")
    if mode not in {"constant", *_BORDERS}:
        msg = f"its mode is {shown(mode)}"
        raise DamagedError(msg)
    if mode == "constant" and draft.scalar(node, 2, "padding", 0.0) != 0:
        raise RefusedError("it pads with a number that is not 0")
    rank = len(x.map.shape)
    pads = draft.numbers(node, 1, "list of pads")
    axes = draft.numbers(node, 3, "list of axes")
    axes = tuple(range(rank)) if axes is None else tuple(a + rank if a < 0 else a for a in axes)
    if pads is None or len(pads) != 2 * len(axes) or len(set(axes) & set(range(rank))) != len(axes):
        msg = f"its pads are {pads} of the dimensions {list(axes)}"
        raise DamagedError(msg)
    along = {axis: (pads[place], pads[place + len(axes)]) for place, axis in enumerate(axes)}
    if mode in _BORDERS and any(along.get(x.map.channel_axis, ())):
        x = draft.arranged(x, x.map.turned())
    stored = [0] * (2 * len(x.map.stored))
    shape = list(x.map.shape)
    for axis, (before, after) in along.items():
        if min(before, after) < 0:
            raise RefusedError(f"its pads {list(pads)} cut the map")
        shape[axis] += before + after
        if before or after:
            at = 2 * x.map.stored_axis(axis)
            stored[at], stored[at + 1] = before, after
    made = replace(x.map, shape=tuple(shape))
    if mode in _BORDERS:
        options: dict[str, Option] = {"pads": tuple(stored), "kind": str(mode)}
        return pending(node, "border", (x.number,), options, made)
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
    x = draft.read(node, may_be_loose=True, may_lack_batch=True)
    return pending(node, "quantize", (x.number,), {}, x.map).clamped(low, high)


def _of_logits(operator: str) -> Callable[[Draft, Node], Value]:
    """What may stand behind the last layer, and has as many elements as it reads."""

    def build(draft: Draft, node: Node) -> Value:
        number, map_ = draft.settled(node)
        return pending(node, operator, (number,), {}, map_)

    return build


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


OPERATORS: Mapping[str, Callable[[Draft, Node], Value | tuple[Value, ...]]] = {
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
    "Cast": _cast,
    "Identity": _same,
    "Dropout": _dropout,
    "Conv": _conv,
    "ConvTranspose": _transposed,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _add,
    "GlobalAveragePool": global_average_pool,
    "ReduceMean": reduce_mean,
    "ReduceSum": reduce_sum,
    "GlobalMaxPool": global_max_pool,
    "ReduceMax": reduce_max,
    "AveragePool": average_pool,
    "MaxPool": max_pool,
    "Pad": _pad,
    "Relu": _relu,
    "Clip": _clip,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
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
    "Sigmoid": function("logistic"),
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
    "Swish": swish,
    "PRelu": parametric_relu,
    "BatchNormalization": normalize,
}
"""By name; each makes the value of a node's first output, or those of several."""
