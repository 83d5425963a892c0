"""Padding, cropping, clamps, and what is done to samples, of .tflite files."""

import numpy as np
import pytest
from micro import assert_same_bytes
from tflite_borders import (
    DRAFTS,
    begun,
    bounded,
    clamped,
    filled,
    function_in_float32,
    leaky_by_maximum,
    numbers,
    padded_pool,
    strided,
    taken_apart,
)
from tflite_drafts import ended
from tflite_files import RELU, RELU6, SAME, Draft

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.ir import Quantization
from kilograd.ir.text import print_graph
from kilograd.ops.common.window import Window
from kilograd.ops.lookup.functions import Function
from kilograd.ops.lookup.tables import rounded_table
from kilograd.scheme import layers


@pytest.mark.parametrize("what", DRAFTS)
def test_a_network_is_carried(what, load):
    assert load(DRAFTS[what]()).nodes[-1].layer == "head"


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_bytes_are_those_of_tensorflow_lite_micro(what, tmp_path):
    assert_same_bytes(DRAFTS[what]().write(tmp_path / "net.tflite"), 6)


_TRAINED = ("cropped and padded", "dilated two ways", "relu6", "last step")


@pytest.mark.parametrize(
    "what",
    [
        *_TRAINED,
        *(pytest.param(w, marks=pytest.mark.thorough) for w in DRAFTS if w not in _TRAINED),
    ],
)
def test_a_training_step_is_the_same_on_a_board(what, load, learns_alike):
    assert learns_alike(load(DRAFTS[what](), 3))


def operators(graph):
    return [node.operator for node in graph.nodes]


def test_padding_that_no_window_takes_in_is_a_copy(load):
    graph = load(padded_pool())
    assert operators(graph)[:3] == ["conv", "depthwise", "max_pool"]
    assert layers(graph) == ["layer0", "layer0_border", "head"]
    assert graph.nodes[1].attributes.window == Window(3, 2, 1, 2, 2, 1, 1)
    assert graph.type_of("layer0_border").quantization == graph.type_of("layer0").quantization


def test_padding_that_is_cropped_goes_into_the_window(load):
    graph = load(DRAFTS["cropped and padded"]())
    assert operators(graph)[:4] == ["conv", "conv", "depthwise", "conv"]
    assert graph.nodes[1].attributes.window == Window(3, 3, 1, 1, 1, 0, 0)


def test_maps_that_are_taken_apart_become_dilations(load):
    graph = load(taken_apart((4,), pads=[(8, 0)]))
    (conv,) = (node for node in graph.nodes if "conv" in node.operator)
    assert (conv.attributes.window.dilations, conv.attributes.window.left) == ((1, 4), 8)
    assert "depthwise" not in operators(graph)
    inside, before = graph, load(DRAFTS["dilated and padded sequence"]())
    assert operators(inside) == operators(before)
    assert [n.attributes for n in inside.nodes] == [n.attributes for n in before.nodes]
    graph = load(DRAFTS["dilated map"]())
    assert operators(graph)[:2] == ["spaced_conv", "depthwise"]


def test_a_clamp_is_a_function_with_slopes(load):
    for draft, name, parameters in (
        (clamped(RELU), "leaky_relu", (0.0,)),
        (clamped(RELU6), "clip", (0.0, 6.0)),
        (leaky_by_maximum(), "leaky_relu", (0.09,)),
    ):
        *_, lookup = (node for node in load(draft).nodes if node.operator == "lookup")
        assert lookup.attributes.function.name == name
        assert lookup.attributes.function.parameters == pytest.approx(parameters)
        assert np.all(np.diff(lookup.attributes.table) >= 0)


@pytest.mark.parametrize(
    ("draft", "function"),
    [
        (function_in_float32(Alpha=0.2), Function("leaky_relu", (float(np.float32(0.2)),))),
        (function_in_float32("TANH", None), Function("tanh")),
        (function_in_float32("LOGISTIC", None), Function("logistic")),
    ],
)
def test_a_function_in_float32_is_a_table(draft, function, load):
    graph = load(draft)
    assert operators(graph) == ["conv", "lookup", "average_pool", "dense"]
    given, lookup = graph.type_of("layer0").quantized(), graph.nodes[1].attributes
    assert lookup.output == Quantization((float(np.float32(0.05)),), -90)
    assert lookup.function == function
    assert lookup.table == rounded_table(function, given, lookup.output)


def test_other_layers_in_float32_are_refused(tmp_path):
    path = function_in_float32("ABS", None).write(tmp_path / "net.tflite")
    assert load_model(str(path)).nodes[1].operator == "lookup"
    path = function_in_float32("EXP", None).write(tmp_path / "net.tflite")
    with pytest.raises(ModelError, match=r"layer 1 \(DEQUANTIZE, layer1\): its result is float32"):
        load_model(str(path))


def test_codes_of_operators_need_no_deprecated_byte(load):
    draft = DRAFTS["padded sum"]()
    found = load(draft)
    draft.has_deprecated_codes = False
    assert print_graph(load(draft)) == print_graph(found)


def test_what_a_clamp_leaves_alone_has_no_clamp(load):
    assert "lookup" not in operators(load(clamped(RELU, zero=-128)))


def test_samples_are_given_as_the_first_layer_reads_them(load):
    assert load(DRAFTS["channels first"]()).inputs[0].type.shape == (7, 6, 3)
    assert load(DRAFTS["sequence with channels first"]()).inputs[0].type.shape == (1, 8, 3)
    assert load(DRAFTS["grey with channels first"]()).inputs[0].type.shape == (7, 6, 1)
    assert load(DRAFTS["resized"]()).inputs[0].type.shape == (6, 5, 3)


def of_map(change):
    """A network with something behind its first convolution."""
    draft, x = begun()
    return ended(draft, change(draft, x))


def resized_map(draft, x):
    size = numbers(draft, 3, 3)
    return draft.like("RESIZE_BILINEAR", x, (1, 3, 3, 4), size, table="ResizeBilinearOptions")


def first_of_the_batch(draft, x):
    return strided(draft, x, (0, 0, 0, 0), (1, 7, 6, 4), (1, 7, 6, 4), ShrinkAxisMask=1)


def without_an_end(draft, x):
    return draft.like(
        "SLICE", x, (1, 7, 6, 4), numbers(draft, 0, 0, 0, 0), numbers(draft, 1, 9, 6, 4)
    )


def nothing_left(draft, x):
    given = numbers(draft, 0, 3, 0, 0), numbers(draft, 1, 0, 6, 4)
    return draft.like("SLICE", x, (1, 1, 6, 4), *given)


def much_of_the_lowest(draft, x):
    x = filled(draft, x, ((0, 0), (3, 0), (0, 0), (0, 0)), -128)
    return draft.pool(x, (3, 2), (1, 8, 5, 4), "MAX_POOL_2D")


def no_channels_left(draft, x):
    given = numbers(draft, 0, 0, 0, 4), numbers(draft, 1, 7, 6, 0)
    return draft.like("SLICE", x, (1, 7, 6, 1), *given)


def maximum_of_maps(draft, x):
    other = draft.conv(0, (1, 7, 6), 4, scale=0.02)
    return draft.append("MAXIMUM", [x, other], (1, 7, 6, 4), "MaximumMinimumOptions")


def rescaled_minimum(draft, x):
    bound = draft.tensor("bound", (), "int8", (0.3,), (0,), data=np.array(1, np.int8))
    return draft.append("MINIMUM", [x, bound], (1, 7, 6, 4), "MaximumMinimumOptions")


def batch_in_front(draft, x):
    return draft.like("PAD", x, (2, 7, 6, 4), numbers(draft, 1, 0, 0, 0, 0, 0, 0, 0))


APART = "(SPACE_TO_BATCH_ND, layer0): it takes a map apart, and only where convolutions"

REFUSED = {
    "no channels left": (
        lambda: of_map(no_channels_left),
        "layer 1 (SLICE, layer1): it leaves nothing of its map",
    ),
    "padding with a number of its own": (
        lambda: of_map(lambda d, x: filled(d, x, ((0, 0), (1, 1), (1, 1), (0, 0)), 7)),
        "layer 1 (PADV2, layer1): it pads with 7, and kilograd pads with the zero point, 5",
    ),
    "padding with the lowest number": (
        lambda: of_map(lambda d, x: filled(d, x, ((0, 0), (1, 1), (1, 1), (0, 0)), -128)),
        "layer 2 (AVERAGE_POOL_2D, layer2): it reads a map padded with the lowest number, and only",
    ),
    "much padding with the lowest number": (
        lambda: of_map(much_of_the_lowest),
        "layer 2 (MAX_POOL_2D, layer2): it reads a map padded with the lowest number, and only max",
    ),
    "padding with several numbers": (
        lambda: of_map(lambda d, x: filled(d, x, ((0, 0), (1, 1), (1, 1), (0, 0)), [5, 5])),
        "is damaged: operator 1 (PADV2): it pads with 2 numbers",
    ),
    "crop behind the end": (
        lambda: of_map(without_an_end),
        "is damaged: operator 1 (SLICE): it takes [0, 0, 0, 0] up to [1, 9, 6, 4] of the shape",
    ),
    "nothing is left": (
        lambda: of_map(nothing_left),
        "layer 1 (SLICE, layer1): it leaves nothing of its map",
    ),
    "batch dropped": (
        lambda: of_map(first_of_the_batch),
        "layer 1 (STRIDED_SLICE, layer1): it drops the dimension of the batch",
    ),
    "batch padded": (
        lambda: of_map(batch_in_front),
        "layer 1 (PAD, layer1): it has padding of the batch",
    ),
    "resized in between": (
        lambda: of_map(resized_map),
        "layer 1 (RESIZE_BILINEAR, layer1): kilograd resizes no maps within a network but by",
    ),
    "maximum of two maps of other scales": (
        lambda: of_map(maximum_of_maps),
        "layer 2 (MAXIMUM, layer2): its result has another scale or zero point than its input",
    ),
    "minimum for each channel": (
        lambda: bounded("MINIMUM", shape=(4,)),
        "it takes the smaller of elements and several constants, and kilograd takes that of two",
    ),
    "minimum of another scale": (
        lambda: of_map(rescaled_minimum),
        "its constant or its result has another scale or zero point than its map",
    ),
    "taken apart with strides": (lambda: taken_apart((2,), StrideW=2), APART),
    "taken apart with padding": (lambda: taken_apart((2,), padding=SAME), APART),
    "taken apart with dilation": (lambda: taken_apart((2,), DilationWFactor=2), APART),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_carried_is_refused(what, tmp_path):
    make, text = REFUSED[what]
    with pytest.raises(ModelError) as caught:
        load_model(str(make().write(tmp_path / "net.tflite")))
    assert text in str(caught.value)


def spoil(blocks, borders):
    draft = taken_apart((2,))
    constants = {tensor.name: tensor for tensor in draft.tensors}
    constants["blocks"].data = np.array(blocks, np.int32)
    constants["pads"].data = np.array(borders, np.int32)
    for name in ("blocks", "pads"):
        constants[name].shape = constants[name].data.shape
    return draft


@pytest.mark.parametrize(
    ("blocks", "borders"),
    [([0], [[0, 0]]), ([2], [[0, -1]]), ([2], [[0, 0], [0, 0]])],
)
def test_blocks_that_are_none_are_damage(blocks, borders, tmp_path):
    path = spoil(blocks, borders).write(tmp_path / "net.tflite")
    with pytest.raises(ModelError, match=r"is damaged: operator 0 .* it has blocks of"):
        load_model(str(path))


def test_maps_that_are_taken_apart_in_a_circle_are_refused(tmp_path):
    draft = taken_apart((2,))
    apart, before, *_ = draft.operators
    draft.operators.insert(2, type(before)("RESHAPE", [before.outputs[0]], [before.inputs[0]]))
    apart.outputs = [draft.tensor("nowhere", (2, 6, 4), "int8", (0.05,), (0,))]
    with pytest.raises(ModelError):
        load_model(str(draft.write(tmp_path / "net.tflite")))


@pytest.mark.parametrize("shape", [(), (0,), (2, 24), (1, 1, 1, 1, 1, 48)])
def test_other_shapes_of_what_is_padded_and_reordered_are_refused(shape, tmp_path):
    for place in (1, 5, 7, 11):
        draft = DRAFTS["sequence of PyTorch"]()
        draft.tensors[draft.operators[place].outputs[0]].shape = shape
        with pytest.raises(ModelError):
            load_model(str(draft.write(tmp_path / "net.tflite")))


def test_a_network_may_have_nothing_but_borders_in_front(tmp_path):
    draft = Draft((1, 7, 6, 3))
    x = draft.pad(0, ((0, 0), (1, 1), (1, 1), (0, 0)))
    graph = load_model(str(ended(draft, x).write(tmp_path / "net.tflite")))
    assert operators(graph)[0] == "depthwise"
