"""Damaged and hostile .tflite files: a message in words, soon, whatever the bytes are."""

import struct
import time

import flatbuffers
import numpy as np
import pytest
import tflite
from damage import flipped, overwritten, shortened
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_files import Draft, small_network

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.frontend.tflite import read_tflite, reader
from kilograd.ir import Graph
from kilograd.passes.verify import verify

CONTENT = small_network().content()


def outcome(path, content, classes=None):
    """The graph, which is valid, or the error about it."""
    path.write_bytes(content)
    try:
        graph = load_model(str(path), classes)
    except ModelError as error:
        return error
    verify(graph, "reading")
    return graph


@pytest.fixture
def refused(tmp_path):
    """The message about a draft, or about bytes."""

    def load(file):
        content = file if isinstance(file, bytes) else file.content()
        error = outcome(tmp_path / "net.tflite", content)
        assert isinstance(error, ModelError)
        assert error.where == str(tmp_path / "net.tflite")
        return str(error)

    return load


def test_a_file_of_another_kind(refused):
    for content in (b"", b"TFL3", b"\x1c\0\0\0TFL2" + bytes(99), b"PK\3\4" + bytes(40)):
        assert "this is not a .tflite file: it lacks the identifier TFL3" in refused(content)


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(ModelError, match="the file cannot be read"):
        read_tflite(tmp_path)
    with pytest.raises(ModelError, match="the file cannot be read: No such file"):
        read_tflite(tmp_path / "none.tflite")


def test_a_file_that_is_too_large(refused, monkeypatch):
    monkeypatch.setattr(reader, "MOST_BYTES", 1024**2)
    assert "the file is larger than 1 MiB" in refused(CONTENT + bytes(1024**2))


def spoilt(change):
    draft = small_network()
    change(draft)
    return draft


def constant(draft, place, number):
    return draft.tensors[draft.operators[place].inputs[number]]


DAMAGED = {
    "version": (lambda d: setattr(d, "version", 2), "version 2 of the schema, not 3"),
    "no subgraph": (lambda d: setattr(d, "subgraphs", 0), "it has 0 subgraphs"),
    "buffer": (lambda d: setattr(d.tensors[0], "buffer", 99), "tensor 0: IndexError"),
    "input": (lambda d: d.inputs.append(-1), "inputs and outputs: there is no tensor -1"),
    "output": (lambda d: d.outputs.append(99), "inputs and outputs: there is no tensor 99"),
    "operand": (
        lambda d: d.operators[0].inputs.append(99),
        "operator 0 (CONV_2D): there is no tensor 99",
    ),
    "missing operand": (lambda d: d.operators[0].inputs.clear(), "(CONV_2D): it has no input 0"),
    "scales": (
        lambda d: constant(d, 0, 1).__dict__.update(scales=(0.1,) * 3, zeros=()),
        "tensor 1: it has 3 scales along dimension 0 of the shape [4, 3, 3, 3]",
    ),
    "bytes of another shape": (
        lambda d: setattr(constant(d, 0, 1), "shape", (4, 3, 3, 4)),
        "tensor 1: its contents are 108 bytes, and its shape [4, 3, 3, 4] takes 144",
    ),
    "negative shape": (
        lambda d: setattr(d.tensors[0], "shape", (1, -1, 6, 3)),
        "tensor 0: its shape is [1, -1, 6, 3]",
    ),
    "many dimensions": (
        lambda d: setattr(d.tensors[0], "shape", (1,) * 30),
        "tensor 0: its shape is [1, 1, 1, 1, 1, 1, 1, 1, 1]",
    ),
    "zero points": (
        lambda d: setattr(constant(d, 0, 1), "zeros", (0, 0)),
        "tensor 1: it has 4 scales and 2 zero points",
    ),
    "contents elsewhere": (
        lambda d: setattr(d, "buffer_offset", 10**10),
        "buffer 0: its contents lie behind the flatbuffer",
    ),
    "stride": (
        lambda d: d.operators[0].options.update(StrideH=0),
        "operator 0 (CONV_2D): its strides are 0 and 1",
    ),
    "dilation": (
        lambda d: d.operators[0].options.update(DilationWFactor=-1),
        "operator 0 (CONV_2D): its dilations are 1 and -1",
    ),
    "padding": (
        lambda d: d.operators[0].options.update(Padding=7),
        "operator 0 (CONV_2D): its padding has the unknown code 7",
    ),
    "window": (
        lambda d: d.operators[6].options.update(FilterWidth=0),
        "operator 6 (AVERAGE_POOL_2D): its window is 3×0",
    ),
    "depth": (
        lambda d: d.operators[1].options.update(DepthMultiplier=3),
        "it makes 4 channels of 4, and its options say 3 of each",
    ),
    "no options": (lambda d: setattr(d.operators[0], "table", None), "it has no options"),
    "options of another": (
        lambda d: (d.operators[0].options.clear(), setattr(d.operators[0], "table", "AddOptions")),
        "operator 0 (CONV_2D): its options are those of another operator",
    ),
    "dimensions": (
        lambda d: setattr(d.tensors[0], "shape", (1, 108)),
        "operator 0 (CONV_2D): its input 0 has 2 dimensions, not 4",
    ),
    "pads": (
        lambda d: constant(d, 4, 1).__dict__.update(shape=(99,), data=np.zeros(99, np.int32)),
        "operator 4 (PAD): its input 1 is int32 of shape [99]",
    ),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_what_contradicts_itself_is_named(what, refused):
    change, text = DAMAGED[what]
    message = refused(spoilt(change))
    assert "this .tflite file is damaged: " in message
    assert text in message


def test_an_unknown_operator_has_a_number(refused):
    draft = Draft()
    draft.append("MUL", [0, 0], (1, 6, 6, 3))
    content = bytearray(draft.content())
    model = tflite.Model.GetRootAs(content, 0)
    table = model.OperatorCodes(0)._tab
    place = table.Pos + table.Offset(10)
    content[place : place + 4] = struct.pack("<i", 999)
    assert "layer 0 (operator 999, layer0)" in refused(bytes(content))


def vector_at(content, table, slot):
    """Where the length of a vector stands."""
    return table._tab.Vector(table._tab.Offset(slot)) - 4


@pytest.mark.parametrize("length", [2**32 - 1, 2**31 - 1, 10**6, len(CONTENT)])
def test_lengths_are_not_believed(length, refused):
    model = tflite.Model.GetRootAs(CONTENT, 0)
    graph = model.Subgraphs(0)
    tensor = graph.Tensors(1)
    places = [
        *(vector_at(CONTENT, model, slot) for slot in (6, 8, 12)),
        *(vector_at(CONTENT, graph, slot) for slot in (4, 6, 8, 10)),
        vector_at(CONTENT, tensor, 4),
        *(vector_at(CONTENT, tensor.Quantization(), slot) for slot in (8, 10)),
        vector_at(CONTENT, graph.Operators(0), 6),
        vector_at(CONTENT, model.Buffers(1), 4),
    ]
    for place in places:
        content = bytearray(CONTENT)
        content[place : place + 4] = struct.pack("<I", length)
        started = time.monotonic()
        assert "this .tflite file is damaged: " in refused(bytes(content))
        assert time.monotonic() - started < 5


def test_a_list_that_many_share_is_counted_each_time(refused):
    """A file of 400 kB, in which 20,000 tensors have one name of 40 kB and one shape."""
    b = flatbuffers.Builder(1 << 20)
    name = b.CreateString("x" * 40_000)
    tflite.TensorStart(b)
    tflite.TensorAddName(b, name)
    tensor = tflite.TensorEnd(b)
    tflite.SubGraphStartTensorsVector(b, 20_000)
    for _ in range(20_000):
        b.PrependUOffsetTRelative(tensor)
    tensors = b.EndVector()
    tflite.BufferStart(b)
    buffer = tflite.BufferEnd(b)
    tflite.ModelStartBuffersVector(b, 1)
    b.PrependUOffsetTRelative(buffer)
    buffers = b.EndVector()
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, tensors)
    graph = tflite.SubGraphEnd(b)
    tflite.ModelStartSubgraphsVector(b, 1)
    b.PrependUOffsetTRelative(graph)
    graphs = b.EndVector()
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddSubgraphs(b, graphs)
    tflite.ModelAddBuffers(b, buffers)
    b.Finish(tflite.ModelEnd(b), file_identifier=b"TFL3")
    started = time.monotonic()
    message = refused(bytes(b.Output()))
    assert "its lists have more elements than the file has bytes" in message
    assert time.monotonic() - started < 5


def test_too_many_layers_are_refused(refused, monkeypatch):
    monkeypatch.setattr(reader, "_MAX_TABLES", 20)
    assert "the list of tensors: it has 23 entries, more than 20" in refused(CONTENT)


def test_many_layers_may_not_share_more_than_a_device_holds(refused, monkeypatch):
    monkeypatch.setattr("kilograd.frontend.lowering.parameters._MAX_WEIGHTS", 150)
    assert "the layers up to this one have more than 150 weights" in refused(CONTENT)


@settings(max_examples=150)
@given(shortened(CONTENT))
def test_a_file_that_ends_early(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "short.tflite"
    assert isinstance(outcome(path, content), ModelError)


@settings(max_examples=400)
@given(flipped(CONTENT))
def test_a_file_with_wrong_bits(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "flipped.tflite"
    assert isinstance(outcome(path, content), (Graph, ModelError))


@settings(max_examples=400)
@given(overwritten(CONTENT))
def test_a_file_with_wrong_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.tflite"
    assert isinstance(outcome(path, content), (Graph, ModelError))


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_a_file_of_random_bytes(tmp_path_factory, rest):
    path = tmp_path_factory.getbasetemp() / "random.tflite"
    assert isinstance(outcome(path, CONTENT[:8] + rest), ModelError)


NUMBERS = st.one_of(st.integers(-3, 9), st.sampled_from([127, 128, 2**16, 2**31 - 1, -(2**31)]))
BYTES = st.integers(-128, 127)
REALS = st.sampled_from([0.0, -1.0, 1e-45, 1e-30, 1e-9, 0.05, 1.0, 1e9, 3e38, np.inf, np.nan])


@st.composite
def mistakes(draw):
    """A network with one of every layer in which a few numbers are others."""
    draft = small_network()
    for _ in range(draw(st.integers(1, 3))):
        tensor = draw(st.sampled_from(draft.tensors))
        operator = draw(st.sampled_from(draft.operators))
        what = draw(st.integers(0, 7))
        if what == 0:
            tensor.shape = tuple(draw(st.lists(NUMBERS, max_size=5)))
        elif what == 1:
            tensor.scales = tuple(draw(st.lists(REALS, max_size=5)))
        elif what == 2:
            tensor.zeros = tuple(draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=2)))
        elif what == 3:
            tensor.axis = draw(NUMBERS)
        elif what == 4:
            tensor.dtype = draw(st.sampled_from(["int32", "float16", "bool", "int4", "string"]))
        elif what == 5 and operator.options:
            operator.options[draw(st.sampled_from(sorted(operator.options)))] = draw(BYTES)
        elif what == 6:
            operator.inputs = draw(st.lists(st.integers(-1, len(draft.tensors) - 1), max_size=4))
        else:
            size = 0 if tensor.data is None else tensor.data.size
            tensor.buffer = draw(st.integers(0, 9)) if size else None
    return draft.content()


@pytest.mark.thorough
@settings(max_examples=400)
@given(mistakes(), st.sampled_from([None, 5]))
def test_a_file_with_wrong_numbers(tmp_path_factory, content, classes):
    path = tmp_path_factory.getbasetemp() / "numbers.tflite"
    assert isinstance(outcome(path, content, classes), (Graph, ModelError))
