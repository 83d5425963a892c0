"""Layers of .onnx files that make one position of many, and networks that end with them."""

import numpy as np
import pytest
from onnx_drafts import ended, pooled, rescaled
from onnx_files import Draft
from runtime import compare, samples

from kilograd.frontend.open import load_model
from kilograd.ops.pool.window import PoolWindow


def in_time():
    draft = Draft((1, 3, 16))
    x = draft.conv("sample_q", 5, (3,))
    return ended(draft, draft.like("GlobalMaxPool", x, (1, 5, 1)))


DRAFTS = {
    "global": (pooled("GlobalMaxPool"), PoolWindow(8, 8, 8, 8)),
    "over the map": (pooled("ReduceMax", [-1, -2], keepdims=0), PoolWindow(8, 8, 8, 8)),
    "over the map, which stays one": (pooled("ReduceMax", [2, 3]), PoolWindow(8, 8, 8, 8)),
    "rescaled": (
        rescaled("ReduceMax", (1, 5), [[2, 3]], keepdims=0),
        PoolWindow(8, 8, 8, 8),
    ),
    "over rows": (rescaled("ReduceMax", (1, 5, 1, 8), [[2]]), PoolWindow(8, 1, 8, 1)),
    "over columns": (rescaled("ReduceMax", (1, 5, 8, 1), [[-1]]), PoolWindow(1, 8, 1, 8)),
    "in time": (in_time, PoolWindow(1, 16, 1, 16)),
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_every_tensor_is_that_of_onnxruntime(what):
    draft = DRAFTS[what][0]()
    shape = (1, 3, 16) if what == "in time" else (1, 3, 8, 8)
    found = compare(draft.content(), list(samples(shape, 40)))
    assert found.alone.most <= 1
    assert found.chained.most <= 2
    assert found.same_class >= 39


@pytest.mark.parametrize("what", DRAFTS)
def test_a_maximum_is_a_window_as_long_as_what_it_is_over(what, tmp_path):
    make, window = DRAFTS[what]
    graph = load_model(str(make().write(tmp_path / "net.onnx")))
    (found,) = (node for node in graph.nodes if node.operator == "max_pool")
    assert found.attributes.window == window


def averaged(*behind, relu=False):
    """A network that averages what its last layer makes of each position."""
    draft = Draft()
    x = draft.conv(draft.conv("sample_q", 4), 3, (1, 1))
    if relu:
        x = draft.relu(x)
    real = draft.node("GlobalAveragePool", [draft.dequantize(x)], ["averaged"])
    for operator, options in behind:
        real = draft.node(operator, [real], [draft.unused(operator.lower())], **options)
    draft.outputs = [onnx_output(real)]
    return draft


def onnx_output(name):
    helper = pytest.importorskip("onnx").helper
    return helper.make_tensor_value_info(name, 1, None)


def test_an_average_at_the_end_goes_before_the_last_layer(tmp_path):
    """Its result is float: nothing reads it any more."""
    for behind in ((), (("Flatten", {}),)):
        graph = load_model(str(averaged(*behind).write(tmp_path / "net.onnx")))
        assert [node.operator for node in graph.nodes] == ["conv", "average_pool", "dense"]


def test_another_last_layer_reads_the_average_behind_any_activation(tmp_path):
    path = str(averaged(("Flatten", {}), relu=True).write(tmp_path / "net.onnx"))
    graph = load_model(path, 5)
    assert [node.operator for node in graph.nodes] == ["conv", "average_pool", "dense"]
    assert graph.type_of("head.weight").shape == (5, 4)
    own = load_model(path)
    assert [node.operator for node in own.nodes] == ["conv", "pointwise", "average_pool", "dense"]
    assert own.type_of("head.weight").shape == (3, 3)


def test_what_says_which_logit_is_largest_is_left_out(tmp_path):
    draft = Draft()
    x = draft.gemm(draft.flatten(draft.pool(draft.conv("sample_q", 4))), 3)
    real = draft.node("ArgMax", [draft.dequantize(x)], ["largest"], axis=1)
    helper = pytest.importorskip("onnx").helper
    draft.outputs = [helper.make_tensor_value_info(real, 7, None)]
    graph = load_model(str(draft.write(tmp_path / "net.onnx")))
    assert [node.operator for node in graph.nodes] == ["conv", "average_pool", "dense"]
    assert np.prod(graph.type_of(graph.outputs[0]).shape) == 3
