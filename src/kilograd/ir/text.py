"""The text form of a graph: one line a value, a node, a result. It round-trips.

::

    graph small
    input %input: int8[8,8,3], Quantization(scales=(0.03,), zero_point=-3, axis=None)
    constant %stem.bias: int32[5]
    activation %stem: int8[4,4,5], Quantization(scales=(0.1,), zero_point=0, axis=None)
    node stem (layer stem, inference): %stem = conv(%input, %stem.bias) with WindowedAttributes(…)
    target dsp, unaligned
    update %head.bias -> %head.bias_update
    rows stem, blocks.0.depthwise
    output %head

The contents of constants and states are not in the text: they are arrays, referenced by name.
Names that are not plain words are quoted as in JSON. A ``#`` starts a comment.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import typing
from typing import TYPE_CHECKING, Any

from kilograd.ir.graph import Graph, Node, Phase, RowGroup
from kilograd.ir.line import Line, TextError, Token
from kilograd.ir.types import DType, Kind, Quantization, TensorType, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def contents(graph: Graph) -> dict[str, NDArray[Any]]:
    """What the text leaves out: the arrays of constants and states, by name."""
    return {value.name: value.data for value in graph.values.values() if value.data is not None}


def print_graph(graph: Graph) -> str:
    """The graph without its arrays."""
    lines = [f"graph {_word(graph.name)}", ""]
    lines += [_print_value(value) for value in graph.values.values()]
    lines += ["", *(_print_node(node) for node in graph.nodes), ""]
    if graph.target_features:
        lines.append(f"target {', '.join(map(_word, sorted(graph.target_features)))}")
    if graph.features:
        lines.append(f"features {json.dumps(graph.features)}")
    lines += [f"update {_ref(state)} -> {_ref(new)}" for state, new in graph.updates.items()]
    for group in graph.row_groups:
        keyword = "input_rows" if group.row_input else "rows"
        lines.append(f"{keyword} {', '.join(map(_word, group.nodes))}")
    lines += [f"output {_ref(name)}" for name in graph.outputs]
    return "\n".join(lines) + "\n"


def parse_graph(
    text: str,
    arrays: Mapping[str, NDArray[Any]],
    attribute_types: Mapping[str, type],
    where: str = "<text>",
) -> Graph:
    """The graph that a text describes. Only its form is checked; see ``passes.verify``.

    Args:
        text: as ``print_graph`` makes it.
        arrays: contents of the constants and states, by name.
        attribute_types: operator name -> its dataclass of attributes.
        where: name of the file, for errors.

    Raises:
        TextError: names the place and what is wrong there.
    """
    reader = _Reader(arrays, attribute_types)
    lines = text.split("\n")
    for number, source in enumerate(lines, 1):
        line = Line(where, number, source)
        if line.tokens:
            reader.statement(line)
    if reader.name is None:
        source = lines[-1]
        raise TextError(
            "the text ends without a graph",
            file=where,
            source=source,
            line=len(lines),
            column=len(source) + 1,
        )
    return Graph(
        reader.name,
        reader.values,
        tuple(reader.nodes),
        tuple(reader.outputs),
        reader.updates,
        reader.features,
        tuple(reader.row_groups),
        frozenset(reader.target_features),
    )


def _word(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)


def _ref(name: str) -> str:
    return f"%{_word(name)}"


def _refs(names: Iterable[str]) -> str:
    return ", ".join(_ref(name) for name in names)


def _print_value(value: Value) -> str:
    shape = ",".join(map(str, value.type.shape))
    head = f"{value.kind.value} {_ref(value.name)}: {value.type.dtype.value}[{shape}]"
    quantization = value.type.quantization
    return head if quantization is None else f"{head}, {_print_attribute(quantization)}"


def _print_node(node: Node) -> str:
    return (
        f"node {_word(node.name)} (layer {_word(node.layer)}, {node.phase.value}): "
        f"{_refs(node.outputs)} = {_word(node.operator)}({_refs(node.inputs)})"
        f" with {_print_attribute(node.attributes)}"
    )


def _print_attribute(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return json.dumps(str(value))
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, tuple):
        items = [_print_attribute(item) for item in typing.cast("tuple[Any, ...]", value)]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [
            f"{field.name}={_print_attribute(getattr(value, field.name))}"
            for field in dataclasses.fields(value)
        ]
        return f"{type(value).__name__}({', '.join(fields)})"
    msg = f"an attribute of type {type(value).__name__} has no text form"
    raise TypeError(msg)


class _Reader:
    """Collects what the statements say."""

    def __init__(
        self, arrays: Mapping[str, NDArray[Any]], attribute_types: Mapping[str, type]
    ) -> None:
        self._arrays = arrays
        self._attribute_types = attribute_types
        self.name: str | None = None
        self.values: dict[str, Value] = {}
        self.nodes: list[Node] = []
        self.outputs: list[str] = []
        self.updates: dict[str, str] = {}
        self.features = ""
        self.row_groups: list[RowGroup] = []
        self.target_features: list[str] = []

    def statement(self, line: Line) -> None:
        keyword = line.take("word", "graph, a value's kind, node, features, update or output")
        if (self.name is None) != (keyword.text == "graph"):
            first = "a text starts with one line `graph NAME`"
            raise line.error(first, keyword)
        if keyword.text == "graph":
            self.name = line.name("the graph's name").text
        elif keyword.text in list(Kind):
            self._value(line, Kind(keyword.text))
        elif keyword.text == "node":
            self._node(line)
        elif keyword.text == "update":
            state = self._known(line, line.ref())
            line.skip("->")
            self.updates[state] = self._known(line, line.ref())
        elif keyword.text in ("rows", "input_rows"):
            names = [self._known_node(line)]
            while line.accept(","):
                names.append(self._known_node(line))
            self.row_groups.append(RowGroup(tuple(names), keyword.text == "input_rows"))
        elif keyword.text == "output":
            self.outputs.append(self._known(line, line.ref()))
        elif keyword.text == "target":
            self.target_features.append(line.name("a feature of the target").text)
            while line.accept(","):
                self.target_features.append(line.name("a feature of the target").text)
        elif keyword.text == "features":
            self.features = line.name("features as JSON").text
        else:
            kinds = ", ".join(kind.value for kind in Kind)
            raise line.error(f"expected {kinds}, node, features, update, rows or output", keyword)
        line.end()

    def _value(self, line: Line, kind: Kind) -> None:
        name = line.ref()
        if name.text in self.values:
            raise line.error(f"%{name.text} is declared twice", name)
        line.skip(":")
        dtype = line.take("word", "an element type")
        if dtype.text not in list(DType):
            known = ", ".join(d.value for d in DType)
            raise line.error(f"{dtype.text} is no element type ({known})", dtype)
        line.skip("[")
        shape: list[int] = []
        while not line.accept("]"):
            if shape:
                line.skip(",")
            shape.append(line.number(int))
        quantization = line.attribute(Quantization) if line.accept(",") else None
        try:
            type_ = TensorType(tuple(shape), DType(dtype.text), quantization)
        except ValueError as error:
            raise line.error(str(error), dtype) from error
        data = None
        if kind in (Kind.CONSTANT, Kind.STATE):
            data = self._arrays.get(name.text)
            if data is None:
                raise line.error(f"there is no array for %{name.text}", name)
            if data.shape != type_.shape or data.dtype != type_.dtype.numpy:
                held = f"{data.dtype}{list(data.shape)}"
                raise line.error(f"the array for %{name.text} is {held}", name)
        self.values[name.text] = Value(name.text, type_, kind, data)

    def _node(self, line: Line) -> None:
        name = line.name("the node's name").text
        line.skip("(", "layer")
        layer = line.name("the layer's name").text
        line.skip(",")
        phase = line.take("word", "inference or training")
        if phase.text not in list(Phase):
            raise line.error("expected inference or training", phase)
        line.skip(")", ":")
        outputs = [self._known(line, token) for token in line.refs("=")]
        operator = line.name("an operator")
        if operator.text not in self._attribute_types:
            near = difflib.get_close_matches(operator.text, self._attribute_types, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise line.error(f"there is no operator {operator.text}{hint}", operator)
        line.skip("(")
        inputs = [self._known(line, token) for token in line.refs(")")]
        line.skip("with")
        attributes = line.attribute(self._attribute_types[operator.text])
        self.nodes.append(
            Node(
                name,
                operator.text,
                tuple(inputs),
                tuple(outputs),
                attributes,
                layer,
                Phase(phase.text),
            )
        )

    def _known_node(self, line: Line) -> str:
        token = line.name("a node's name")
        if token.text not in {node.name for node in self.nodes}:
            raise line.error(f"there is no node {token.text}", token)
        return token.text

    def _known(self, line: Line, token: Token) -> str:
        if token.text not in self.values:
            raise line.error(f"there is no value %{token.text}", token)
        return token.text


__all__ = ["TextError", "contents", "parse_graph", "print_graph"]
