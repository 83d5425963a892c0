"""The network that a file's nodes are turned into, one after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.network import Layer, Option, Tabulated, Tensor
from kilograd.frontend.onnx.arranging import Arranging, relabelled
from kilograd.frontend.onnx.errors import DamagedError, RefusedError, shown
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.ranges import range_before
from kilograd.frontend.onnx.values import (
    Constant,
    Dequantized,
    Mapped,
    Pending,
    Step,
    Stored,
    Value,
)
from kilograd.ops.lookup.functions import Function

#: Clamps that have names in a network.
_ACTIVATIONS: Mapping[tuple[float, float], str] = {
    (-math.inf, math.inf): "none",
    (0.0, math.inf): "relu",
    (0.0, 6.0): "relu6",
    (-1.0, 1.0): "relu_n1_to_1",
}

#: Layers that cannot change a scale: they leave numbers as they are, or average them.
_KEEPING = {
    *("reshape", "channel_slice", "channel_shuffle", "resize", "pad", "border", "crop"),
    *("max_pool", "maximum", "average_pool"),
}

#: Layers that take numbers over from several maps of one scale.
_OF_ONE_SCALE = {"concatenate", "larger", "smaller"}

#: Batch, height, width, channels.
_MAP_RANK = 4

#: Most numbers of a constant that says how a node works: a shape, pads, axes.
_MOST_NUMBERS = 32


class Draft(Arranging):
    """Tensors and layers so far, and what the names of the graph stand for.

    Attributes:
        values: by name.
        unsigned: numbers of the tensors that are uint8 in the file.
        functions: number of a tensor that is a function of another -> that one's, and the function.
        tables: number of such a tensor -> that of the first one of several in a row, and its own
            elements for those of the first from -128 up.
    """

    def __init__(self, constants: Mapping[str, NDArray[Any]]) -> None:
        super().__init__()
        self.unsigned: set[int] = set()
        self.functions: dict[int, tuple[int, Function]] = {}
        self.tables: dict[int, tuple[int, NDArray[np.int64]]] = {}
        self.values: dict[str, Value] = {
            name: Constant(name, data) for name, data in constants.items()
        }

    def optional(self, node: Node, place: int) -> Value | None:
        """An input of a node; None for one that is left out."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        if not name:
            return None
        if name not in self.values:
            msg = f"it reads {shown(name)}, which no node before it makes"
            raise DamagedError(msg)
        return self.values[name]

    def value(self, node: Node, place: int = 0) -> Value:
        """An input that may not be left out."""
        value = self.optional(node, place)
        if value is None:
            msg = f"it has no input {place}"
            raise DamagedError(msg)
        return value

    def read(
        self,
        node: Node,
        place: int = 0,
        *,
        may_be_spread: bool = False,
        may_be_loose: bool = False,
        may_lack_batch: bool = False,
        may_be_stored_as_map: bool = False,
    ) -> Dequantized:
        """A quantized map, as every layer reads it.

        Args:
            node: of the layer.
            place: of the map among its inputs.
            may_be_spread: whether one position may stand for all those of another map.
            may_be_loose: whether its channels may lie anywhere.
            may_lack_batch: whether it may have no dimension for the batch, or not as the first one.
            may_be_stored_as_map: whether a vector may be, as it was before it was flattened.
        """
        value = self.value(node, place)
        if isinstance(value, Pending) and keeps_range(value):
            value = self.values[node.inputs[place]] = self.kept(value)
        if isinstance(value, Dequantized):
            if value.map.lacks_batch and not may_lack_batch:
                raise RefusedError(
                    f"its input {place} has the shape {list(value.map.in_file)}, of which the "
                    "first dimension is not that of the batch"
                )
            if value.map.spread is not None and not may_be_spread:
                value = self.expanded(value)
            if value.map.is_loose and not may_be_loose:
                return self.arranged(value, value.map.channels_first())
            is_left = not value.map.is_map and may_be_stored_as_map
            return value if is_left else self.arranged(value, value.map)
        if isinstance(value, Constant):
            raise RefusedError(
                f"its input {place} is a constant, and kilograd's layers read maps",
                "let quant_pre_process simplify the network before it is quantized",
            )
        if isinstance(value, Pending):
            raise RefusedError(
                f"it reads the result of {value.file_operator} as float32: there is no "
                "QuantizeLinear and DequantizeLinear between the two",
                "quantize the results of all layers, as kilograd quantize does; quantizers for "
                "TensorRT and OpenVINO leave some in float32",
            )
        tensor = self.tensors[value.number]
        raise RefusedError(
            f"its input {place} is {tensor.dtype}, and no DequantizeLinear makes it",
            "quantize the operators of all layers",
        )

    def kept(self, value: Pending) -> Dequantized:
        """What moves the numbers of a map, or averages them, in the range of that map.

        Quantizers need not quantize it again. Maps of several ranges get one that holds them all.
        """
        maps = [self.tensors[number] for number in value.steps[0].inputs]
        scales, zeros = maps[0].scales, maps[0].zero_points
        if any((x.scales, x.zero_points) != (scales, zeros) for x in maps):
            low = min(-(128 + x.zero_point) * x.scales[0] for x in maps)
            high = max((127 - x.zero_point) * x.scales[0] for x in maps)
            scale = (high - low) / 255
            scales, zeros = (scale,), (round(-128 - low / scale),)
        made = self.emit(value, "int8", scales, zeros)
        return Dequantized(made.number, made.map)

    def stored_type(self, value: Stored) -> str:
        """The element type that a tensor has in the file."""
        return "uint8" if value.number in self.unsigned else self.tensors[value.number].dtype

    def counted(self, value: Stored) -> Stored | Dequantized:
        """A sample of integers as the real numbers that these are; one of real numbers as it is.

        Raises:
            RefusedError: when they are steps of something else.
        """
        tensor = self.tensors[value.number]
        if tensor.dtype.startswith("float"):
            return value
        if tensor.scales or tensor.dtype not in {"int8", "uint8"}:
            raise RefusedError(
                f"it takes the {self.stored_type(value)} numbers of a map for real ones, and "
                "kilograd reads 8 bits of a sample so",
                "dequantize the map with DequantizeLinear",
            )
        if tensor.dtype == "uint8":
            self.unsigned.add(value.number)
        zero = -128 if tensor.dtype == "uint8" else 0
        self.tensors[value.number] = replace(
            tensor, dtype="int8", scales=(1.0,), zero_points=(zero,)
        )
        return Dequantized(value.number, value.map)

    def settled(self, node: Node) -> tuple[int, Map]:
        """A map, which is one of real numbers if nothing quantizes it: tensor, and its shape.

        What reads it is not carried, but for what stands behind a network's last layer.
        """
        value = self.value(node)
        if isinstance(value, Pending) and not keeps_range(value):
            made = self.emit(value, "float32", (), ())
            return made.number, made.map
        x = self.read(node, may_lack_batch=True)
        return x.number, x.map

    def constant(self, node: Node, place: int, what: str) -> Constant | None:
        """An input that has to be a constant; None for one that is left out."""
        value = self.optional(node, place)
        if value is None or isinstance(value, Constant):
            return value
        raise RefusedError(f"its {what} is not a constant")

    def numbers(self, node: Node, place: int, what: str) -> tuple[int, ...] | None:
        """A constant of a few whole numbers; None for one that is left out."""
        constant = self.constant(node, place, what)
        if constant is None:
            return None
        data = constant.data
        if data.dtype.kind != "i" or data.ndim > 1 or data.size > _MOST_NUMBERS:
            msg = f"its {what} is {data.dtype} of the shape {list(data.shape)}"
            raise DamagedError(msg)
        return tuple(int(number) for number in data.ravel())

    def scalar(self, node: Node, place: int, what: str, default: float) -> float:
        """A constant of one real number, which may be quantized."""
        constant = self.constant(node, place, what)
        if constant is None:
            return default
        if constant.data.size != 1 or constant.data.dtype.kind not in "if":
            msg = f"its {what} is {constant.data.dtype} of the shape {list(constant.data.shape)}"
            raise DamagedError(msg)
        return float(constant.reals(what).ravel()[0])

    def reshaped(self, node: Node, value: Mapped, map_: Map) -> Mapped:
        """A value in another shape, for which no element moves."""
        is_sample = isinstance(value, Stored) and not self.tensors[value.number].scales
        if map_.is_loose or (is_sample and len(map_.shape) > _MAP_RANK):
            return relabelled(value, map_)
        if isinstance(value, Stored) and not map_.is_map:
            return Stored(value.number, map_)  # all layers that read vectors also read maps
        # What has more dimensions than a map is on its way to another shape.
        is_kept = {"is_kept": True} if len(map_.shape) > _MAP_RANK else {}
        return self.moved(node, value, "reshape", is_kept, map_)

    def moved(
        self,
        node: Node,
        value: Mapped,
        operator: str,
        options: Mapping[str, Option],
        map_: Map,
    ) -> Mapped:
        """A value whose elements come to other places.

        Args:
            node: that does it.
            value: what it reads.
            operator: neutral name of what it does.
            options: neutral.
            map_: of the result.
        """
        if isinstance(value, Pending):
            return value.then(operator, options, map_)
        if isinstance(value, Dequantized):
            step = Step(operator, (value.number,), options, map_)
            return Pending((step,), node.operator, node.outputs[0])
        if isinstance(value, Stored):
            tensor = replace(self.tensors[value.number], shape=map_.stored)
            made = self.store(tensor)
            if value.number in self.unsigned:
                self.unsigned.add(made)
            self.layers.append(
                Layer(operator, (value.number,), (made,), "none", options, node.operator)
            )
            return Stored(made, map_)
        msg = f"{value.file_operator} is not a layer yet"
        raise TypeError(msg)

    def emit(
        self, value: Pending, dtype: str, scales: tuple[float, ...], zero_points: tuple[int, ...]
    ) -> Stored:
        """Append the layers behind a value, whose result is quantized.

        Args:
            value: what they compute.
            dtype: of the result.
            scales: none where it is not quantized.
            zero_points: as many.
        """
        if self._only_flattens(value, scales, zero_points):
            return Stored(value.steps[0].inputs[0], value.map)
        final = Tensor(value.name, value.map.stored, dtype, scales, zero_points)
        first = self.tensors[value.steps[0].inputs[0]]
        inner, steps = final, value.steps
        if _keeps_scale(value) and not _same_scale(first, final):
            # The result gets another scale behind what cannot change it.
            inner, steps = first, (*steps, Step("quantize", (), {}, value.map))
        made, read = -1, _read_by_function(steps, final)
        for place, step in enumerate(steps):
            is_last = place == len(steps) - 1
            given = step.inputs if place == 0 else (made, *step.inputs)
            like = final if is_last else read if place < read_before(steps) else inner
            result = replace(like, name=value.name, shape=step.map.stored, data=None)
            operator, options = step.operator, step.options
            if operator == "mean":
                operator, options = self._mean(step, given[0], result)
            if operator in _OF_ONE_SCALE:
                given = tuple(self._rescaled(number, value, result) for number in given)
            clamp = _clamp(value, result) if is_last else "none"
            activation = clamp if isinstance(clamp, str) else "none"
            made, title = self.store(result), value.file_operator
            self.layers.append(Layer(operator, given, (made,), activation, options, title))
            known = options.get("function")
            if len(steps) == 1 and isinstance(known, Tabulated) and clamp == "none":
                self.functions[made] = given[0], known.function
            if isinstance(clamp, Tabulated):
                given, made = (made,), self.store(result)
                self.layers.append(
                    Layer("lookup", given, (made,), "none", {"function": clamp}, title)
                )
        return Stored(made, value.map)

    def _rescaled(self, number: int, value: Pending, result: Tensor) -> int:
        """A map in the scale of a result that takes it over as it is."""
        x = self.tensors[number]
        if _same_scale(x, result):
            return number
        made = self.store(replace(result, name=value.name, shape=x.shape))
        self.layers.append(Layer("quantize", (number,), (made,), "none", {}, value.file_operator))
        return made

    def _only_flattens(
        self, value: Pending, scales: tuple[float, ...], zero_points: tuple[int, ...]
    ) -> bool:
        """Whether a map becomes a vector and is the same otherwise: layers read it as it is."""
        if value.map.is_map or any(step.operator != "reshape" for step in value.steps):
            return False
        x = self.tensors[value.steps[0].inputs[0]]
        return (x.scales, x.zero_points) == (scales, zero_points)

    def _mean(self, step: Step, given: int, result: Tensor) -> tuple[str, Any]:
        """A mean of the whole map that does not rescale is an average pool."""
        x = self.tensors[given]
        if not _same_scale(x, result) or step.options["axes"] != (1, 2):
            return step.operator, step.options
        window = x.shape[1:3]
        return "average_pool", {"window": window, "strides": window, "pads": (0, 0, 0, 0)}


def is_plain(value: Pending) -> bool:
    """Whether a layer with weights, or one of two maps, makes a value: no function, no clamp."""
    is_clamped = math.isfinite(value.low) or math.isfinite(value.high)
    return (
        not is_clamped
        and not keeps_range(value)
        and not read_before(value.steps)
        and ("function" not in value.steps[0].options)
    )


def read_before(steps: Sequence[Step]) -> int:
    """Which step is a function of what a step before it makes; 0 if none is."""
    functions = [place for place, step in enumerate(steps) if "function" in step.options]
    return functions[0] if functions else 0


def _read_by_function(steps: Sequence[Step], final: Tensor) -> Tensor:
    """Like a result, in the range in which the function reads that is one of the steps."""
    place = read_before(steps)
    known = steps[place].options.get("function")
    if not place or not isinstance(known, Tabulated) or len(final.scales) != 1:
        return final
    scale, zero = range_before(known.function, final.scales[0], final.zero_point)
    return replace(final, scales=(scale,), zero_points=(zero,))


def keeps_range(value: Pending) -> bool:
    """Whether a value has no numbers beyond those of the maps that it is made of."""
    known = _KEEPING | _OF_ONE_SCALE | {"mean", "quantize"}
    return all(step.operator in known for step in value.steps)


def _same_scale(a: Tensor, b: Tensor) -> bool:
    return (a.dtype, a.scales, a.zero_points) == (b.dtype, b.scales, b.zero_points)


def _keeps_scale(value: Pending) -> bool:
    """Whether what makes a value leaves the scale of its map as it is."""
    return all(step.operator in _KEEPING for step in value.steps)


def _clamp(value: Pending, result: Tensor) -> str | Tabulated:
    """What a network calls a clamp, none where quantization clamps as much; else a function."""
    known = _ACTIVATIONS.get((value.low, value.high))
    if known is not None:
        return known
    if len(result.scales) != 1 or not result.scales[0] > 0:
        return "none"  # refused for its scale
    scale, zero = result.scales[0], result.zero_point
    ends = [(end - zero) * scale for end in (-128, 127)]
    low, high = max(value.low, ends[0]), min(value.high, ends[1])
    if low - ends[0] <= scale / 2 and ends[1] - high <= scale / 2:
        return "none"
    return Tabulated(Function("clip", (low, high)))
