"""Random damage to .onnx files: a graph or a message in words, whatever the bytes are."""

import numpy as np
import pytest
from damage import flipped, overwritten, shortened
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_files import small_network
from onnx_integers import as_integers
from test_onnx_damage import outcome, set_attribute
from test_onnx_exporters import features, normalized_flat, view
from test_onnx_quantizers import read_twice

from kilograd.errors import ModelError
from kilograd.ir import Graph

CONTENT = small_network().content()


@settings(max_examples=150)
@given(shortened(CONTENT))
def test_a_file_that_ends_early(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "short.onnx"
    assert isinstance(outcome(path, content), (Graph, ModelError))


@settings(max_examples=400)
@given(flipped(CONTENT))
def test_a_file_with_wrong_bits(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "flipped.onnx"
    assert isinstance(outcome(path, content), (Graph, ModelError))


@settings(max_examples=400)
@given(overwritten(CONTENT))
def test_a_file_with_wrong_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.onnx"
    assert isinstance(outcome(path, content), (Graph, ModelError))


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_a_file_of_random_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "random.onnx"
    assert isinstance(outcome(path, content), ModelError)


NUMBERS = st.one_of(st.integers(-3, 9), st.sampled_from([127, 128, 2**16, 2**31 - 1, -(2**31)]))
REALS = st.sampled_from([0.0, -1.0, 1e-45, 1e-30, 1e-9, 0.05, 1.0, 1e9, 3e38, np.inf, np.nan])
OPERATORS = st.sampled_from([
    *("Conv", "Gemm", "MatMul", "Add", "GlobalAveragePool", "ReduceMean", "AveragePool", "MaxPool"),
    *("Pad", "Relu", "Clip", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat"),
    *("Split", "Slice", "Shape", "Cast", "ConstantOfShape", "Gather", "HardSwish", "Sigmoid"),
    *("QLinearConv", "QGemm", "QLinearAdd", "QLinearConcat", "QLinearAveragePool"),
    *("Softmax", "Identity", "Dropout", "Constant", "QuantizeLinear", "DequantizeLinear"),
])  # fmt: skip


#: In either format, as quantizers and as other exporters write it, and in an older version.
DRAFTS = [
    small_network,
    lambda: as_integers(small_network()),
    lambda: view(small_network()),
    lambda: small_network(opset=10),
    read_twice,
    normalized_flat,
    features,
]


@st.composite
def mistakes(draw):
    """A network with one of every layer in which a few things are others."""
    draft = draw(st.sampled_from(DRAFTS))()
    names = [*draft.constants, "sample", *(name for n in draft.nodes for name in n.output)]
    for _ in range(draw(st.integers(1, 3))):
        node = draw(st.sampled_from(draft.nodes))
        name = draw(st.sampled_from([*draft.constants]))
        what = draw(st.integers(0, 6))
        if what == 0:
            node.op_type = draw(OPERATORS)
        elif what == 1 and node.input:
            node.input[draw(st.integers(0, len(node.input) - 1))] = draw(st.sampled_from(names))
        elif what == 2:
            attribute = draw(st.sampled_from(["axis", "group", "transB", "keepdims", "axes"]))
            value = draw(NUMBERS) if attribute != "axes" else draw(st.lists(NUMBERS, min_size=1))
            set_attribute(node, attribute, value)
        elif what == 3:
            attribute = draw(st.sampled_from(["strides", "pads", "kernel_shape", "perm"]))
            set_attribute(node, attribute, draw(st.lists(NUMBERS, min_size=1, max_size=5)))
        elif what == 4:
            real = draw(st.lists(REALS, min_size=1, max_size=5))
            draft.constant(name, np.array(real, np.float32))
        elif what == 5:
            whole = draw(st.lists(NUMBERS, max_size=5))
            kind = draw(st.sampled_from([np.int64, np.int32, np.int8, np.uint8]))
            draft.constant(name, np.array(whole, np.int64).astype(kind))
        else:
            dims = [max(number, 1) for number in draw(st.lists(NUMBERS, min_size=1, max_size=5))]
            draft.inputs[0] = helper.make_tensor_value_info("sample", TensorProto.FLOAT, dims)
    return draft.content()


@pytest.mark.thorough
@settings(max_examples=1500)
@given(mistakes(), st.sampled_from([None, 3]))
def test_a_network_with_mistakes(tmp_path_factory, content, classes):
    path = tmp_path_factory.getbasetemp() / "mistakes.onnx"
    assert isinstance(outcome(path, content, classes), (Graph, ModelError))
