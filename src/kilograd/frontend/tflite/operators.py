"""What TensorFlow Lite's operators are called here, and what their options say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilograd.frontend.builder import SMALLEST_SCALE
from kilograd.frontend.network import MOST_EXTENT, Option, Tabulated, Tensor
from kilograd.frontend.tflite import parts, tables
from kilograd.frontend.tflite.reads import DamagedError, Reads, numbers
from kilograd.ir import Quantization
from kilograd.ops.lookup.functions import Function


@dataclass(frozen=True)
class Operator:
    """An operator that has a neutral name.

    Attributes:
        name: the neutral one.
        options_class: of the flatbuffer's table; None where nothing in it matters.
        read: the neutral options.
        activation: that the operator is, where it is nothing else.
        places: of the inputs that matter, the map first; empty for all as they are.
    """

    name: str
    options_class: str | None = None
    read: Callable[[Reads], Mapping[str, Option]] = lambda _: {}
    activation: str = "none"
    places: tuple[int, ...] = ()


def _pads(
    options: Any, extents: tuple[int, int], taps: tuple[int, int], dilations: tuple[int, int]
) -> tuple[int, ...]:
    """Padding that SAME stands for: the odd row goes below, the odd column to the right."""
    padding = int(options.Padding())
    if padding not in {0, 1}:
        msg = f"its padding has the unknown code {padding}"
        raise DamagedError(msg)
    is_same = padding == 0
    pads: list[int] = []
    for extent, tap, dilation, stride in zip(
        extents, taps, dilations, _strides(options), strict=True
    ):
        span = (tap - 1) * dilation + 1
        total = max((-(-extent // stride) - 1) * stride + span - extent, 0) if is_same else 0
        pads += [total // 2, total - total // 2]
    return tuple(pads)


def _strides(options: Any) -> tuple[int, int]:
    strides = int(options.StrideH()), int(options.StrideW())
    if min(strides) < 1:
        msg = f"its strides are {strides[0]} and {strides[1]}"
        raise DamagedError(msg)
    return strides


def _convolution(reads: Reads) -> Mapping[str, Option]:
    options = reads.needed_options()
    dilations = int(options.DilationHFactor()), int(options.DilationWFactor())
    if min(dilations) < 1:
        msg = f"its dilations are {dilations[0]} and {dilations[1]}"
        raise DamagedError(msg)
    pads = _pads(options, reads.map_extents(0), reads.map_extents(1), dilations)
    return {"strides": _strides(options), "dilations": dilations, "pads": pads}


def _transposed(reads: Reads) -> Mapping[str, Option]:
    """Pads as of a convolution over the map with zeros behind each position."""
    options, made = reads.needed_options(), reads.outputs[0].shape
    strides, given, taps = _strides(options), reads.map_extents(2), reads.map_extents(1)
    if len(made) != 4:  # noqa: PLR2004 - batch, height, width, channels
        msg = f"its result has {len(made)} dimensions, not 4"
        raise DamagedError(msg)
    # As of the convolution that would turn the result into the map.
    cut = _pads(options, (made[1], made[2]), taps, (1, 1))
    pads: list[int] = []
    for extent, result, tap, stride, before in zip(
        given, made[1:3], taps, strides, cut[::2], strict=True
    ):
        top = tap - 1 - before
        pads += [top, result - extent * stride - top + tap - 1]
    return {"strides": strides, "pads": tuple(pads)}


def _depthwise(reads: Reads) -> Mapping[str, Option]:
    read = _convolution(reads)
    multiplier = int(reads.needed_options().DepthMultiplier())
    given, made = reads.tensor(0).shape[3], reads.tensor(1).shape[3]
    if multiplier not in {0, made // max(given, 1)}:
        msg = f"it makes {made} channels of {given}, and its options say {multiplier} of each"
        raise DamagedError(msg)
    return read


def _pool(reads: Reads) -> Mapping[str, Option]:
    options = reads.needed_options()
    window = int(options.FilterHeight()), int(options.FilterWidth())
    if min(window) < 1:
        msg = f"its window is {window[0]}×{window[1]}"
        raise DamagedError(msg)
    pads = _pads(options, reads.map_extents(0), window, (1, 1))
    return {"strides": _strides(options), "window": window, "pads": pads}


def _dense(reads: Reads) -> Mapping[str, Option]:
    # The C++ multiplies two floats here, and doubles for convolutions and scales per channel.
    options: dict[str, Option] = {"has_float32_product": len(reads.tensor(1).scales) == 1}
    weights_format = int(reads.options.WeightsFormat()) if reads.options is not None else 0
    return options if not weights_format else options | {"weights_format": weights_format}


def _concatenation(reads: Reads) -> Mapping[str, Option]:
    return {"axis": int(reads.needed_options().Axis())}


def _constant_numbers(reads: Reads, name: str) -> Mapping[str, Option]:
    found = numbers(reads, 1) if len(reads.inputs) > 1 else None
    return {} if found is None else {name: found}


def _mirrored(reads: Reads) -> Mapping[str, Option]:
    """Padding with the map's own positions, with the first and last of them or without."""
    mode = int(reads.needed_options().Mode())
    if mode not in {0, 1}:
        msg = f"its mode has the unknown code {mode}"
        raise DamagedError(msg)
    return {**_constant_numbers(reads, "pads"), "kind": "symmetric" if mode else "reflect"}


def _filled(reads: Reads) -> Mapping[str, Option]:
    """Padding with a number of its own, in the scale of the map."""
    pads, fill = numbers(reads, 1), numbers(reads, 2)
    if pads is None or fill is None:
        return {}
    if len(fill) != 1:
        msg = f"it pads with {len(fill)} numbers"
        raise DamagedError(msg)
    return {"pads": pads, "fill": fill[0]}


def _blocks(reads: Reads) -> Mapping[str, Option]:
    """Extents of a block, and what is padded or cropped: two numbers for each of them."""
    blocks, borders = numbers(reads, 1), numbers(reads, 2)
    if blocks is None or borders is None:
        return {}
    if len(borders) != 2 * len(blocks) or min(blocks, default=0) < 1 or min(borders) < 0:
        msg = f"it has blocks of {list(blocks)} and a border of {list(borders)}"
        raise DamagedError(msg)
    return {"blocks": blocks, "borders": borders}


def _block(reads: Reads) -> Mapping[str, Option]:
    """The extent of a block of rows and columns."""
    block = int(reads.needed_options().BlockSize())
    if block < 1:
        msg = f"it has blocks of {block} by {block}"
        raise DamagedError(msg)
    return {"block": block}


def _nearest(reads: Reads) -> Mapping[str, Option]:
    """How often each row and each column is there; nothing where these are no whole numbers."""
    options, before, after = reads.needed_options(), reads.map_extents(0), reads.outputs[0].shape
    if len(after) != 4 or not 0 < min(*before, *after) <= max(after) <= MOST_EXTENT:  # noqa: PLR2004 - batch, height, width, channels
        return {}
    repeats = tuple(new // old for new, old in zip(after[1:3], before, strict=True))
    for old, new, count in zip(before, after[1:3], repeats, strict=True):
        is_even = options.AlignCorners() and new > 1
        scale = np.float32((old - 1) / (new - 1) if is_even else old / new)
        places = (np.arange(new) + (0.5 if options.HalfPixelCenters() else 0)).astype(np.float32)
        found = np.floor(places * scale + np.float32(0.5 if is_even else 0))
        if not count or not np.array_equal(np.clip(found, 0, old - 1), np.arange(new) // count):
            return {}
    return {"repeats": repeats}


def _tile(reads: Reads) -> Mapping[str, Option]:
    """How often each dimension is there."""
    counts, shape = numbers(reads, 1), reads.tensor(0).shape
    if counts is None:
        return {}
    if len(counts) != len(shape) or min(counts, default=0) < 1:
        msg = f"it repeats the shape {list(shape)} {list(counts)} times"
        raise DamagedError(msg)
    return {"counts": counts}


def _function(
    name: str,
    table: Callable[[Quantization, Quantization], tables.Table | None],
    *parameters: float,
) -> Callable[[Reads], Mapping[str, Option]]:
    """Options of a function of one number, with these parameters."""

    def read(reads: Reads) -> Mapping[str, Option]:
        return _tabulated(reads, Function(name, parameters), table)

    return read


def _leaky_relu(reads: Reads) -> Mapping[str, Option]:
    alpha = float(reads.needed_options().Alpha())
    function = Function("leaky_relu", (alpha,))
    return _tabulated(reads, function, lambda x, y: tables.leaky_relu(x, y, alpha))


def _gelu(reads: Reads) -> Mapping[str, Option]:
    """TensorFlow Lite Micro has no such layer, and so no table of its own."""
    name = "gelu_tanh" if reads.needed_options().Approximate() else "gelu"
    return {"function": Tabulated(Function(name))}


def _tabulated(
    reads: Reads,
    function: Function,
    table: Callable[[Quantization, Quantization], tables.Table | None],
) -> Mapping[str, Option]:
    given, output = (_quantization(tensor) for tensor in (reads.tensor(0), reads.outputs[0]))
    made = None if given is None or output is None else table(given, output)
    return {"function": Tabulated(function, made or ())}


def _quantization(tensor: Tensor) -> Quantization | None:
    """Of a map; None where it is not quantized, which is found out later."""
    scales = tensor.scales
    if len(scales) != 1 or not SMALLEST_SCALE <= scales[0] <= 1 / SMALLEST_SCALE:
        return None
    return Quantization(scales, min(max(tensor.zero_point, -128), 127))


def _keeps_scale(_: Reads) -> Mapping[str, Option]:
    return {"keeps_scale": True}


OPERATORS: Mapping[str, Operator] = {
    "CONV_2D": Operator("conv", "Conv2DOptions", _convolution),
    "TRANSPOSE_CONV": Operator(
        "transpose_conv", "TransposeConvOptions", _transposed, places=(2, 1, 3)
    ),
    "DEPTHWISE_CONV_2D": Operator("depthwise", "DepthwiseConv2DOptions", _depthwise),
    "FULLY_CONNECTED": Operator("dense", "FullyConnectedOptions", _dense),
    "ADD": Operator("add", "AddOptions"),
    "CONCATENATION": Operator("concatenate", "ConcatenationOptions", _concatenation),
    "SLICE": Operator("crop", None, parts.part),
    "STRIDED_SLICE": Operator("crop", "StridedSliceOptions", parts.strided_part),
    "SPACE_TO_BATCH_ND": Operator("space_to_batch", None, _blocks),
    "BATCH_TO_SPACE_ND": Operator("batch_to_space", None, _blocks),
    "SPLIT": Operator("split", None, parts.split, places=(1, 0)),
    "SPLIT_V": Operator("split", None, parts.split_in_sizes),
    "UNPACK": Operator("split", "UnpackOptions", parts.unpack),
    "DEPTH_TO_SPACE": Operator("depth_to_space", "DepthToSpaceOptions", _block),
    "SPACE_TO_DEPTH": Operator("space_to_depth", "SpaceToDepthOptions", _block),
    "AVERAGE_POOL_2D": Operator("average_pool", "Pool2DOptions", _pool),
    "MAX_POOL_2D": Operator("max_pool", "Pool2DOptions", _pool),
    "MEAN": Operator("mean", None, lambda reads: _constant_numbers(reads, "axes")),
    "REDUCE_MAX": Operator("maximum", None, lambda reads: _constant_numbers(reads, "axes")),
    "PAD": Operator("pad", None, lambda reads: _constant_numbers(reads, "pads")),
    "MIRROR_PAD": Operator("border", "MirrorPadOptions", _mirrored),
    "PADV2": Operator("pad", None, _filled),
    "RESHAPE": Operator("reshape"),
    "SQUEEZE": Operator("reshape"),
    "EXPAND_DIMS": Operator("reshape"),
    "RESIZE_BILINEAR": Operator("resize"),
    "RESIZE_NEAREST_NEIGHBOR": Operator("resize", "ResizeNearestNeighborOptions", _nearest),
    "TILE": Operator("tile", None, _tile),
    "TRANSPOSE": Operator("transpose", None, lambda reads: _constant_numbers(reads, "order")),
    "SOFTMAX": Operator("softmax"),
    "LOG_SOFTMAX": Operator("log_softmax"),
    "ARG_MAX": Operator("arg_max"),
    "MUL": Operator("multiply", "MulOptions"),
    "SUB": Operator("subtract", "SubOptions"),
    "LOGISTIC": Operator("logistic", None, _function("logistic", tables.logistic)),
    "TANH": Operator("lookup", None, _function("tanh", tables.tanh)),
    "HARD_SWISH": Operator("lookup", None, _function("hard_swish", tables.hard_swish)),
    "LEAKY_RELU": Operator("lookup", "LeakyReluOptions", _leaky_relu),
    "PRELU": Operator("prelu"),
    "GELU": Operator("lookup", "GeluOptions", _gelu),
    "MINIMUM": Operator("smaller"),
    "MAXIMUM": Operator("larger"),
    "ELU": Operator("lookup", None, _function("elu", tables.elu, 1.0)),
    "ABS": Operator("lookup", None, _function("absolute", tables.absolute)),
    "QUANTIZE": Operator("quantize"),
    "RELU": Operator("activation", activation="relu"),
    "RELU_N1_TO_1": Operator("activation", activation="relu_n1_to_1"),
    "RELU_0_TO_1": Operator("activation", activation="relu_0_to_1"),
    # Of these, the interpreter changes no scale.
    "RELU6": Operator("activation", None, _keeps_scale, "relu6"),
    "DEQUANTIZE": Operator("dequantize"),
}
"""By the name in TensorFlow Lite's schema."""
