"""Reads an .onnx file, which may come from anywhere, into plain records.

Files are in the QDQ format: a float operator between DequantizeLinear and QuantizeLinear is one
layer of integers. Nothing of the file is run, no shape that it states is believed but that of its
input, and whatever goes wrong on the way becomes one ``ModelError``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kilograd.errors import ModelError
from kilograd.frontend.content import read_content
from kilograd.frontend.malformed import MALFORMED
from kilograd.frontend.network import Advice, Layer, Network, Tensor
from kilograd.frontend.onnx.constants import folded
from kilograd.frontend.onnx.draft import Draft
from kilograd.frontend.onnx.errors import DamagedError, RefusedError, shown
from kilograd.frontend.onnx.functions import as_layer, ended, traced
from kilograd.frontend.onnx.graph import GraphInput, Node, OnnxGraph, parse
from kilograd.frontend.onnx.layout import sample_map
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.operators import OPERATORS
from kilograd.frontend.onnx.order import in_order
from kilograd.frontend.onnx.qoperator import in_qdq
from kilograd.frontend.onnx.refusals import refused_operator, refused_operators
from kilograd.frontend.onnx.values import Constant, Dequantized, Pending, Stored, Traced, Value
from kilograd.frontend.onnx.versions import as_newer

#: Operators whose results are of classes, so that they are not the sample again.
_OF_CLASSES = {"softmax", "log_softmax", "arg_max"}

#: Largest file; a microcontroller holds far less.
_MAX_BYTES = 64 * 1024**2

ADVICE = Advice(
    int8="quantize the network with kilograd quantize, which makes maps and weights int8",
    unsigned="quantize the network with activation_type and weight_type QuantType.QInt8",
)
"""What helps users of .onnx files."""


def read_onnx(path: Path) -> Network:
    """The network in an .onnx file.

    Args:
        path: of the file.

    Raises:
        ModelError: when it is no such file, or damaged, or not quantized to int8 in the QDQ format.
    """
    return network_of(read_content(path, _MAX_BYTES), path.stem, str(path))


def network_of(content: bytes, name: str, where: str) -> Network:
    """The network in the contents of an .onnx file.

    Args:
        content: bytes of the file.
        name: of the network.
        where: the file, for messages.

    Raises:
        ModelError: as for ``read_onnx``.
    """
    reader = Reader()
    try:
        return reader.network(content, name)
    except (DamagedError, RefusedError, ImportError, *MALFORMED) as error:
        raise in_words(error, where, reader.place) from error


def in_words(error: Exception, where: str, place: str = "") -> ModelError:
    """What went wrong while a file was read, as its user is told.

    Args:
        error: what was raised.
        where: the file.
        place: the node that was being read, if any.
    """
    before = f"{place}: " if place else ""
    if isinstance(error, RefusedError):
        return ModelError(f"{before}{error.reason}", where=where, hint=error.hint)
    if isinstance(error, ImportError):
        return ModelError(
            "reading .onnx files needs the package onnx, which is not installed",
            where=where,
            hint="pip install 'kilograd[onnx]'",
        )
    found = str(error)
    if not isinstance(error, DamagedError):
        found = f"{type(error).__name__}: {shown(error)}"
    return ModelError(
        f"this .onnx file is damaged: {before}{found}",
        where=where,
        hint="export the network again, or copy the file again",
    )


def read_graph(content: bytes) -> OnnxGraph:
    """The graph in the bytes of a file: in the QDQ format, and of newer operators.

    Raises:
        DamagedError: when they contradict the format.
        RefusedError: when they are sound, and cannot be read.
        ImportError: when the package onnx is missing.
    """
    return in_order(in_qdq(as_newer(parse(content))))


class Reader:
    """Reads one file.

    Attributes:
        place: which node is being read, for messages; empty before the first.
        stored: name of a value -> the network's tensor that holds it.
    """

    def __init__(self) -> None:
        self.place = ""
        self.stored: dict[str, Stored] = {}

    def network(self, content: bytes, name: str) -> Network:
        """The network in the bytes of a file.

        Args:
            content: of the file.
            name: of the network.

        Raises:
            DamagedError: when they contradict the format.
            RefusedError: when they are sound, and cannot be read.
            ImportError: when the package onnx is missing.
        """
        graph = read_graph(content)
        refused_operators(graph)
        draft = Draft(graph.constants)
        inputs = tuple(self._input(draft, graph, entry) for entry in graph.inputs)
        for node in graph.nodes:
            title = f"{node.operator}, {node.name}" if node.name else node.operator
            self.place = f"node {node.number} ({shown(title)})"
            self._append(draft, node)
        self.place = ""
        samples = [self.stored[entry.name].map for entry in graph.inputs]
        outputs = tuple(self._output(draft, output, samples) for output in graph.outputs)
        return Network(
            name,
            tuple(draft.tensors),
            tuple(draft.layers),
            inputs,
            outputs,
            ADVICE,
            graph.pixel_range,
        )

    def _name(self, draft: Draft, name: str, value: Value) -> None:
        if name in draft.values:
            msg = f"another node, or a constant, makes {shown(name)}"
            raise DamagedError(msg)
        draft.values[name] = value
        if isinstance(value, Stored):
            self.stored[name] = value

    def _input(self, draft: Draft, graph: OnnxGraph, entry: GraphInput) -> int:
        map_ = sample_map(graph, entry)
        number = draft.store(Tensor(entry.name, map_.stored, entry.dtype, is_open=entry.is_open))
        self._name(draft, entry.name, Stored(number, map_))
        return number

    def _append(self, draft: Draft, node: Node) -> None:
        if not node.outputs or not node.outputs[0]:
            msg = "it has no result"
            raise DamagedError(msg)
        made = folded(draft, node) or traced(draft, node)
        if made is None:
            build = OPERATORS.get(node.operator)
            if build is None:
                raise refused_operator(node.operator)
            self._end_functions(draft, node)
            made = build(draft, node)
        values = made if isinstance(made, tuple) else (made,)
        for name, value in zip(node.outputs, values, strict=False):
            if name:  # some results are optional
                self._name(draft, name, value)

    def _end_functions(self, draft: Draft, node: Node) -> None:
        """Turn functions that a node does not go on with into layers."""
        for name in node.inputs:
            value = draft.values.get(name)
            if isinstance(value, Traced) and node.operator != "QuantizeLinear":
                draft.values[name] = as_layer(draft, value)

    def _output(self, draft: Draft, name: str, samples: Sequence[Map]) -> int:
        """Number of the tensor that holds a result."""
        value = draft.values.get(name)
        if value is None:
            msg = f"no node makes its output {shown(name)}"
            raise DamagedError(msg)
        if isinstance(value, Constant):
            raise RefusedError(f"its output {shown(name)} is a constant")
        if isinstance(value, Traced):
            value = as_layer(draft, value)
        if isinstance(value, Pending):
            value = ended(draft, value)
        is_stored = isinstance(value, Stored)
        makers = {number: layer.operator for layer in draft.layers for number in layer.outputs}
        may_be_sample = draft.tensors[value.number].scales and (
            makers.get(value.number) not in _OF_CLASSES
        )
        made = _as_sample(value.map, samples) if may_be_sample else value.map
        value = draft.arranged(Dequantized(value.number, value.map), made)
        if not is_stored:
            tensor = draft.tensors[value.number]
            made = draft.store(replace(tensor, dtype="float32", scales=(), zero_points=()))
            layer = Layer("dequantize", (value.number,), (made,), "none", {}, "DequantizeLinear")
            draft.layers.append(layer)
            return made
        return value.number


def _as_sample(made: Map, samples: Sequence[Map]) -> Map:
    """How a network's result has to lie: as its sample, if it has as many elements."""
    for sample in samples:
        same = sample if made.shape == sample.shape else sample.reshaped(made.shape)
        if same is not None:
            return same
    return made if made.pieces is None else made.in_file_order()
