"""Damaged and hostile .onnx files: a message in words, soon, whatever the bytes are."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_files import Draft, small_network

from kilograd.errors import ModelError
from kilograd.frontend.onnx import read_onnx, reader, wire
from kilograd.frontend.open import load_model
from kilograd.passes.verify import verify

CONTENT = small_network().content()


def outcome(path, content, classes=None):
    """The graph, which is valid, or the error about it."""
    path.write_bytes(content)
    try:
        graph = load_model(str(path), classes)
    except ModelError as found:
        error = found
    else:
        verify(graph, "reading")
        return graph
    assert "\n" not in error.what
    return error


@pytest.fixture
def refused(tmp_path):
    """The message about a draft, a model, or bytes."""

    def load(file):
        content = file.content() if isinstance(file, Draft) else file
        if isinstance(file, onnx.ModelProto):
            content = file.SerializeToString()
        error = outcome(tmp_path / "net.onnx", content)
        assert isinstance(error, ModelError)
        assert error.where == str(tmp_path / "net.onnx")
        return str(error)

    return load


def test_a_file_of_another_kind(refused):
    for content in (b"PK\3\4" + bytes(40), b"\x1c\0\0\0TFL3" + bytes(99), b"\x89PNG\r\n" * 9):
        assert "this .onnx file is damaged: " in refused(content)
    assert "this .onnx file is damaged: it has no graph" in refused(b"")


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(ModelError, match="the file cannot be read: Is a directory"):
        read_onnx(tmp_path)
    with pytest.raises(ModelError, match="the file cannot be read: No such file"):
        read_onnx(tmp_path / "none.onnx")


def test_a_file_that_is_too_large(refused, monkeypatch):
    monkeypatch.setattr(reader, "_MAX_BYTES", 1024**2)
    assert "the file is larger than 1 MiB" in refused(CONTENT + bytes(1024**2))


@pytest.mark.thorough
def test_many_fields_are_refused_before_they_become_objects(refused, monkeypatch):
    class Proto:
        DESCRIPTOR = onnx.ModelProto.DESCRIPTOR

        FromString = staticmethod(lambda content: pytest.fail(f"{len(content)} bytes are parsed"))

    monkeypatch.setattr(onnx, "ModelProto", Proto)
    for field in (b"\x3a\x02\x0a\x00", b"\x72\x00", b"\x42\x00"):
        assert "it has more than 1,000,000 fields" in refused(field * 1_000_001)


def test_long_lists_of_numbers_are_refused_before_they_become_objects(refused, monkeypatch):
    monkeypatch.setattr(wire, "_MAX_LISTED", 1000)
    model = small_network().proto()
    model.graph.initializer.append(
        helper.make_tensor("many", TensorProto.INT8, [1001], np.ones(1001, np.int8))
    )
    assert "its lists of numbers have more than 1,000 bytes" in refused(model)


def test_nesting_is_bounded(refused):
    attribute = b""
    for _ in range(2000):  # graphs in attributes of nodes of graphs
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            size, length = len(attribute), b""
            while size > 127:
                length += bytes([size & 127 | 128])
                size >>= 7
            attribute = tag + length + bytes([size]) + attribute
    assert "this .onnx file is damaged: " in refused(b"\x3a\x00" + attribute)


def node(draft, operator, place=0):
    return [node for node in draft.nodes if node.op_type == operator][place]


def weight(draft, ending="weight_quantized"):
    return draft.constants[next(name for name in draft.constants if name.endswith(ending))]


def replace(draft, ending, data):
    name = weight(draft, ending).name
    draft.constant(name, data)


def set_attribute(node, name, value):
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def duplicate(draft):
    draft.nodes.append(helper.make_node("Identity", ["sample"], ["sample_q"]))


def cycle(draft):
    conv = node(draft, "Conv")
    later = node(draft, "QuantizeLinear", 3)
    conv.input[0] = later.output[0]


def extent(draft, value):
    draft.inputs[0].type.tensor_type.shape.dim[2].dim_value = value


DAMAGED = {
    "duplicate": (duplicate, "(Identity): another node, or a constant, makes sample_q"),
    "cycle": (cycle, "which no node before it makes"),
    "no input": (lambda d: node(d, "Conv").ClearField("input"), "it has no input 0"),
    "no result": (lambda d: node(d, "Conv").ClearField("output"), "it has no result"),
    "missing output": (lambda d: setattr(d.outputs[0], "name", "y"), "no node makes its output y"),
    "negative extent": (lambda d: extent(d, -3), "its input sample has the shape [1, 3, -3, 8]"),
    "scale of nothing": (
        lambda d: replace(d, "sample_q.scale", np.float32(np.nan)),
        "node 0 (QuantizeLinear, node_sample_q): it has a scale of nan, and scales are positive",
    ),
    "scale of zero": (
        lambda d: replace(d, "weight.scale", np.float32([1, 1, 0, 1])),
        "(DequantizeLinear, node_layer_1.weight_real): it has a scale of 0.0",
    ),
    "negative scale": (
        lambda d: replace(d, "weight.scale", np.float32([1, 1, -2, 1])),
        "it has a scale of -2.0",
    ),
    "infinite scale": (
        lambda d: replace(d, "weight.scale", np.float32([1, 1, np.inf, 1])),
        "it has a scale of inf",
    ),
    "scale of int": (
        lambda d: replace(d, "weight.scale", np.int32([1, 1, 1, 1])),
        "its scale is int32 of the shape [4]",
    ),
    "scales": (
        lambda d: replace(d, "weight.scale", np.float32([1, 1, 1])),
        "it has 3 scales and 4 zero points",
    ),
    "axis": (
        lambda d: set_attribute(node(d, "DequantizeLinear"), "axis", 9),
        "it has 4 scales along dimension 9 of the shape [4, 3, 3, 3]",
    ),
    "axis of another length": (
        lambda d: set_attribute(node(d, "DequantizeLinear"), "axis", -1),
        "it has 4 scales along dimension 3 of the shape [4, 3, 3, 3]",
    ),
    "zero point of another type": (
        lambda d: replace(d, "weight.zero", np.zeros(4, np.uint8)),
        "its input is int8, and its zero point uint8",
    ),
    "weight of another shape": (
        lambda d: replace(d, "weight_quantized", np.ones((4, 2, 3, 3), np.int8)),
        "its weight has the shape [4, 2, 3, 3] in 1 groups, and its input has 3 channels",
    ),
    "weight without elements": (
        lambda d: replace(d, "weight_quantized", np.ones((4, 3, 0, 3), np.int8)),
        "its weight has the shape [4, 3, 0, 3]",
    ),
    "weight of two dimensions": (
        lambda d: replace(d, "weight_quantized", np.ones((4, 3), np.int8)),
        "its weight has the shape [4, 3]",
    ),
    "bias": (
        lambda d: [
            replace(d, "bias_q", np.ones(3, np.int32)),
            replace(d, "bias.scale", np.ones(3, np.float32)),
            replace(d, "bias.zero", np.ones(3, np.int32)),
        ],
        "its bias has the shape [3], and needs 4 numbers",
    ),
    "kernel_shape": (
        lambda d: set_attribute(node(d, "Conv"), "kernel_shape", [5, 5]),
        "its kernel_shape is [5, 5], and its weight has the window [3, 3]",
    ),
    "strides": (
        lambda d: set_attribute(node(d, "Conv"), "strides", [0, 1]),
        "its strides are [0, 1]",
    ),
    "many strides": (
        lambda d: set_attribute(node(d, "Conv"), "strides", [1] * 99),
        "an attribute strides has 99 numbers",
    ),
    "three strides": (
        lambda d: set_attribute(node(d, "Conv"), "strides", [1, 1, 1]),
        "its attribute strides is (1, 1, 1)",
    ),
    "pads": (
        lambda d: set_attribute(node(d, "Conv"), "pads", [0, 0, 0, -1]),
        "its pads are [0, 0, 0, -1]",
    ),
    "padding": (
        lambda d: set_attribute(node(d, "Conv"), "auto_pad", "BOTH\nWAYS"),
        "its padding is BOTH WAYS",
    ),
    "groups": (lambda d: set_attribute(node(d, "Conv"), "group", 0), "in 0 groups"),
    "large window": (
        lambda d: set_attribute(node(d, "AveragePool"), "kernel_shape", [9, 9]),
        "its window [9, 9] is larger than its input [1, 6, 4, 4]",
    ),
    "window": (
        lambda d: set_attribute(node(d, "AveragePool"), "kernel_shape", [0, 4]),
        "its window are [0, 4]",
    ),
    "dense": (
        lambda d: set_attribute(node(d, "Gemm"), "transB", 0),
        "its weight has the shape [5, 6], and reads [1, 6]",
    ),
    "flatten": (
        lambda d: set_attribute(node(d, "Flatten"), "axis", 9),
        "it flattens along dimension 9 of 4",
    ),
    "quantized twice": (
        lambda d: d.nodes.insert(
            2, helper.make_node("DequantizeLinear", ["sample_q_real_2"] * 2, ["y"])
        ),
        "damaged: node 2 (DequantizeLinear): ",
    ),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_what_contradicts_itself_is_named(what, refused):
    change, text = DAMAGED[what]
    draft = small_network()
    change(draft)
    message = refused(draft)
    assert "this .onnx file is damaged: " in message
    assert text in message


def stated(**fields):
    def change(tensor):
        for name, value in fields.items():
            tensor.ClearField(name)
            member = getattr(tensor, name)
            if isinstance(value, list):
                member.extend(value)
            else:
                setattr(tensor, name, value)

    return change


CONSTANTS = {
    "huge": (stated(dims=[2**31, 2**31]), "of the shape [2147483648, 2147483648] has 108 bytes"),
    "negative": (stated(dims=[-4, -27]), "has the shape [-4, -27]"),
    "many dimensions": (stated(dims=[1] * 30), "has the shape [1, 1, 1, 1, 1, 1, 1, 1, 1]"),
    "numbers": (
        lambda t: [t.ClearField("raw_data"), t.int32_data.extend([1, 2])],
        "of the shape [4, 3, 3, 3] has 2 numbers",
    ),
    "numbers of another type": (
        lambda t: [t.ClearField("raw_data"), t.int32_data.extend([300] * 108)],
        "has numbers that are not of the type int8",
    ),
}


@pytest.mark.parametrize("what", CONSTANTS)
def test_a_constant_that_contradicts_itself_is_named(what, refused):
    change, text = CONSTANTS[what]
    draft = small_network()
    change(weight(draft))
    message = refused(draft)
    assert "this .onnx file is damaged: the constant layer_1.weight_quantized " in message
    assert text in message


def test_two_constants_of_one_name(refused):
    model = small_network().proto()
    model.graph.initializer.append(model.graph.initializer[0])
    assert "damaged: it has two constants of the name " in refused(model)


def test_a_huge_map_is_refused_before_it_is_built(refused):
    draft = Draft((1, 3, 2**31, 8))
    x = draft.like("GlobalAveragePool", draft.conv("sample_q", 4), (1, 4, 1, 1))
    draft.finish(draft.gemm(draft.flatten(x), 3))
    assert "the network's input has the shape [1, 2147483648, 8, 3]" in refused(draft)


def test_names_are_cut_short(refused):
    model = small_network().proto()
    model.graph.node[1].name = "n" * 5000
    assert "it has a name of 5,000 characters, more than 4,096" in refused(model)
    model.graph.node[1].name = "a\nb\x1b[2J" + "n" * 500
    model.graph.node[1].op_type = "Odd"
    message = refused(model)
    assert "node 1 (Odd, a b?[2Jnnn" in message
    assert "nnn...): kilograd has no such operator" in message


def test_too_many_nodes_are_refused(refused, monkeypatch):
    monkeypatch.setattr("kilograd.frontend.onnx.graph._MAX_ENTRIES", 20)
    assert "damaged: it has 46 nodes, more than 20" in refused(CONTENT)


def test_a_constant_may_be_a_list_of_numbers(tmp_path):
    draft = small_network()
    for name, tensor in draft.constants.items():
        data = numpy_helper.to_array(tensor)
        kind = helper.np_dtype_to_tensor_dtype(data.dtype)
        draft.constants[name] = helper.make_tensor(name, kind, data.shape, data.ravel())
    assert outcome(tmp_path / "net.onnx", draft.content()) == outcome(
        tmp_path / "net.onnx", CONTENT
    )
