"""Reads a .tflite file, which may come from anywhere, into plain records.

The package ``tflite`` holds readers that were generated from TensorFlow Lite's schema. They follow
offsets without asking whether these lie in the file, and a vector may claim any length: so every
length is counted against the file's size before anything is done that often, and whatever goes
wrong on the way becomes one ``ModelError``.
"""

from __future__ import annotations

import importlib
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from kilograd.errors import ModelError
from kilograd.frontend.content import read_content
from kilograd.frontend.malformed import MALFORMED
from kilograd.frontend.network import Advice, Layer, Network, Tensor
from kilograd.frontend.tflite.c_array import tflite_of
from kilograd.frontend.tflite.dilations import with_dilations
from kilograd.frontend.tflite.identifier import IDENTIFIER, is_tflite
from kilograd.frontend.tflite.islands import with_tables
from kilograd.frontend.tflite.operators import OPERATORS
from kilograd.frontend.tflite.parts import apart
from kilograd.frontend.tflite.reads import DamagedError, Reads, RefusedError
from kilograd.frontend.tflite.shapes import (
    computed,
    options_of_computed,
    puts_rows_in_batch,
    result_shape,
)

#: Largest file; a microcontroller holds far less.
MOST_BYTES = 64 * 1024**2

#: Place of an operator's code among the fields of its table.
_BUILTIN_CODE = 10

#: Most tensors, or layers; each costs time.
_MAX_TABLES = 20_000

#: Most dimensions of a tensor.
_MAX_RANK = 8

FULL_INTEGER = (
    "with full integer quantization: a representative dataset, and int8 operators only "
    "(TFLITE_BUILTINS_INT8)"
)
"""How TensorFlow converts networks so that they can be read."""

ADVICE = Advice(
    int8=f"convert it {FULL_INTEGER}",
    unsigned="convert the network again with TensorFlow 2",
)
"""What helps users of .tflite files."""

_SCHEMA_VERSION = 3

#: That networks have, for which each branch and each loop needs some.
_MOST_SUBGRAPHS = 200

_ONE_SUBGRAPH = "use convolutions over time in place of recurrent layers, and convert one signature"
_NO_SPARSITY = "convert the network again without Optimize.EXPERIMENTAL_SPARSITY"

#: Element types of NumPy by their names here; constants of others have no contents.
_DTYPES: Mapping[str, Any] = {
    name: np.dtype(name).newbyteorder("<")
    for name in (
        *("int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "bool"),
    )
}


def read_tflite(path: Path) -> Network:
    """The network in a .tflite file.

    Args:
        path: of the file.

    Raises:
        ModelError: when it is no such file, or damaged, or has several networks.
    """
    content = read_content(path, MOST_BYTES)
    if not is_tflite(content):
        raise ModelError(
            f"this is not a .tflite file: it lacks the identifier {IDENTIFIER.decode()}",
            where=str(path),
        )
    return _network(content, path)


def read_c_array(path: Path) -> Network:
    """The network in the .tflite file that a C source holds as an array of bytes.

    Args:
        path: of the source.

    Raises:
        ModelError: when there is no such array, or the file in it is damaged, or has several
            networks.
    """
    return _network(tflite_of(path), path)


def _network(content: bytes, path: Path) -> Network:
    reader = _Reader(_schema(path), content, path.stem)
    try:
        return reader.network()
    except RefusedError as error:
        raise ModelError(f"{reader.place}: {error}", where=str(path), hint=error.hint) from error
    except DamagedError as error:
        found = str(error)
    except (struct.error, *MALFORMED) as error:
        found = f"{type(error).__name__}: {error}"
    raise ModelError(
        f"this .tflite file is damaged: {reader.place}: {found}",
        where=str(path),
        hint="convert the network again, or copy the file again",
    )


def _schema(path: Path) -> Any:
    try:
        return importlib.import_module("tflite")
    except ImportError as error:
        raise ModelError(
            "reading .tflite files needs the package tflite, which is not installed",
            where=str(path),
            hint="pip install 'kilograd[tflite]'",
        ) from error


class _Reader:
    """Walks the tables; ``place`` says where it is, for messages."""

    def __init__(self, schema: Any, content: bytes, name: str) -> None:
        self.place = "its beginning"
        self._schema = schema
        self._content = content
        self._name = name
        # Tables may share vectors, so it is not enough that each of them fits the file.
        self._unread = len(content)
        self._settled: set[int] = set()
        self._is_for_any_batch = False
        self._operators = _names(schema.BuiltinOperator)
        self._types = _names(schema.TensorType)
        self._activations = _names(schema.ActivationFunctionType)

    def network(self) -> Network:
        model = self._schema.Model.GetRootAs(self._content, 0)
        version = int(model.Version())
        if version != _SCHEMA_VERSION:
            msg = f"it has version {version} of the schema, not {_SCHEMA_VERSION}"
            raise DamagedError(msg)
        count = self._counted(model.SubgraphsLength())
        if 1 < count <= _MOST_SUBGRAPHS:
            msg = (
                f"it has {count} subgraphs, as networks with recurrent layers or control flow "
                "have, and only files with one are read"
            )
            raise RefusedError(msg, _ONE_SUBGRAPH)
        if count != 1:
            msg = f"it has {count} subgraphs, and only files with one are read"
            raise DamagedError(msg)
        operators = self._all(model, "OperatorCodes", "operator code", self._operator_name)
        buffers = self._all(model, "Buffers", "buffer", self._buffer)
        graph = model.Subgraphs(0)
        tensors = self._all(graph, "Tensors", "tensor", lambda t: self._tensor(t, buffers))
        read = self._all(
            graph, "Operators", "operator", lambda o: self._layer(o, operators, tensors)
        )
        parts = [part for layer in read if layer is not None for part in apart(layer)]
        tensors, layers = with_dilations(tensors, with_tables(parts))
        self.place = "the list of inputs and outputs"
        ends = [
            self._tensor_numbers(graph, side, len(tensors), 0) for side in ("Inputs", "Outputs")
        ]
        return Network(self._name, tuple(tensors), tuple(layers), ends[0], ends[1], ADVICE)

    def _counted(self, length: int) -> int:
        """A length, once so many elements are known to fit the file."""
        self._unread -= length
        if self._unread < 0:
            msg = "its lists have more elements than the file has bytes"
            raise DamagedError(msg)
        return length

    def _all(self, table: Any, member: str, what: str, read: Callable[[Any], Any]) -> list[Any]:
        """What is read from each table of a vector."""
        self.place = f"the list of {what}s"
        items: list[Any] = []
        length = self._counted(getattr(table, f"{member}Length")())
        if length > _MAX_TABLES:
            msg = f"it has {length:,} entries, more than {_MAX_TABLES:,}"
            raise DamagedError(msg)
        for number in range(length):
            self.place = f"{what} {number}"
            items.append(read(getattr(table, member)(number)))
        return items

    def _numbers(self, table: Any, member: str) -> tuple[Any, ...]:
        """A vector of plain numbers."""
        if not self._counted(getattr(table, f"{member}Length")()):
            return ()
        return tuple(getattr(table, f"{member}AsNumpy")().tolist())

    def _tensor_numbers(self, table: Any, member: str, count: int, low: int) -> tuple[int, ...]:
        numbers = self._numbers(table, member)
        wrong = [number for number in numbers if not low <= number < count]
        if wrong:
            msg = f"there is no tensor {wrong[0]}"
            raise DamagedError(msg)
        return numbers

    def _text(self, text: bytes | None) -> str:
        self._counted(len(text or b""))
        return (text or b"").decode(errors="replace")

    def _operator_name(self, code: Any) -> str:
        # Files older than version 3a of the schema have the code in the deprecated byte only, and
        # some newer ones not there. The package's own BuiltinCode takes codes below 127 from there.
        table = code._tab  # noqa: SLF001 - of generated code, which has no other way to it
        at = int(table.Offset(_BUILTIN_CODE)) + int(table.Pos)
        found = struct.unpack_from("<i", self._content, at)[0] if at > int(table.Pos) else 0
        number = max(found, int(code.DeprecatedBuiltinCode()))
        name = self._operators.get(number, f"operator {number}")
        custom = self._text(code.CustomCode())
        return f"CUSTOM {custom}" if name == "CUSTOM" else name

    def _buffer(self, buffer: Any) -> NDArray[np.uint8] | None:
        if buffer.Offset() > 1:
            msg = "its contents lie behind the flatbuffer, as in files of more than 2 GB"
            raise DamagedError(msg)
        return buffer.DataAsNumpy() if buffer.DataLength() else None

    def _tensor(self, tensor: Any, buffers: list[NDArray[np.uint8] | None]) -> Tensor:
        shape = self._numbers(tensor, "Shape")
        if len(shape) > _MAX_RANK or any(extent < 0 for extent in shape):
            msg = f"its shape is {list(shape[: _MAX_RANK + 1])}"
            raise DamagedError(msg)
        if tensor.Sparsity() is not None:
            msg = "it is stored as a sparse tensor, which is not read"
            raise RefusedError(msg, _NO_SPARSITY)
        number = int(tensor.Type())
        dtype = self._types.get(number, f"type {number}").lower()
        buffer = buffers[int(tensor.Buffer())]
        data = None if buffer is None else _array(buffer, dtype, shape)
        quantization = tensor.Quantization()
        scales, zeros, axis = (), (), 0
        if quantization is not None:
            scales = self._numbers(quantization, "Scale")
            zeros = self._numbers(quantization, "ZeroPoint")
            axis = int(quantization.QuantizedDimension())
        if len(zeros) not in {0, 1, len(scales)}:
            msg = f"it has {len(scales)} scales and {len(zeros)} zero points"
            raise DamagedError(msg)
        if len(scales) <= 1 or not 0 <= axis < len(shape):
            axis = 0  # converters of 2019 wrote 3 for biases, which have one dimension
        if len(scales) > 1 and shape[axis : axis + 1] != (len(scales),):
            msg = f"it has {len(scales)} scales along dimension {axis} of the shape {list(shape)}"
            raise DamagedError(msg)
        signature = self._numbers(tensor, "ShapeSignature")
        self._is_for_any_batch |= signature[:1] == (-1,)
        is_open = any(extent < 0 for extent in signature[1:])
        name = self._text(tensor.Name())
        return Tensor(name, shape, dtype, scales, zeros, axis, data, is_open)

    def _layer(self, operator: Any, names: list[str], tensors: list[Tensor]) -> Layer | None:
        """An operator; None for one that computes with shapes, whose result becomes a constant."""
        file_operator = names[int(operator.OpcodeIndex())]
        self.place = f"{self.place} ({file_operator})"
        inputs = self._tensor_numbers(operator, "Inputs", len(tensors), -1)
        outputs = self._tensor_numbers(operator, "Outputs", len(tensors), 0)
        given = [tensors[number] if number >= 0 else None for number in inputs]
        if len(outputs) == 1:
            name = options_of_computed(file_operator, given, tensors[outputs[0]])
            if name is not None:
                reads = Reads(self._options(operator, name or None), given, ())
                self._compute(file_operator, reads, outputs[0], tensors)
                return None
        known = OPERATORS.get(file_operator)
        if known is None:
            return Layer(file_operator, inputs, outputs, "none", {}, file_operator)
        options = self._options(operator, known.options_class)
        reads = Reads(options, given, [tensors[number] for number in outputs])
        moves_rows = self._is_for_any_batch and puts_rows_in_batch(file_operator, reads)
        is_open = moves_rows or any(tensor.is_open for tensor in reads.outputs)
        if is_open or not self._settled.isdisjoint(inputs):
            self._settle(file_operator, reads, outputs, tensors)
            reads = replace(reads, outputs=[tensors[number] for number in outputs])
        activation = known.activation
        if hasattr(options, "FusedActivationFunction"):
            code = int(options.FusedActivationFunction())
            activation = self._activations.get(code, f"activation {code}").lower()
        read = known.read(reads)
        if known.places:
            inputs = tuple(inputs[place] for place in known.places if place < len(inputs))
        return Layer(known.name, inputs, outputs, activation, read, file_operator)

    def _compute(self, operator: str, reads: Reads, number: int, tensors: list[Tensor]) -> None:
        """Make a constant of what is computed with shapes."""
        if tensors[number].data is not None:
            msg = "its result is a constant"
            raise DamagedError(msg)
        data = computed(operator, reads)
        tensors[number] = replace(tensors[number], shape=data.shape, data=data, is_open=False)

    def _settle(
        self, operator: str, reads: Reads, outputs: tuple[int, ...], tensors: list[Tensor]
    ) -> None:
        """Work out a shape that the file leaves open, or that follows from one."""
        shape = result_shape(operator, reads)
        if shape is not None and len(shape) <= _MAX_RANK:
            (number,) = outputs
            self._settled.add(number)
            tensors[number] = replace(tensors[number], shape=shape, is_open=False)

    def _options(self, operator: Any, name: str | None) -> Any:
        table = operator.BuiltinOptions()
        if name is None or table is None:
            return None
        if operator.BuiltinOptionsType() != getattr(self._schema.BuiltinOptions, name):
            msg = "its options are those of another operator"
            raise DamagedError(msg)
        options = getattr(self._schema, name)()
        options.Init(table.Bytes, table.Pos)
        return options


def _names(enumeration: Any) -> dict[int, str]:
    members = cast("dict[str, Any]", vars(enumeration))
    return {number: name for name, number in members.items() if not name.startswith("_")}


def _array(data: NDArray[np.uint8], dtype: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Contents in the type and shape of their tensor."""
    if dtype not in _DTYPES:
        return None
    element = _DTYPES[dtype]
    size = math.prod(shape) * int(element.itemsize)
    if data.size != size:
        msg = f"its contents are {data.size} bytes, and its shape {list(shape)} takes {size}"
        raise DamagedError(msg)
    return data.view(element).reshape(shape)
