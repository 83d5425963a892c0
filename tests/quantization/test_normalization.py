"""Batch normalizations that become depthwise layers compute what they computed."""

import numpy as np
import pytest
from float_files import FloatDraft

from kilograd.frontend.onnx.names import author_name
from kilograd.quantization.normalization import replace_normalizations
from kilograd.quantization.quantize import run_network

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def normalized_map():
    """Of the sample itself, and behind a pool."""
    draft = FloatDraft()
    draft.normalize(3, "first")
    draft.conv("stem", (4, 3, 3, 3))
    draft.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    draft.normalize(4, "second")
    return draft


def normalized_sequence():
    draft = FloatDraft((1, 3, 8))
    draft.normalize(3, "first")
    draft.add("Conv", *draft.parameters((4, 3, 3), "stem"))
    return draft


def normalized_vector():
    draft = FloatDraft((1, 6))
    draft.normalize(6, "first")
    draft.add("Gemm", *draft.parameters((4, 6), "dense"), transB=1)
    draft.normalize(4, "second")
    return draft


def shared():
    """Two normalizations by the same numbers."""
    draft = FloatDraft()
    draft.normalize(3, "first")
    first = draft.nodes[-1]
    draft.add("Relu")
    draft.add("BatchNormalization", *first.input[1:], epsilon=0.3)
    return draft


def model_of(draft, path):
    return onnx.shape_inference.infer_shapes(onnx.load(str(draft.write(path))))


DRAFTS = (normalized_map, normalized_sequence, normalized_vector, shared)


@pytest.mark.parametrize("make", DRAFTS)
def test_the_network_computes_the_same(make, tmp_path):
    model = model_of(make(), tmp_path / "net.onnx")
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    samples = np.random.default_rng(2).normal(0, 1, (3, *shape)).astype(np.float32)
    before = run_network(model.SerializeToString(), "image", samples, "net")
    replace_normalizations(model)
    onnx.checker.check_model(model)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    read = {name for node in model.graph.node for name in node.input}
    assert {entry.name for entry in model.graph.initializer} <= read
    assert run_network(model.SerializeToString(), "image", samples, "net") == pytest.approx(
        before, abs=1e-5
    )


def test_the_layer_is_called_after_its_scale(tmp_path):
    draft = FloatDraft()
    numbers = [draft.constant(f"features.0.{name}", np.ones(3, np.float32)) for name in "wbmv"]
    draft.constants[0].name = "features.0.weight"
    draft.add("BatchNormalization", "features.0.weight", *numbers[1:])
    model = model_of(draft, tmp_path / "net.onnx")
    replace_normalizations(model)
    (conv,) = model.graph.node
    assert author_name("result", conv.input[1]) == "features.0"


def test_what_is_not_constant_stays(tmp_path):
    draft = FloatDraft()
    draft.normalize(3, "first")
    draft.nodes[-1].attribute.append(onnx.helper.make_attribute("training_mode", 1))
    model = model_of(draft, tmp_path / "net.onnx")
    replace_normalizations(model)
    assert [node.op_type for node in model.graph.node] == ["BatchNormalization"]
