"""Networks whose logits are not what a layer with weights makes: a head takes them over."""

import numpy as np
import pytest
from micro import assert_same_bytes
from tflite_files import RELU, VALID, Draft
from tflite_products import SIGNED_GATE, constant, function, multiply

from kilograd.errors import ModelError
from kilograd.ir import LabelKind
from kilograd.ops import REGISTRY
from kilograd.ops.spec import StepContext


def averaged(*, taps=(1, 1), **options):
    """A convolution, and an average of what it makes."""
    draft = Draft()
    x = draft.conv(draft.conv(0, (1, 6, 6), 4), (1, 6, 6), 3, taps, **options)
    draft.softmax(draft.mean(x, (1, 2), (1, 3)))
    return draft


def normalized():
    """A dense layer, and a batch normalization in front of the softmax."""
    draft = Draft()
    x = draft.dense(draft.conv(0, (1, 6, 6), 4), 3)
    x = multiply(draft, x, constant(draft, [50, -70, 90]), scale=0.05)
    x = draft.append("ADD", [x, constant(draft, [5, 7, -90])], (1, 3), "AddOptions", scale=0.06)
    draft.softmax(x)
    return draft


def estimates(outputs=1):
    """Values between -1 and 1."""
    draft = Draft((1, 12))
    x = draft.dense(draft.dense(0, 6), outputs)
    function(draft, "TANH", x, **SIGNED_GATE)
    return draft


def two_branches():
    """The sum of what two dense layers make."""
    draft = Draft()
    x = draft.reshape(draft.conv(0, (1, 6, 6), 2), (1, 72))
    draft.softmax(draft.add(draft.dense(x, 4), draft.dense(draft.dense(x, 5), 4)))
    return draft


def largest():
    draft = Draft()
    x = draft.conv(0, (1, 6, 6), 3)
    axes = draft.constant("axes", np.array((1, 2), np.int32))
    draft.softmax(draft.like("REDUCE_MAX", x, (1, 3), axes, table="ReducerOptions"))
    return draft


def clamped():
    draft = Draft()
    draft.dense(draft.conv(0, (1, 6, 6), 4), 3, FusedActivationFunction=RELU, zero=-128)
    return draft


def one_sigmoid():
    """A probability that is the average of a map of numbers."""
    draft = Draft()
    x = draft.mean(draft.conv(0, (1, 6, 6), 1), (1, 2), (1, 1))
    function(draft, "LOGISTIC", x, scale=1 / 256, zero=-128)
    return draft


def whole_window():
    """A convolution as large as its map, and a function of what it makes."""
    draft = Draft()
    x = draft.conv(draft.conv(0, (1, 6, 6), 4), (1, 1, 1), 3, (6, 6), padding=VALID)
    function(draft, "TANH", draft.reshape(x, (1, 3)), **SIGNED_GATE)
    return draft


#: By what it is: the network, how many logits, and the operators of another head's network.
ENDS = {
    "average behind an activation": (
        lambda: averaged(FusedActivationFunction=RELU, zero=-128),
        3,
        ["conv", "average_pool", "dense"],
    ),
    "average of another window": (
        lambda: averaged(taps=(3, 3)),
        3,
        ["conv", "average_pool", "dense"],
    ),
    "whole window": (whole_window, 3, ["conv", "reshape", "dense"]),
    "normalized": (normalized, 3, ["conv", "reshape", "dense"]),
    "two branches": (
        two_branches,
        4,
        ["conv", "conv", "conv", "pointwise", "add", "dense"],
    ),
    "largest": (largest, 3, ["average_pool", "dense"]),
    "clamped": (clamped, 3, ["conv", "reshape", "dense"]),
    "several estimates": (lambda: estimates(2), 2, ["pointwise", "dense"]),
    "estimate": (estimates, 1, ["pointwise", "dense"]),
    "one sigmoid": (one_sigmoid, 2, ["average_pool", "dense"]),
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", ENDS)
def test_bytes_are_those_of_tensorflow_lite_micro(what, tmp_path):
    """The logits among them, which the head makes of the network's own."""
    assert_same_bytes(ENDS[what][0]().write(tmp_path / "net.tflite"), 6)


@pytest.mark.parametrize("what", ENDS)
def test_the_head_makes_of_each_number_itself(what, load):
    make, logits, _ = ENDS[what]
    graph = load(make())
    assert graph.nodes[-1].operator == "dense"
    assert graph.type_of(graph.outputs[0]).shape == (logits,)
    weight = graph.values["head.weight"].array.reshape(logits, -1)
    assert np.array_equal(np.abs(weight[-weight.shape[1] :]), 127 * np.eye(weight.shape[1]))


@pytest.mark.parametrize("what", ENDS)
def test_another_head_replaces_the_last_layer_with_weights(what, load):
    make, _, operators = ENDS[what]
    graph = load(make(), 5)
    assert [node.operator for node in graph.nodes] == operators
    assert graph.type_of(graph.outputs[0]).shape == (5,)
    if what == "whole window":  # of which nothing is averaged
        assert graph.type_of("head.weight").shape == (5, 6 * 6 * 4)


@pytest.mark.parametrize("what", ["normalized", "two branches", "average of another window"])
def test_a_training_step_is_the_same_on_a_board(what, load, learns_alike):
    assert learns_alike(load(ENDS[what][0]()))


def test_an_estimate_has_the_range_of_its_function(load):
    graph = load(estimates())
    assert graph.label_kind is LabelKind.VALUE
    assert graph.value_range == (-1.0, 1.0)
    head, spec = graph.nodes[-1], REGISTRY["dense"]
    inputs = [np.full((1, 1, 1), 64, np.int8), *(graph.values[n].array for n in head.inputs[1:])]
    (logit,) = spec.reference(head.attributes, graph.types(head.inputs), inputs, StepContext())
    assert logit.item() == 1 << 15  # a half, in units of the largest value


def test_too_many_logits_take_no_head(load):
    with pytest.raises(ModelError) as error:
        load(estimates(257))
    assert "ends with a map of 1×1×257, and kilograd's networks end with one" in str(error.value)
    assert load(estimates(256)).type_of("head.weight").shape == (256, 256)


@pytest.mark.parametrize("operator", ["RELU_N1_TO_1", "RELU_0_TO_1"])
def test_clamps_that_are_layers(operator, load):
    """They are requantized and clamped as RELU is; TensorFlow Lite Micro has neither."""
    draft = Draft()
    x = draft.conv(0, (1, 6, 6), 4)
    low, high = (-1, 1) if operator == "RELU_N1_TO_1" else (0, 1)
    x = draft.append(operator, [x], (1, 6, 6, 4), scale=0.01, zero=-20)
    draft.dense(x, 3)
    graph = load(draft)
    clamp = graph.nodes[2]
    assert [node.operator for node in graph.nodes[:3]] == ["conv", "requantize", "lookup"]
    table = clamp.attributes.table
    assert (min(table), max(table)) == (max(-20 + 100 * low, -128), -20 + 100 * high)
