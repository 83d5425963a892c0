"""Shapes that a file computes or leaves open.

Converters write networks of any batch with operators that compute shapes while the network runs,
and with placeholders in the shapes of some tensors. For a batch of one all of these are constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.network import Tensor
from kilograd.frontend.tflite.reads import DamagedError, Reads, numbers

Shape = tuple[int, ...]
_Whole = NDArray[Any]

#: Most elements of what is computed with shapes.
_MOST_ELEMENTS = 16

_WHOLE = ("int32", "int64")


def _strided(arrays: list[_Whole], options: Any) -> _Whole:
    """Some elements of a list; masks say where its ends are those of the list."""
    given, begin, end, stride = arrays
    if options is None or given.ndim != 1 or not len(begin) == len(end) == len(stride) == 1:
        msg = f"it takes a part of the shape {list(given.shape)}"
        raise DamagedError(msg)
    first, last, step = (int(part[0]) for part in (begin, end, stride))
    if options.ShrinkAxisMask():
        return given[first]
    start = None if options.BeginMask() else first
    stop = None if options.EndMask() else last
    return given[start:stop:step]


def _gather(arrays: list[_Whole], options: Any) -> _Whole:
    return np.take(arrays[0], arrays[1], axis=0 if options is None else int(options.Axis()))


def _pack(arrays: list[_Whole], options: Any) -> _Whole:
    return np.stack(arrays, 0 if options is None else int(options.Axis()))


def _join(arrays: list[_Whole], options: Any) -> _Whole:
    return np.concatenate(arrays, 0 if options is None else int(options.Axis()))


def _product(arrays: list[_Whole], options: Any) -> _Whole:
    keeps = options is not None and bool(options.KeepDims())
    return np.prod(arrays[0], axis=tuple(arrays[1].ravel().tolist()), keepdims=keeps)


def _first(arrays: list[_Whole], _: Any) -> _Whole:
    return arrays[0]


def _reshape(arrays: list[_Whole], _: Any) -> _Whole:
    shape: list[int] = arrays[1].ravel().tolist()
    return arrays[0].reshape(shape)


def _squeezed(arrays: list[_Whole], _: Any) -> _Whole:
    return arrays[0].reshape([extent for extent in arrays[0].shape if extent > 1])


_Computed = Callable[[list[_Whole], Any], _Whole]

#: What computes with whole numbers: the flatbuffer's table of its options, and the result.
_COMPUTED: Mapping[str, tuple[str | None, _Computed]] = {
    "STRIDED_SLICE": ("StridedSliceOptions", _strided),
    "GATHER": ("GatherOptions", _gather),
    "PACK": ("PackOptions", _pack),
    "CONCATENATION": ("ConcatenationOptions", _join),
    "REDUCE_PROD": ("ReducerOptions", _product),
    "ADD": (None, lambda arrays, _: arrays[0] + arrays[1]),
    "SUB": (None, lambda arrays, _: arrays[0] - arrays[1]),
    "MUL": (None, lambda arrays, _: arrays[0] * arrays[1]),
    "FLOOR_DIV": (None, lambda arrays, _: np.floor_divide(arrays[0], arrays[1])),
    "CAST": (None, _first),
    "RESHAPE": (None, _reshape),
    "SQUEEZE": (None, _squeezed),
}


def options_of_computed(operator: str, inputs: list[Tensor | None], result: Tensor) -> str | None:
    """The table of options of an operator that computes with shapes; None for any other operator.

    Empty where nothing in it matters.
    """
    if result.dtype not in _WHOLE or operator not in {*_COMPUTED, "SHAPE"}:
        return None
    if operator == "SHAPE":
        is_open = not inputs or inputs[0] is None or inputs[0].is_open
        return None if is_open else ""
    return _COMPUTED[operator][0] or "" if all(_is_known(tensor) for tensor in inputs) else None


def _is_known(tensor: Tensor | None) -> bool:
    return (
        tensor is not None
        and tensor.data is not None
        and tensor.dtype in _WHOLE
        and tensor.data.size <= _MOST_ELEMENTS
    )


def computed(operator: str, reads: Reads) -> NDArray[np.int64]:
    """What an operator makes of shapes and constants, for a batch of one.

    Raises:
        DamagedError: when it makes more than a shape has.
    """
    if operator == "SHAPE":
        return np.array(reads.tensor(0).shape, np.int64)
    _, compute = _COMPUTED[operator]
    arrays = [np.asarray(tensor.data, np.int64) for tensor in reads.inputs if tensor is not None]
    made = np.asarray(compute(arrays, reads.options), np.int64)
    if made.size > _MOST_ELEMENTS:
        msg = f"it computes {made.size} numbers of shapes"
        raise DamagedError(msg)
    return made


def _same(reads: Reads) -> Shape:
    return reads.tensor(0).shape


def _reshaped(reads: Reads) -> Shape | None:
    stated = numbers(reads, 1) if len(reads.inputs) > 1 else None
    total = math.prod(reads.tensor(0).shape)
    if stated is None or stated.count(-1) > 1:
        return None
    known = math.prod(extent for extent in stated if extent != -1)
    shape = tuple(total // max(known, 1) if extent == -1 else extent for extent in stated)
    return shape if min(shape, default=1) > 0 and math.prod(shape) == total else None


def _expanded(reads: Reads) -> Shape | None:
    axis, shape = numbers(reads, 1), reads.tensor(0).shape
    if axis is None or len(axis) != 1 or not -len(shape) - 1 <= axis[0] <= len(shape):
        return None
    at = axis[0] + len(shape) + 1 if axis[0] < 0 else axis[0]
    return (*shape[:at], 1, *shape[at:])


def _squeezed_shape(reads: Reads) -> Shape | None:
    """Without as many extents of one as the result lacks, the first ones behind the batch."""
    shape, rank = list(reads.tensor(0).shape), len(reads.outputs[0].shape)
    while len(shape) > max(rank, 1) and 1 in shape[1:]:
        shape.pop(1 + shape[1:].index(1))
    return tuple(shape) if len(shape) == rank else None


def _tiled(reads: Reads) -> Shape | None:
    counts, shape = numbers(reads, 1), reads.tensor(0).shape
    if counts is None or len(counts) != len(shape):
        return None
    return tuple(extent * count for extent, count in zip(shape, counts, strict=True))


def _resized(reads: Reads) -> Shape | None:
    sizes, shape = numbers(reads, 1), reads.tensor(0).shape
    return (shape[0], *sizes, shape[3]) if sizes is not None and len(shape) == 4 else None  # noqa: PLR2004 - a map


def _padded(reads: Reads) -> Shape | None:
    pads, shape = numbers(reads, 1), reads.tensor(0).shape
    if pads is None or len(pads) != 2 * len(shape):
        return None
    return tuple(e + pads[2 * place] + pads[2 * place + 1] for place, e in enumerate(shape))


def _transposed(reads: Reads) -> Shape | None:
    order, shape = numbers(reads, 1), reads.tensor(0).shape
    if order is None or sorted(order) != list(range(len(shape))):
        return None
    return tuple(shape[axis] for axis in order)


def _broadcast(reads: Reads) -> Shape:
    return tuple(np.broadcast_shapes(*(reads.tensor(place).shape for place in (0, 1))))


def _dense(reads: Reads) -> Shape | None:
    weight, shape = reads.tensor(1).shape, reads.tensor(0).shape
    if len(weight) != 2 or math.prod(shape) % max(weight[1], 1):  # noqa: PLR2004 - outputs, inputs
        return None
    if reads.options is not None and reads.options.KeepNumDims():
        return (*shape[:-1], weight[0])
    return (math.prod(shape) // max(weight[1], 1), weight[0])


def _joined(reads: Reads) -> Shape | None:
    shapes = [reads.tensor(place).shape for place in range(len(reads.inputs))]
    axis, rank = int(reads.needed_options().Axis()), len(shapes[0])
    if {len(shape) for shape in shapes} != {rank} or not -rank <= axis < rank:
        return None
    made = list(shapes[0])
    made[axis] = sum(shape[axis] for shape in shapes)
    return tuple(made)


def _reduced(reads: Reads) -> Shape | None:
    axes, shape = numbers(reads, 1), reads.tensor(0).shape
    if axes is None or not all(-len(shape) <= axis < len(shape) for axis in axes):
        return None
    over = {axis % len(shape) for axis in axes}
    if len(reads.outputs[0].shape) == len(shape):
        return tuple(1 if axis in over else extent for axis, extent in enumerate(shape))
    return tuple(extent for axis, extent in enumerate(shape) if axis not in over)


def _slid(
    taps: Callable[[Reads], tuple[int, int]], channels: int | None
) -> Callable[[Reads], Shape]:
    """A map under a window; of as many channels as the filter has along an axis."""

    def shape(reads: Reads) -> Shape:
        options, (height, width) = reads.needed_options(), reads.map_extents(0)
        strides = int(options.StrideH()), int(options.StrideW())
        made = [
            -(-extent // max(stride, 1))
            if int(options.Padding()) == 0
            else (extent - span) // max(stride, 1) + 1
            for extent, span, stride in zip((height, width), taps(reads), strides, strict=True)
        ]
        if min(made) < 1:
            msg = f"its window does not fit a map of {height}×{width}"
            raise DamagedError(msg)
        first = reads.tensor(0).shape
        return (first[0], *made, first[3] if channels is None else reads.tensor(1).shape[channels])

    return shape


def _filter_taps(reads: Reads) -> tuple[int, int]:
    options = reads.needed_options()
    dilations = int(options.DilationHFactor()), int(options.DilationWFactor())
    rows, columns = (
        (tap - 1) * dilation + 1
        for tap, dilation in zip(reads.map_extents(1), dilations, strict=True)
    )
    return rows, columns


def _pool_taps(reads: Reads) -> tuple[int, int]:
    options = reads.needed_options()
    return int(options.FilterHeight()), int(options.FilterWidth())


#: The shape of an operator's result; None where it cannot be told.
_RESULTS: Mapping[str, Callable[[Reads], Shape | None]] = {
    **dict.fromkeys(
        (
            *("QUANTIZE", "DEQUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH"),
            "RELU_0_TO_1",
            *("HARD_SWISH", "LEAKY_RELU", "ELU", "ABS", "GELU", "PRELU", "SOFTMAX", "LOG_SOFTMAX"),
        ),
        _same,
    ),
    **dict.fromkeys(("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM"), _broadcast),
    **dict.fromkeys(("MEAN", "REDUCE_MAX"), _reduced),
    **dict.fromkeys(("PAD", "PADV2"), _padded),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), _resized),
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D"), _slid(_pool_taps, None)),
    "CONV_2D": _slid(_filter_taps, 0),
    "DEPTHWISE_CONV_2D": _slid(_filter_taps, 3),
    "TRANSPOSE_CONV": lambda reads: numbers(reads, 0),
    "FULLY_CONNECTED": _dense,
    "CONCATENATION": _joined,
    "RESHAPE": _reshaped,
    "EXPAND_DIMS": _expanded,
    "SQUEEZE": _squeezed_shape,
    "TILE": _tiled,
    "TRANSPOSE": _transposed,
}


def puts_rows_in_batch(operator: str, reads: Reads) -> bool:
    """Whether a reshape in a network for any batch makes rows that the file takes for the batch."""
    if operator != "RESHAPE" or len(reads.outputs) != 1:
        return False
    return math.prod(reads.outputs[0].shape) != math.prod(reads.tensor(0).shape)


def result_shape(operator: str, reads: Reads) -> Shape | None:
    """The shape of an operator's only result, from those of its inputs; None if that is unknown."""
    known = _RESULTS.get(operator)
    return None if known is None or len(reads.outputs) != 1 else known(reads)
