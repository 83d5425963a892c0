"""What the last layer makes need not be quantized: its logits are made in int32 in any case."""

import math

import numpy as np
import pytest
from onnx_files import Draft

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model


@pytest.fixture
def load(tmp_path):
    """The graph of a draft."""
    return lambda draft, classes=None: load_model(str(draft.write(tmp_path / "net.onnx")), classes)


def body(outputs):
    draft = Draft((1, 3, 4, 5))
    x = draft.flatten(draft.pool(draft.relu(draft.conv("sample_q", 6))))
    return draft, draft.gemm(x, outputs)


def finished(outputs, *behind, is_real=True):
    """A network whose last layer's result is quantized, or not."""
    draft, x = body(outputs)
    draft.finish(x, *behind)
    if is_real:
        quantize, dequantize = [node for node in draft.nodes if x in (*node.output, *node.input)]
        draft.nodes.remove(quantize)
        draft.nodes.remove(dequantize)
        names = {dequantize.output[0]: quantize.input[0]}
        for node in draft.nodes:
            for place, name in enumerate(node.input):
                node.input[place] = names.get(name, name)
        for entry in draft.outputs:
            entry.name = names.get(entry.name, entry.name)
    return draft


ENDS = {
    "logits": (3,),
    "softmax": (3, "Softmax"),
    "logarithms": (3, "LogSoftmax"),
    "largest": (3, "ArgMax"),
    "one sigmoid": (1, "Sigmoid"),
    "sigmoids": (4, "Sigmoid"),
}


@pytest.mark.parametrize("what", ENDS)
def test_the_last_result_need_not_be_quantized(what, load):
    real = finished(*ENDS[what])
    assert real.nodes[-1].op_type in {"Gemm", *ENDS[what]}
    assert load(real) == load(finished(*ENDS[what], is_real=False))


def test_a_result_may_be_quantized_behind_a_softmax(load):
    """As quantizers leave it that quantize what they find in front of the network's output."""
    draft = finished(3, "Softmax")
    draft.quantize(draft.outputs[0].name, (1, 3), 1 / 256, -128, "softmax_q")
    draft.shapes["softmax_q"] = (1, 3)
    assert load(draft.finish("softmax_q")) == load(finished(3, is_real=False))


def test_a_fresh_head_replaces_one_whose_result_is_not_quantized(load):
    assert load(finished(60), 4) == load(finished(60, is_real=False), 4)


WRONG = {
    "a value": (lambda: finished(1), "it estimates a value, and nothing says how large that can"),
    "an autoencoder": (lambda: finished(60), "it makes the sample again, and nothing says in"),
    "one with sigmoids": (lambda: finished(60, "Sigmoid"), "it makes the sample again, and noth"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_result_without_a_scale_is_refused_where_it_needs_one(what, load):
    make, message = WRONG[what]
    with pytest.raises(ModelError) as error:
        load(make())
    assert message in str(error.value)
    assert error.value.hint == "quantize the result of the last layer, too"


def test_what_is_not_quantized_within_a_network_is_refused(load):
    draft = Draft((1, 3, 8, 8))
    x = draft.activate(draft.conv("sample_q", 4), "Softmax")
    x = draft.flatten(draft.pool(x))
    with pytest.raises(ModelError) as error:
        load(draft.finish(draft.gemm(x, 3)))
    assert "its result is float32, and kilograd computes with int8" in str(error.value)


def test_the_logits_are_those_of_a_result_that_is_quantized(load):
    """Whatever is behind: two classes stand for one sigmoid."""
    graph = load(finished(1, "Sigmoid"))
    (logits,) = graph.outputs
    assert graph.type_of(logits).shape == (2,)
    assert math.prod(graph.values["head.weight"].array.shape) == 12
    assert not np.any(graph.values["head.weight"].array.reshape(2, 6)[0])
