"""Graphs as text: exact round trips, errors that show the place, and a golden file."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilograd.compiler import compile_model
from kilograd.errors import UserError
from kilograd.features import parse_features
from kilograd.frontend.open import load_model
from kilograd.ir import DType, Graph, Kind, Node, Phase, Quantization, TensorType, Value
from kilograd.ir.text import TextError, contents, parse_graph, print_graph
from kilograd.ops import REGISTRY
from kilograd.passes import verify
from kilograd.scheme import Scheme, load_scheme
from kilograd.targets import get_target
from operators.cases import all_cases
from operators.networks import residual_network
from strategies import programs

FORWARD = residual_network()
TRAINED = compile_model(FORWARD, load_scheme("last:3", FORWARD), get_target("cortex-m7")).graph
TEXT = print_graph(TRAINED, REGISTRY)
ARRAYS = contents(TRAINED)


def same(a: Graph, b: Graph) -> bool:
    return (
        (a.name, a.nodes, a.outputs, a.features) == (b.name, b.nodes, b.outputs, b.features)
        and list(a.values.items()) == list(b.values.items())
        and list(a.updates.items()) == list(b.updates.items())
    )


def round_trip(graph: Graph) -> Graph:
    return parse_graph(
        print_graph(graph, REGISTRY), contents(graph), REGISTRY, read_features=parse_features
    )


@pytest.mark.parametrize("scheme", ["none", "head", "bias:4", "last:3", "full", "split"])
def test_round_trip_of_a_network(scheme):
    graph = FORWARD
    if scheme == "split":
        shares = {"block1.expand": 0.3, "stem": 0.5, "block2.depthwise": 0.4}
        graph = compile_model(
            graph, Scheme("split", ("head",), shares), get_target("cortex-m7")
        ).graph
    elif scheme != "none":
        graph = compile_model(graph, load_scheme(scheme, graph), get_target("cortex-m7")).graph
    parsed = round_trip(graph)
    assert same(parsed, graph)
    assert print_graph(parsed) == print_graph(graph)
    verify(parsed, after="parsing")


def test_round_trip_of_what_a_network_reads():
    graph = load_model("kilograd-motion")
    assert same(round_trip(graph), graph)
    assert "\nfeatures " in print_graph(graph)
    assert "features" not in print_graph(FORWARD)


@pytest.mark.thorough
@settings(max_examples=40, deadline=None)
@given(programs())
def test_round_trip_of_random_networks(program):
    assert same(round_trip(program.graph), program.graph)


@given(
    st.lists(
        st.floats(min_value=1e-300, max_value=1e300, allow_subnormal=False), min_size=1, max_size=9
    ),
    st.integers(-(2**31), 2**31),
)
def test_floats_keep_every_bit(scales, zero_point):
    quantization = Quantization(tuple(scales), zero_point, 0)
    x = Value("x", TensorType((2, 1), DType.INT16, quantization), Kind.INPUT)
    parsed = round_trip(Graph("g", {"x": x}, (), ("x",)))
    assert parsed.values["x"].type.quantization == quantization


@given(st.text(min_size=1), st.text(), st.text(min_size=1))
def test_any_name_survives(value, layer, graph_name):
    x = Value(value, TensorType((1, 1, 3)), Kind.INPUT)
    y = Value(f"{value}'", TensorType((1,), DType.UINT8), Kind.ACTIVATION)
    attributes = REGISTRY["clamp_mask"].attributes_type()
    node = Node(value, "clamp_mask", (x.name,), (y.name,), attributes, layer, Phase.TRAINING)
    graph = Graph(graph_name, {x.name: x, y.name: y}, (node,), (y.name,))
    assert same(round_trip(graph), graph)


def test_every_operators_attributes_survive():
    for item in all_cases():
        types = (*item.case.inputs, *item.outputs)
        values = {f"v{i}": Value(f"v{i}", t, Kind.ACTIVATION) for i, t in enumerate(types)}
        names, count = tuple(values), len(item.case.inputs)
        reads, makes = names[:count], names[count:]
        node = Node("n", item.spec.name, reads, makes, item.case.attributes, "layer")
        graph = Graph("g", values, (node,), makes, dict(zip(reads[:1], makes, strict=False)))
        assert same(round_trip(graph), graph), item


@dataclass(frozen=True)
class Inner:
    flag: bool
    text: str


@dataclass(frozen=True)
class Everything:
    inner: Inner
    pair: tuple[int, float]
    many: tuple[Inner, ...]
    maybe: Inner | None
    count: int | None = 3


def test_attributes_of_every_type():
    inner = Inner(flag=True, text='quotes " and\nlines %x # (')
    for maybe in (None, inner):
        attributes = Everything(inner, (-3, 1e-7), (inner, Inner(flag=False, text="")), maybe)
        node = Node("n", "op", (), (), attributes, "layer")
        graph = Graph("g", {}, (node,), ())
        assert parse_graph(
            print_graph(graph),
            {},
            {"op": SimpleNamespace(attributes_type=Everything, operand_names=lambda _: ())},
        ).nodes == (node,)


def test_what_has_no_text_form_is_a_fault():
    node = Node("n", "op", (), (), [1], "layer")
    with pytest.raises(TypeError, match="list has no text form"):
        print_graph(Graph("g", {}, (node,), ()))


def test_an_operand_under_another_name_is_refused():
    text = TEXT.replace("bias=%stem.bias", "weight=%stem.bias")
    with pytest.raises(TextError, match="this input of conv is bias, not weight"):
        parse_graph(text, ARRAYS, REGISTRY)


def test_golden_text(golden):
    shares = {"block1.expand": 0.4, "block2.depthwise": 0.5, "head": 1.0}
    scheme = Scheme("golden", ("block1.project", "block2.project", "head"), shares)
    golden(
        "small_residual.ir",
        print_graph(compile_model(FORWARD, scheme, get_target("cortex-m7")).graph, REGISTRY),
    )


def test_comments_and_blank_lines_mean_nothing():
    lines = [line + "  # words (" for line in TEXT.splitlines()]
    text = "# a graph\n\n" + "\n\n\t \n".join(lines) + "\r\n"
    assert same(parse_graph(text, ARRAYS, REGISTRY), TRAINED)


HEAD = "graph g\ninput %x: int8[1,1,3], Quantization(scales=(0.5,), zero_point=0, axis=None)\n"
MASK = "activation %y: uint8[1]\nnode n (layer l, training): %y = clamp_mask(%x) with "
WINDOW = "Window(height=3, width=3, stride=1, top=1, bottom=1, left=1, right=1)"
OUTPUT = "Quantization(scales=(0.5,), zero_point=0, axis=None)"
CONV = "activation %y: uint8[1]\nnode n (layer l, training): %y = conv(%x) with WindowedAttributes("
ERRORS = [
    ("", 1, 1, "ends without a graph"),
    ("input %x: int8[3]", 1, 1, "starts with one line `graph NAME`"),
    (HEAD + "graph h", 3, 1, "starts with one line"),
    (HEAD + "inputs %z: int8[3]", 3, 1, "expected input, constant"),
    (HEAD + "input %x: int8[3]", 3, 7, "%x is declared twice"),
    (HEAD + "input %z: int7[3]", 3, 11, "int7 is no element type (int8"),
    (HEAD + "input %z: int8[3,0]", 3, 11, "at least 1, got (3, 0)"),
    (HEAD + "input %z: int8[3.5]", 3, 16, "expected a whole number"),
    (HEAD + "input %z: int8[3", 3, 17, "expected ','"),
    (HEAD + "input %z: int8[3], Quantization(scales=(), zero_point=0, axis=None)", 3, 20, "posit"),
    (HEAD + "input %z: int8[3], Quantization(scales=(1e999,))", 3, 41, "too large"),
    (HEAD + "input %z: int8[3], Quantization(zero_point=0)", 3, 20, "lacks scales, axis"),
    (HEAD + "input %z: int8[3], Quantization(zero=0)", 3, 33, "no field of Quantization (scales"),
    (HEAD + "input %z: int8[3], Quantization(axis=0, axis=1)", 3, 41, "axis is given twice"),
    (HEAD + "constant %c: int8[3]", 3, 10, "no array for %c"),
    (HEAD + "constant %a: int8[3]", 3, 10, "array for %a is int8[2]"),
    (HEAD + "output %z", 3, 8, "no value %z"),
    (HEAD + "output %x %x", 3, 11, "expected the end of the line"),
    (HEAD + "output x", 3, 8, "expected a value, as %name"),
    (HEAD + "update %x %x", 3, 11, "expected '->'"),
    (HEAD + 'output %"\\q"', 3, 8, "not a quoted name"),
    (HEAD + "output %x ;", 3, 11, "';' is not expected here"),
    (HEAD + MASK + "NoAttribute()", 4, 54, "expected 'NoAttributes'"),
    (HEAD + (MASK + "NoAttributes()").replace("training", "never"), 4, 18, "inference or training"),
    (HEAD + MASK.replace("clamp_mask", "clampmask"), 4, 34, "did you mean clamp_mask?"),
    (HEAD + CONV + f"window={WINDOW}, output={OUTPUT}", 4, 204, "expected ','"),
    (HEAD + CONV + "trained_channels=(1, 2", 4, 89, "expected ','"),
    (HEAD + CONV + f"trained_channels=({'9' * 50},)", 4, 85, "too long"),
]


@pytest.mark.parametrize(("text", "line", "column", "what"), ERRORS)
def test_errors_show_the_place(text, line, column, what):
    with pytest.raises(TextError) as caught:
        parse_graph(text, {"a": np.zeros(2, np.int8)}, REGISTRY, "net.ir")
    error = caught.value
    assert (error.line, error.column) == (line, column), str(error)
    assert what in str(error)
    first, source, caret = str(error).splitlines()
    assert first.startswith(f"net.ir:{line}:{column}: ")
    shown = text.split("\n")[line - 1]
    width = caret.count("^")
    start = caret.index("^")
    assert source.strip(" …") in shown
    assert shown[column - 1 : column - 1 + width] == source[start : start + width]
    assert isinstance(error, UserError)
    assert error.exit_code == 2


PIECES = [
    "%",
    '"',
    "(",
    ")",
    ",",
    "->",
    "1e999",
    "-",
    "node",
    "state",
    "None",
    "\\",
    "\n",
    "…",
    "0",
]


@st.composite
def broken_texts(draw):
    """The text of a real graph with pieces cut out, doubled, put in or swapped."""
    text = draw(st.sampled_from([TEXT, HEAD + CONV + f"window={WINDOW}, output={OUTPUT})"]))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.sampled_from([0, 1, 2, 10, 100, 10**6])))
        middle = draw(st.sampled_from(["", text[start:stop] * 2, *PIECES]) | st.text(max_size=3))
        text = text[:start] + middle + text[stop:]
    return text


@settings(max_examples=400, deadline=None)
@given(broken_texts() | st.text())
def test_any_text_is_a_graph_or_a_text_error(text):
    try:
        graph = parse_graph(text, ARRAYS, REGISTRY)
    except TextError as error:
        assert 1 <= error.line <= text.count("\n") + 1  # noqa: PT017 - either outcome is right
        assert str(error).startswith(f"<text>:{error.line}:{error.column}: ")  # noqa: PT017
    else:
        assert same(round_trip(graph), graph)


def test_truncated_at_every_place():
    for end in range(0, len(TEXT), 67):
        try:
            parse_graph(TEXT[:end], ARRAYS, REGISTRY)
        except TextError as error:
            assert error.column > 0  # noqa: PT017


def test_the_arrays_are_taken_as_they_are():
    moved = {name: array + 1 for name, array in ARRAYS.items()}
    graph = parse_graph(TEXT, moved, REGISTRY)
    assert not same(graph, TRAINED)
    name = TRAINED.states[0].name
    assert graph.values[name] == replace(TRAINED.values[name], data=moved[name])
