"""What each layer of a .tflite file becomes; with its interpreter at hand, also its bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from micro import assert_same_bytes
from tflite_drafts import (
    AVERAGE,
    DRAFTS,
    MAX,
    convolution_as_head,
    ended,
    flattened,
    float_ends,
    hidden_dense,
    mean_over,
    one_dimensional,
    padded,
    several_filters,
    without_bias,
)
from tflite_files import RELU, SAME, VALID, Draft, small_network
from tflite_products import FUNCTIONS, GATE, SIGNED_GATE, function, multiply

from kilograd.compiler import compile_model
from kilograd.frontend.open import class_names, input_spec
from kilograd.ir import Quantization
from kilograd.measuring.equivalence import verify_devices
from kilograd.ops.common.window import Window
from kilograd.ops.pool.window import PoolWindow
from kilograd.ops.spaced import SpacedWindow
from kilograd.scheme import layers, load_scheme
from kilograd.targets import get_target


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_bytes_are_those_of_tensorflow_lite_micro(what, tmp_path):
    assert_same_bytes(DRAFTS[what]().write(tmp_path / "net.tflite"), 6)


def windows(graph):
    return [
        node.attributes.window
        for node in graph.nodes
        if node.operator.endswith(("conv", "depthwise"))
    ]


def operators(graph):
    return [node.operator for node in graph.nodes]


def test_every_layer_arrives(load):
    draft = small_network()
    graph = load(draft)
    assert graph.name == "net"
    assert graph.inputs[0].type.shape == (6, 6, 3)
    assert graph.inputs[0].type.quantization == Quantization((float(np.float32(0.05)),), -3)
    assert operators(graph) == [
        *("conv", "depthwise", "pointwise", "add", "conv", "average_pool", "dense")
    ]
    assert layers(graph) == ["layer0", "layer1", "layer2", "layer5", "head"]
    assert graph.nodes[3].inputs == ("layer0", "layer2")
    weight, bias = (draft.tensors[number] for number in draft.operators[0].inputs[1:])
    assert np.array_equal(graph.values["layer0.weight"].array, weight.data)
    assert np.array_equal(graph.values["layer0.bias"].array, bias.data)
    assert graph.type_of("layer0.weight").scales == weight.scales
    assert graph.type_of("layer0").zero_point == -128
    assert graph.type_of(graph.outputs[0]).shape == (3,)
    spec = input_spec(graph)
    assert (spec.height, spec.width, spec.channels) == (6, 6, 3)


def test_files_do_not_name_their_classes(tmp_path):
    assert class_names(str(small_network().write(tmp_path / "net.tflite"))) == ()


def test_padding_goes_into_the_windows_behind_it(load):
    graph = load(padded())
    assert windows(graph) == [
        Window(3, 3, 1, 1, 0, 2, 1),
        Window(3, 3, 1, 1, 0, 2, 1),
        Window(3, 3, 1, 2, 2, 1, 1),
    ]
    assert operators(graph) == ["conv", "depthwise", "add", "conv", "average_pool", "dense"]


def test_padding_goes_into_a_max_pool_of_what_is_not_negative(load):
    graph = load(DRAFTS["padded for a max pool"]())
    (pool,) = (node for node in graph.nodes if node.operator == "max_pool")
    assert pool.attributes.window == PoolWindow(3, 3, 2, 2, 1, 1, 1, 1)


def test_a_dense_layer_may_read_each_position_alone(load):
    graph = load(DRAFTS["dense at each position"]())
    assert operators(graph) == ["conv", "pointwise", "mean", "dense"]
    assert graph.type_of(graph.nodes[1].outputs[0]).shape == (1, 6, 7)


def test_the_odd_row_of_padding_goes_below_and_the_odd_column_right(load):
    assert windows(load(DRAFTS["odd padding"]())) == [Window(3, 3, 2, 0, 1, 0, 1)]
    assert windows(load(DRAFTS["even window"]())) == [Window(4, 2, 1, 1, 2, 0, 1)]


def test_any_stride_serves_along_one_position(load):
    assert windows(load(DRAFTS["one column"]())) == [Window(3, 1, 2, 1, 1, 0, 0)]
    assert windows(load(DRAFTS["one row"]())) == [Window(1, 3, 2)]


def test_dilated_windows_and_strides_that_differ_are_spaced(load):
    assert windows(load(DRAFTS["strides that differ"]())) == [
        SpacedWindow(3, 3, 1, 1, 1, 1, 1, column_stride=2)
    ]
    graph = load(DRAFTS["dilated, padded"]())
    assert operators(graph) == ["spaced_conv", "average_pool", "dense"]
    assert windows(graph) == [
        SpacedWindow(3, 2, 1, 2, 2, 1, 2, column_stride=1, row_dilation=2, column_dilation=3)
    ]
    assert windows(load(DRAFTS["dilated along one tap"]())) == [Window(1, 3)]


@pytest.mark.parametrize(
    "what",
    [
        *("causal", "dilated depthwise", "strides that differ"),
        *("grouped", "several filters on each channel"),
    ],
)
def test_a_training_step_is_the_same_on_a_board(what, load, learns_alike):
    assert learns_alike(load(DRAFTS[what](), 3))


def test_several_filters_on_one_channel_are_a_convolution(load):
    draft = several_filters()
    graph = load(draft)
    assert operators(graph) == ["conv", "average_pool", "dense"]
    weight = draft.tensors[draft.operators[0].inputs[1]].data
    assert np.array_equal(graph.values["layer0.weight"].array[..., 0], weight[0].transpose(2, 0, 1))


def test_several_filters_on_each_channel_read_copies_of_it(load):
    draft = DRAFTS["several filters for each channel"]()
    graph = load(draft)
    assert operators(graph) == ["pointwise", "depthwise", "average_pool", "dense"]
    assert layers(graph) == ["layer0_copies", "layer0", "head"]
    assert graph.type_of("layer0_copies").quantization == graph.inputs[0].type.quantization
    weight = draft.tensors[draft.operators[0].inputs[1]].data
    assert np.array_equal(graph.values["layer0.weight"].array, weight[..., 0].transpose(1, 2, 0))


def test_a_grouped_convolution_has_zeros_between_its_groups(load):
    draft = DRAFTS["grouped"]()
    weight = load(draft).values["layer0.weight"].array
    stored = draft.tensors[draft.operators[0].inputs[1]].data
    assert weight.shape == (12, 3, 3, 6)
    assert np.array_equal(weight[:6, ..., :3], stored[:6])
    assert np.array_equal(weight[6:, ..., 3:], stored[6:])
    assert not weight[:6, ..., 3:].any()
    assert not weight[6:, ..., :3].any()


def test_a_dense_layer_is_a_convolution_over_the_map(load):
    for draft, window in ((hidden_dense(), Window(5, 4)), (flattened(), Window(5, 4))):
        graph = load(draft)
        assert window in windows(graph)
        assert "dense" not in operators(graph)[:-1]
    assert operators(load(hidden_dense())) == ["conv", "conv", "pointwise", "dense"]


def test_a_dense_layer_without_a_bias_has_one_of_zeros(load):
    graph = load(without_bias())
    assert not graph.values["layer0.bias"].array.any()
    assert not graph.values["head.bias"].array.any()


def test_ends_that_a_device_does_not_compute_are_taken_off(load):
    graph = load(float_ends())
    assert graph.inputs[0].type.shape == (6, 6, 1)
    assert graph.inputs[0].type.quantization == Quantization((float(np.float32(0.01)),), 4)
    assert operators(graph) == ["conv", "conv", "dense"]
    assert operators(load(convolution_as_head())) == ["conv", "average_pool", "dense"]


def test_the_batch_may_be_open(load):
    draft = small_network()
    draft.tensors[0].signature = (-1, 6, 6, 3)
    assert load(draft) == load(small_network())


def test_layers_that_the_result_does_not_need_are_left_out(load):
    draft = small_network()
    result = draft.outputs
    draft.append("MAX_POOL_2D", [0], (1, 3, 3, 3), "Pool2DOptions", **_POOL)
    draft.outputs = result
    assert load(draft) == load(small_network())


_POOL = {"Padding": VALID, "StrideH": 2, "StrideW": 2, "FilterHeight": 2, "FilterWidth": 2}


def test_a_fresh_head_replaces_that_of_the_file(load):
    graph = load(small_network(), 7)
    assert graph.type_of(graph.outputs[0]).shape == (7,)
    assert graph.nodes[-1].layer == "head"
    assert not graph.values["head.weight"].array.any()
    draft = small_network()
    draft.operators[-2].options["FusedActivationFunction"] = RELU
    assert load(draft, 7) == graph


def test_data_chooses_the_classes_of_a_network_with_one_value(kilograd, tmp_path):
    draft = Draft()
    draft.dense(draft.pool(draft.conv(0, (1, 6, 6), 4), (6, 6), (1, 1, 1, 4)), 1)
    path = draft.write(tmp_path / "net.tflite")
    assert kilograd("inspect", path, "--json").json["label_kind"] == "value"
    inputs = np.random.default_rng(1).normal(size=(12, 6, 6, 3)).astype(np.float32)
    labels, split = np.arange(12) % 3, np.arange(12) // 9
    np.savez(tmp_path / "data.npz", inputs=inputs, labels=labels, split=split)
    outcome = kilograd("train", path, "--data", tmp_path / "data.npz", "--json")
    assert outcome.json["scheme"] == "head"
    said = "own last layer estimates a value, and the data has classes: a new last layer is made"
    assert said in " ".join(kilograd("train", path, "--data", tmp_path / "data.npz").err.split())


@pytest.fixture
def own_head(tmp_path):
    """A file with a head for three classes, and data of three."""
    path = small_network().write(tmp_path / "net.tflite")
    inputs = np.random.default_rng(1).normal(size=(12, 6, 6, 3)).astype(np.float32)
    labels, split = np.arange(12) % 3, np.arange(12) // 9
    names = np.array(["cup", "key", "mug"])
    data = tmp_path / "data.npz"
    np.savez(data, inputs=inputs, labels=labels, split=split, class_names=names)
    return path, data


def test_training_goes_on_from_a_head_with_as_many_classes(own_head, kilograd):
    path, data = own_head
    states = [data.with_name(name) for name in ("own", "fresh")]
    outcome = kilograd("train", path, "--data", data, "--save", states[0])
    said = "net has a head for 3 classes: training goes on from it, and its classes are taken to be"
    assert f"{said} cup, key, mug (--fresh-head makes a new one)" in " ".join(outcome.err.split())
    fresh = kilograd("train", path, "--data", data, "--fresh-head", "--save", states[1])
    assert "goes on from it" not in fresh.err
    assert states[0].read_bytes() != states[1].read_bytes()


def test_one_scale_serves_all_channels(load):
    draft = Draft()
    x = draft.conv(0, (1, 6, 6), 4, scales=1)
    graph = load(ended(draft, x))
    assert graph.type_of("layer0.weight").scales == draft.tensors[1].scales * 4


def test_scales_along_a_dimension_that_is_not_there_lie_along_the_first(load):
    draft = small_network()
    weight, bias = (draft.tensors[number] for number in draft.operators[0].inputs[1:])
    bias.scales, bias.zeros, bias.axis = weight.scales, (0,) * 4, 3
    weight.axis = 4
    assert load(draft) == load(small_network())


def test_a_squeezed_map_is_reshaped(load):
    assert load(one_dimensional("SQUEEZE")) == load(one_dimensional())


@pytest.mark.parametrize("axis", [1, 2])
def test_a_step_through_a_mean_along_one_axis_is_the_same_on_the_host(load, axis):
    shape = (1, 5, 6) if axis == 1 else (1, 7, 6)
    graph = load(mean_over((axis,), shape), 3)
    program = compile_model(graph, load_scheme("full", graph), get_target("cortex-m7"))
    assert "mean_input_gradient" in {node.operator for node in program.graph.nodes}
    assert verify_devices(program, ["reference", "host"], steps=2).identical


def test_a_training_step_is_the_same_on_the_host(load):
    graph = load(small_network(), 3)
    program = compile_model(graph, load_scheme("full", graph), get_target("cortex-m7"))
    assert verify_devices(program, ["reference", "host"], steps=2).identical


_KINDS = (
    *("conv", "depthwise", "add", "dense", AVERAGE, MAX, "mean", "quantize"),
    *("multiply", "spread", "LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU", "ELU", "ABS"),
)
_GATES = {"LOGISTIC": GATE, "TANH": SIGNED_GATE}


def random_product(draw, draft, x, kind, chosen):
    """A product, or a function of one number, of a map."""
    _, height, width, channels = draft.tensors[x].shape
    if kind in FUNCTIONS:
        options = {"Alpha": draw(st.floats(0, 2, width=32))} if kind == "LEAKY_RELU" else {}
        # A hard swish that is finer than its input is refused.
        scale = max(chosen["scale"], draft.tensors[x].scales[0] / 100)
        return function(draft, kind, x, **(_GATES.get(kind, chosen | {"scale": scale}) | options))
    y = draft.conv(x, (1, height, width), channels, (1, 1), scale=draw(st.floats(0.004, 2)))
    if kind == "spread":
        y = draft.mean(y, (1, 2), (1, 1, 1, channels), KeepDims=True)
    return multiply(draft, x, y, **chosen)


def random_dilations(draw, extents, taps):
    """What a dilated window covers, and its options."""
    dilations = [
        draw(st.integers(1, max(1, (extent - 1) // (tap - 1)) if tap > 1 else 3))
        for extent, tap in zip(extents, taps, strict=True)
    ]
    spans = [(tap - 1) * dilation + 1 for tap, dilation in zip(taps, dilations, strict=True)]
    return spans, {"DilationHFactor": dilations[0], "DilationWFactor": dilations[1]}


@st.composite
def random_networks(draw):
    """A few layers of any geometry that is carried, with scales that differ a lot."""
    extent = st.integers(1, 9)
    draft = Draft(
        (1, draw(extent), draw(extent), draw(st.integers(1, 5))),
        scale=draw(st.floats(0.004, 0.3)),
        zero=draw(st.integers(-128, 127)),
        seed=draw(st.integers(0, 2**32 - 1)),
    )
    x = 0
    for _ in range(draw(st.integers(1, 4))):
        _, height, width, channels = draft.tensors[x].shape
        chosen = {"scale": draw(st.floats(0.004, 2)), "zero": draw(st.integers(-128, 127))}
        taps = draw(st.integers(1, min(4, height))), draw(st.integers(1, min(4, width)))
        strides = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        padding, kind = draw(st.sampled_from([SAME, VALID])), draw(st.sampled_from(_KINDS))
        spans, dilations = taps, {}
        if kind in {"conv", "depthwise"}:
            spans, dilations = random_dilations(draw, (height, width), taps)
        rows, columns = (
            -(-extent // stride) if padding == SAME else (extent - span) // stride + 1
            for extent, span, stride in zip((height, width), spans, strides, strict=True)
        )
        geometry = {"taps": taps, "strides": strides, "padding": padding} | dilations
        if kind == "conv":
            scales = draw(st.sampled_from([None, 1]))
            group = draw(st.sampled_from([n for n in (1, 2, 3, 4) if channels % n == 0]))
            outputs = group * draw(st.integers(1, 6 // group))
            geometry |= {"scales": scales, "group": group}
            x = draft.conv(x, (1, rows, columns), outputs, **geometry, **chosen)
        elif kind == "depthwise":
            outputs = channels * draw(st.integers(1, max(1, 4 // channels)))
            x = draft.depthwise(x, (1, rows, columns), outputs, **geometry, **chosen)
        elif kind == "add":
            y = draft.conv(x, (1, height, width), channels, (1, 1), scale=draw(st.floats(0.004, 2)))
            x = draft.add(x, y, **chosen)
        elif kind in {*FUNCTIONS, "multiply", "spread"}:
            x = random_product(draw, draft, x, kind, chosen)
        elif kind in {AVERAGE, MAX}:
            shape, options = (
                (1, rows, columns, channels),
                {"StrideH": strides[0], "StrideW": strides[1]},
            )
            x = draft.pool(x, taps, shape, kind, Padding=padding, **options)
        elif kind == "mean":
            x = draft.mean(x, (1, 2), (1, 1, 1, channels), KeepDims=True, **chosen)
        elif kind == "quantize":
            x = draft.append("QUANTIZE", [x], draft.tensors[x].shape, **chosen)
        else:
            x = draft.reshape(draft.dense(x, 5, **chosen), (1, 1, 1, 5))
    return ended(draft, x)


@pytest.mark.oracle
@settings(max_examples=100)
@given(random_networks())
def test_bytes_of_random_networks(tmp_path_factory, draft):
    path = tmp_path_factory.getbasetemp() / "random.tflite"
    assert_same_bytes(draft.write(path), 2)
