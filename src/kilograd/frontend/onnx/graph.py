"""What an .onnx file holds, as plain values: nodes, constants, and the ends of the graph."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.onnx.errors import DamagedError, RefusedError, shown
from kilograd.frontend.onnx.wire import check_fields
from kilograd.ir import are_ranges

Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | NDArray[Any]

#: The versions of the operators that are read; below, there is no quantization, and above,
#: QuantizeLinear is another.
OLDEST_OPSET, NEWEST_OPSET = 10, 27

#: Of the note about what the darkest and the brightest pixel of an image stand for.
PIXEL_RANGE_KEY = "kilograd.pixel_range"

#: Of a note about pixels; images have fewer.
_MOST_CHANNELS = 64

#: Most nodes, constants, or inputs; each costs time.
_MAX_ENTRIES = 20_000

#: Most dimensions of a tensor.
MAX_RANK = 8

#: Most characters of a name.
_MAX_NAME = 4096

#: Most numbers in an attribute; they are strides, pads, axes.
_MAX_NUMBERS = 64

#: By the number of an element type: NumPy's name, and the field for what is not stored as bytes.
DTYPES: Mapping[int, tuple[str, str]] = {
    1: ("float32", "float_data"),
    2: ("uint8", "int32_data"),
    3: ("int8", "int32_data"),
    4: ("uint16", "int32_data"),
    5: ("int16", "int32_data"),
    6: ("int32", "int32_data"),
    7: ("int64", "int64_data"),
    9: ("bool", "int32_data"),
    10: ("float16", ""),
    11: ("float64", "double_data"),
}

#: Attributes of Constant, and their element types; those of tensors are their own.
_CONSTANT_VALUES: Mapping[str, type | None] = {
    "value": None,
    "value_int": np.int64,
    "value_ints": np.int64,
    "value_float": np.float32,
    "value_floats": np.float32,
}

#: Of a tensor whose contents lie in another file.
_EXTERNAL = 1

_QUANTIZE = "quantize the network with kilograd quantize, which writes the QDQ format"


@dataclass(frozen=True)
class Node:
    """One operator.

    Attributes:
        operator: its name, behind that of its domain where it is not ONNX's own.
        name: of the node; may be empty.
        inputs: names of values; empty for one that is left out.
        outputs: names of values.
        attributes: by name; graphs and lists of other things are left out.
        number: its place in the file.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    number: int

    def whole(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            msg = f"its attribute {name} is {shown(value)}"
            raise DamagedError(msg)
        return value

    def numbers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """An attribute of as many whole numbers as its default has, if that has any."""
        value = self.attributes.get(name, default)
        numbers = value if isinstance(value, tuple) else ()
        whole = tuple(number for number in numbers if isinstance(number, int))
        if len(whole) != len(default or numbers) or len(whole) != len(numbers):
            msg = f"its attribute {name} is {shown(value)}"
            raise DamagedError(msg)
        return whole


@dataclass(frozen=True)
class GraphInput:
    """Where a sample goes.

    Attributes:
        name: of the value.
        dtype: NumPy's name.
        shape: with the batch; an open extent is 1.
        is_open: whether an extent other than the batch is open.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    is_open: bool


@dataclass(frozen=True)
class OnnxGraph:
    """A file's graph.

    Attributes:
        opset: version of ONNX's operators.
        nodes: in the file's order.
        constants: initializers, and what nodes hold that are constants, by name.
        inputs: without the initializers.
        outputs: names of values.
        pixel_range: what kilograd noted about the pixels of images, if it did.
    """

    opset: int
    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]]
    inputs: tuple[GraphInput, ...]
    outputs: tuple[str, ...]
    pixel_range: tuple[float, ...] | None = None


def parse(content: bytes) -> OnnxGraph:
    """The graph in the bytes of a file.

    Raises:
        DamagedError: when they contradict the format.
        RefusedError: when they are sound, and cannot be read.
        ImportError: when the package onnx is missing.
    """
    proto: Any = importlib.import_module("onnx").ModelProto
    decode_error: Any = importlib.import_module("google.protobuf.message").DecodeError
    check_fields(content, proto.DESCRIPTOR)
    try:
        model = proto.FromString(content)
    except decode_error as error:
        raise DamagedError(str(error)) from error
    if not model.HasField("graph"):
        msg = "it has no graph"
        raise DamagedError(msg)
    opset = _opset(model)
    graph = model.graph
    for what in ("node", "initializer", "input", "output"):
        count = len(getattr(graph, what))
        if count > _MAX_ENTRIES:
            msg = f"it has {count:,} {what}s, more than {_MAX_ENTRIES:,}"
            raise DamagedError(msg)
    if graph.sparse_initializer:
        raise RefusedError("it stores weights as sparse tensors, which are not read")
    constants: dict[str, NDArray[Any]] = {}
    for tensor in graph.initializer:
        name = _text(tensor.name)
        if name in constants:
            msg = f"it has two constants of the name {shown(name)}"
            raise DamagedError(msg)
        constants[name] = array(tensor)
    read = [_node(node, number) for number, node in enumerate(graph.node)]
    nodes = tuple(node for node in read if not _is_constant(node, constants))
    outputs = tuple(_text(entry.name) for entry in graph.output)
    inputs = tuple(_input(entry) for entry in graph.input if entry.name not in constants)
    return OnnxGraph(opset, nodes, constants, inputs, outputs, _pixel_range(model))


def _is_constant(node: Node, constants: dict[str, NDArray[Any]]) -> bool:
    """Whether a node is a constant of numbers, which is added to those of the file."""
    if node.operator != "Constant" or not node.outputs or node.outputs[0] in constants:
        return False
    for name, kind in _CONSTANT_VALUES.items():
        stated = node.attributes.get(name)
        if stated is not None and not isinstance(stated, str):
            constants[node.outputs[0]] = np.asarray(stated, kind)
            return True
    return False


def _pixel_range(model: Any) -> tuple[float, ...] | None:
    """What the file notes: two numbers that rise, or two for each channel."""
    texts = [str(entry.value) for entry in model.metadata_props if entry.key == PIXEL_RANGE_KEY]
    if not texts:
        return None
    try:
        ends = tuple(map(float, texts[0].split(",", 2 * _MOST_CHANNELS)))
    except ValueError:
        ends = ()
    if not are_ranges(ends):
        msg = f"its note {PIXEL_RANGE_KEY} is {shown(texts[0])}, not two numbers that rise"
        raise DamagedError(msg)
    return ends


def _opset(model: Any) -> int:
    versions = [int(entry.version) for entry in model.opset_import if entry.domain in OWN_DOMAINS]
    if len(versions) != 1:
        msg = f"it names {len(versions)} versions of ONNX's operators instead of one"
        raise DamagedError(msg)
    (version,) = versions
    if not OLDEST_OPSET <= version <= NEWEST_OPSET:
        raise RefusedError(
            f"it uses version {version} of ONNX's operators, and versions {OLDEST_OPSET} to "
            f"{NEWEST_OPSET} are read",
            f"export the network with an opset from {OLDEST_OPSET} to {NEWEST_OPSET}",
        )
    return version


#: Names of ONNX's own domain.
OWN_DOMAINS = ("", "ai.onnx")


def _node(node: Any, number: int) -> Node:
    operator = _text(node.op_type)
    if node.domain not in OWN_DOMAINS:
        operator = f"{_text(node.domain)}.{operator}"
    attributes: dict[str, Attribute] = {}
    for attribute in node.attribute:
        value = _attribute(attribute)
        if value is not None:
            attributes[_text(attribute.name)] = value
    inputs, outputs = tuple(map(_text, node.input)), tuple(map(_text, node.output))
    return Node(operator, _text(node.name), inputs, outputs, attributes, number)


def _text(name: Any) -> str:
    """A name."""
    if len(name) > _MAX_NAME:
        msg = f"it has a name of {len(name):,} characters, more than {_MAX_NAME:,}"
        raise DamagedError(msg)
    return str(name)


def _attribute(attribute: Any) -> Attribute | None:
    kind = int(attribute.type)
    if kind == attribute.INT:
        return int(attribute.i)
    if kind == attribute.FLOAT:
        return float(attribute.f)
    if kind == attribute.STRING:
        return attribute.s.decode(errors="replace")
    if kind == attribute.TENSOR:
        return array(attribute.t)
    if kind in {attribute.INTS, attribute.FLOATS}:
        values = attribute.ints if kind == attribute.INTS else attribute.floats
        if len(values) > _MAX_NUMBERS:
            msg = f"an attribute {shown(attribute.name)} has {len(values)} numbers"
            raise DamagedError(msg)
        return tuple(values)
    return None


def _input(entry: Any) -> GraphInput:
    tensor = entry.type.tensor_type
    dtype, _ = DTYPES.get(int(tensor.elem_type), (f"type {tensor.elem_type}", ""))
    extents = [
        int(dim.dim_value) if dim.HasField("dim_value") else None for dim in tensor.shape.dim
    ]
    if len(extents) > MAX_RANK or any(extent is not None and extent < 1 for extent in extents):
        msg = f"its input {shown(entry.name)} has the shape {extents[: MAX_RANK + 1]}"
        raise DamagedError(msg)
    shape = tuple(1 if extent is None else extent for extent in extents)
    is_open = None in extents[1:] or not tensor.HasField("shape")
    return GraphInput(_text(entry.name), dtype, shape, is_open)


def array(tensor: Any) -> NDArray[Any]:
    """Contents of a constant.

    Raises:
        DamagedError: when they do not fit its shape.
        RefusedError: when they lie in another file, or have a type that NumPy lacks.
    """
    name = shown(tensor.name)
    if int(tensor.data_location) == _EXTERNAL or tensor.external_data:
        raise RefusedError(
            f"the constant {name} lies in another file, and only files that hold all of the "
            "network are read",
            "save the network in one file: onnx.save(onnx.load(path), path)",
        )
    shape = tuple(int(extent) for extent in tensor.dims)
    if len(shape) > MAX_RANK or any(extent < 0 for extent in shape):
        msg = f"the constant {name} has the shape {list(shape[: MAX_RANK + 1])}"
        raise DamagedError(msg)
    if int(tensor.data_type) not in DTYPES:
        raise RefusedError(
            f"the constant {name} has the element type {tensor.data_type}, which is not read",
            _QUANTIZE,
        )
    dtype, field = DTYPES[int(tensor.data_type)]
    element: Any = np.dtype(dtype)
    if tensor.HasField("raw_data"):
        values = np.frombuffer(tensor.raw_data, np.uint8)
        if values.size != math.prod(shape) * element.itemsize:
            msg = f"the constant {name} of the shape {list(shape)} has {values.size} bytes"
            raise DamagedError(msg)
        return values.view(element.newbyteorder("<")).reshape(shape)
    values = np.array(getattr(tensor, field) if field else [])
    if values.size != math.prod(shape):
        msg = f"the constant {name} of the shape {list(shape)} has {values.size} numbers"
        raise DamagedError(msg)
    narrowed = values.astype(element)
    if not np.array_equal(narrowed, values, equal_nan=element.kind == "f"):
        msg = f"the constant {name} has numbers that are not of the type {dtype}"
        raise DamagedError(msg)
    return narrowed.reshape(shape)
