"""The text form of a graph: one line a value, a node, a result. It round-trips.

::

    graph small
    input %input: int8[8,8,3], Quantization(scales=(0.03,), zero_point=-3, axis=None)
    constant %stem.bias: int32[5]
    activation %stem: int8[4,4,5], Quantization(scales=(0.1,), zero_point=0, axis=None)
    node stem (layer stem, inference): %stem = conv(x=%input, …) with WindowedAttributes(…)
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
from typing import TYPE_CHECKING, Any, Protocol

from kilograd.errors import UserError
from kilograd.ir.graph import PIXEL_RANGE, Graph, InputFeatures, Node, Phase, RowGroup
from kilograd.ir.labels import VALUE_RANGE, LabelKind
from kilograd.ir.line import Line, TextError, Token
from kilograd.ir.types import DType, Kind, Quantization, TensorType, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


class OperatorForm(Protocol):
    """What the text must know of an operator."""

    @property
    def attributes_type(self) -> type:
        """The dataclass of its attributes."""
        ...

    def operand_names(self, attributes: Any) -> Sequence[str]:
        """Names of the operands of a node with these attributes, in order."""
        ...


def contents(graph: Graph) -> dict[str, NDArray[Any]]:
    """What the text leaves out: the arrays of constants and states, by name."""
    return {value.name: value.data for value in graph.values.values() if value.data is not None}


def print_graph(graph: Graph, operators: Mapping[str, OperatorForm] | None = None) -> str:
    """The graph without its arrays.

    Args:
        graph: to print.
        operators: by name; with them, every input of a node stands behind its operand's name.
    """
    lines = [f"graph {_word(graph.name)}", ""]
    lines += [_print_value(value) for value in graph.values.values()]
    lines += ["", *(_print_node(node, operators) for node in graph.nodes), ""]
    if graph.target_features:
        lines.append(f"target {', '.join(map(_word, sorted(graph.target_features)))}")
    if graph.is_foreign:
        lines.append("foreign")
    if graph.label_kind is LabelKind.SET:
        lines.append("label_sets")
    if graph.label_kind is LabelKind.VALUE:
        lines.append(f"values {', '.join(map(repr, graph.value_range))}")
    if graph.label_kind is LabelKind.ANOMALY:
        lines.append(f"anomalies {', '.join(map(repr, graph.value_range))}")
    if graph.pixel_range != PIXEL_RANGE:
        lines.append(f"pixels {', '.join(map(repr, graph.pixel_range))}")
    if graph.features is not None:
        lines.append(f"features {json.dumps(json.dumps(graph.features.as_dict()))}")
    lines += [f"update {_ref(state)} -> {_ref(new)}" for state, new in graph.updates.items()]
    for group in graph.row_groups:
        keyword = "input_rows" if group.row_input else "rows"
        lines.append(f"{keyword} {', '.join(map(_word, group.nodes))}")
    lines += [f"output {_ref(name)}" for name in graph.outputs]
    return "\n".join(lines) + "\n"


def parse_graph(
    text: str,
    arrays: Mapping[str, NDArray[Any]],
    operators: Mapping[str, OperatorForm],
    where: str = "<text>",
    read_features: Callable[[Any, TensorType], InputFeatures] | None = None,
) -> Graph:
    """The graph that a text describes. Only its form is checked; see ``passes.verify``.

    Args:
        text: as ``print_graph`` makes it.
        arrays: contents of the constants and states, by name.
        operators: by name; an input may stand behind its operand's name, which is then checked.
        where: name of the file, for errors.
        read_features: features from what ``as_dict`` gave and the type of the input; a text
            without features needs none.

    Raises:
        TextError: names the place and what is wrong there.
    """
    reader = _Reader(arrays, operators, read_features)
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
        reader.pixel_range,
        reader.is_foreign,
        reader.label_kind,
        reader.value_range,
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


def _print_node(node: Node, operators: Mapping[str, OperatorForm] | None) -> str:
    inputs = [_ref(name) for name in node.inputs]
    if operators is not None:
        names = operators[node.operator].operand_names(node.attributes)
        inputs = [f"{name}={ref}" for name, ref in zip(names, inputs, strict=True)]
    return (
        f"node {_word(node.name)} (layer {_word(node.layer)}, {node.phase.value}): "
        f"{_refs(node.outputs)} = {_word(node.operator)}({', '.join(inputs)})"
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
        self,
        arrays: Mapping[str, NDArray[Any]],
        operators: Mapping[str, OperatorForm],
        read_features: Callable[[Any, TensorType], InputFeatures] | None,
    ) -> None:
        self._arrays = arrays
        self._operators = operators
        self._read_features = read_features
        self.name: str | None = None
        self.values: dict[str, Value] = {}
        self.nodes: list[Node] = []
        self.outputs: list[str] = []
        self.updates: dict[str, str] = {}
        self.features: InputFeatures | None = None
        self.row_groups: list[RowGroup] = []
        self.target_features: list[str] = []
        self.pixel_range = PIXEL_RANGE
        self.is_foreign = False
        self.label_kind = LabelKind.CLASS
        self.value_range = VALUE_RANGE
        self._statements: dict[str, Callable[[Line], None]] = {
            "graph": self._graph,
            "node": self._node,
            "update": self._update,
            "rows": self._rows,
            "input_rows": self._rows,
            "output": lambda line: self.outputs.append(self._known(line, line.ref())),
            "features": self._features,
            "target": self._target,
            "pixels": self._pixels,
            "foreign": self._foreign,
            "label_sets": self._label_sets,
            "values": self._values,
            "anomalies": self._values,
            **{kind.value: self._value for kind in Kind},
        }

    def statement(self, line: Line) -> None:
        keyword = line.take("word", "graph, a value's kind, node, features, update or output")
        if (self.name is None) != (keyword.text == "graph"):
            first = "a text starts with one line `graph NAME`"
            raise line.error(first, keyword)
        if keyword.text not in self._statements:
            kinds = ", ".join(kind.value for kind in Kind)
            others = "target, foreign, label_sets, values, anomalies, pixels, features, update"
            raise line.error(f"expected {kinds}, node, {others}, rows or output", keyword)
        self._keyword = keyword.text
        self._statements[keyword.text](line)
        line.end()

    def _graph(self, line: Line) -> None:
        self.name = line.name("the graph's name").text

    def _update(self, line: Line) -> None:
        state = self._known(line, line.ref())
        line.skip("->")
        self.updates[state] = self._known(line, line.ref())

    def _rows(self, line: Line) -> None:
        names = [self._known_node(line)]
        while line.accept(","):
            names.append(self._known_node(line))
        self.row_groups.append(RowGroup(tuple(names), self._keyword == "input_rows"))

    def _target(self, line: Line) -> None:
        self.target_features.append(line.name("a feature of the target").text)
        while line.accept(","):
            self.target_features.append(line.name("a feature of the target").text)

    def _foreign(self, line: Line) -> None:
        del line
        self.is_foreign = True

    def _label_sets(self, line: Line) -> None:
        del line
        self.label_kind = LabelKind.SET

    def _values(self, line: Line) -> None:
        low = line.number(float)
        line.skip(",")
        is_value = self._keyword == "values"
        self.label_kind = LabelKind.VALUE if is_value else LabelKind.ANOMALY
        self.value_range = (low, line.number(float))

    def _pixels(self, line: Line) -> None:
        ends = [line.number(float)]
        while len(ends) % 2 or line.peek():
            line.skip(",")
            ends.append(line.number(float))
        self.pixel_range = tuple(ends)

    def _features(self, line: Line) -> None:
        stated = line.name("features as JSON")
        inputs = [value for value in self.values.values() if value.kind is Kind.INPUT]
        if self._read_features is None or not inputs:
            raise line.error("nobody here reads features, or there is no input yet", stated)
        try:
            self.features = self._read_features(json.loads(stated.text), inputs[0].type)
        except (ValueError, UserError) as error:
            raise line.error(f"these are no features: {error}", stated) from error

    def _value(self, line: Line) -> None:
        kind = Kind(self._keyword)
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
        if operator.text not in self._operators:
            near = difflib.get_close_matches(operator.text, self._operators, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise line.error(f"there is no operator {operator.text}{hint}", operator)
        line.skip("(")
        given = line.named_refs(")")
        inputs = [self._known(line, token) for _, token in given]
        line.skip("with")
        form = self._operators[operator.text]
        attributes = line.attribute(form.attributes_type)
        for (called, token), operand in zip(given, form.operand_names(attributes), strict=False):
            if called not in (None, operand):
                what = f"this input of {operator.text} is {operand}, not {called}"
                raise line.error(what, token)
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
