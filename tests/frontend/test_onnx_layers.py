"""What each layer of an .onnx file becomes; with onnxruntime at hand, also its numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_drafts import (
    DRAFTS,
    convolution,
    data,
    ended,
    flattened,
    flattened_float_samples,
    flattened_samples,
    unsigned,
)
from onnx_files import Draft, small_network
from runtime import compare, samples

from kilograd.compiler import compile_model
from kilograd.frontend.onnx import read_onnx
from kilograd.frontend.onnx.names import author_name
from kilograd.frontend.open import class_names, input_spec, load_model
from kilograd.ir import Quantization
from kilograd.measuring.equivalence import verify_devices
from kilograd.ops.common.window import Window
from kilograd.passes.verify import verify
from kilograd.scheme import load_scheme
from kilograd.targets import get_target

#: Means of a few positions, which TensorFlow Lite's arithmetic rounds twice.
FEW_POSITIONS = {"average under windows", "mean of the rows", "mean of the columns"}


@pytest.mark.parametrize("what", DRAFTS)
def test_a_network_is_carried(what, tmp_path):
    graph = load_model(str(DRAFTS[what]().write(tmp_path / "net.onnx")))
    verify(graph, "reading")
    assert graph.nodes[-1].layer == "head"


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_every_tensor_is_within_one_step_of_onnxruntime(what):
    draft = DRAFTS[what]()
    shape = [dim.dim_value for dim in draft.inputs[0].type.tensor_type.shape.dim]
    found = compare(draft.content(), list(samples(shape, 40)))
    assert found.alone.elements > 0
    assert found.alone.most <= 1
    # Averages over few elements are often halves, which go different ways.
    assert found.alone.share < (0.02 if what in FEW_POSITIONS else 0.01)
    assert found.chained.most <= 2
    assert found.chained.share < 0.02
    assert found.same_class >= 39


@pytest.fixture
def load(tmp_path):
    """The graph of a draft, verified."""

    def loaded(draft, classes=None):
        graph = load_model(str(draft.write(tmp_path / "net.onnx")), classes)
        verify(graph, "reading")
        return graph

    return loaded


@pytest.fixture
def records(tmp_path):
    """The layers of a draft, as they are read."""

    def read(draft):
        network = read_onnx(draft.write(tmp_path / "net.onnx"))
        return network, network.layers

    return read


def test_every_layer_arrives(load):
    draft = small_network()
    graph = load(draft)
    assert graph.name == "net"
    assert graph.inputs[0].type.shape == (8, 8, 3)
    assert graph.inputs[0].type.quantization == Quantization((float(np.float32(0.02)),), -5)
    assert [node.operator for node in graph.nodes] == [
        *("conv", "depthwise", "pointwise", "add", "conv", "average_pool", "pointwise", "dense")
    ]
    names = [node.layer for node in graph.nodes]
    assert names[:4] == ["layer_1", "layer_6", "layer_11", "add_17"]
    assert graph.nodes[3].inputs == ("layer_1", "layer_11")
    weight = data(draft, "layer_1.weight_quantized")
    assert np.array_equal(graph.values["layer_1.weight"].array, weight.transpose(0, 2, 3, 1))
    assert np.array_equal(graph.values["layer_1.bias"].array, data(draft, "layer_1.bias_q"))
    scales = data(draft, "layer_1.weight.scale")
    assert graph.type_of("layer_1.weight").scales == tuple(map(float, scales))
    assert graph.type_of("layer_1").zero_point == -128
    assert graph.type_of(graph.outputs[0]).shape == (3,)
    spec = input_spec(graph)
    assert (spec.height, spec.width, spec.channels) == (8, 8, 3)


def test_files_do_not_name_their_classes(tmp_path):
    assert class_names(str(small_network().write(tmp_path / "net.onnx"))) == ()


def test_a_dense_layer_reads_a_flattened_map_in_the_order_in_which_it_is_stored(load):
    draft = flattened()
    graph = load(draft)
    (stem,) = [n for n in draft.constants if n.endswith("weight_quantized")][1:2]
    made = graph.values[f"{stem.removesuffix('.weight_quantized')}.weight"].array
    assert np.array_equal(made, data(draft, stem).reshape(6, 5, 3, 2).transpose(0, 2, 3, 1))
    assert graph.nodes[1].attributes.window == Window(3, 2)


@pytest.mark.parametrize("make", [flattened_samples, flattened_float_samples])
def test_a_network_that_flattens_its_samples_reads_them_as_maps(load, make):
    graph = load(make())
    assert graph.inputs[0].type.shape == (4, 5, 3)
    assert [node.operator for node in graph.nodes] == ["conv", "dense"]


def test_unsigned_maps_are_signed_ones_with_another_zero_point(load):
    assert load(unsigned()) == load(small_network())


def test_the_batch_may_be_open(load):
    draft = small_network()
    draft.inputs[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    assert load(draft) == load(small_network())


def test_a_sample_may_be_given_as_integers(load):
    draft = small_network()
    draft.nodes.pop(0)
    draft.inputs = [helper.make_tensor_value_info("sample_q", TensorProto.INT8, [1, 3, 8, 8])]
    assert load(draft) == load(small_network())


def test_a_fresh_head_replaces_that_of_the_file(load):
    graph = load(small_network(), 7)
    assert graph.type_of(graph.outputs[0]).shape == (7,)
    assert not graph.values["head.weight"].array.any()


def test_a_float_bias_rounds_halves_to_even(load):
    draft = convolution(bias="float32")
    scales = np.float32([2**-8, 2**-8, 2**-9, 2**-9])
    stem = next(n for n in draft.constants if n.endswith("weight.scale")).removesuffix(
        ".weight.scale"
    )
    draft.constant(f"{stem}.weight.scale", scales)
    draft.constant("sample_q.scale", np.float32(2**-6))
    units = np.array([2.5, -3.5, 4e30, 0.75])
    draft.constant(f"{stem}.bias", (units * scales * 2**-6).astype(np.float32))
    weight = np.array(data(draft, f"{stem}.weight_quantized"))
    weight[2] = 0  # the bias of a channel without weights may be past what an accumulator holds
    draft.constant(f"{stem}.weight_quantized", weight)
    bias = load(draft).values[f"{stem}.bias"].array
    assert bias[[0, 1, 3]].tolist() == [2, -4, 1]


@pytest.mark.thorough
def test_a_training_step_is_the_same_on_the_host(load):
    graph = load(small_network(), 3)
    program = compile_model(graph, load_scheme("full", graph), get_target("cortex-m7"))
    assert verify_devices(program, ["reference", "host"], steps=2).identical


NAMES = {
    ("conv2d_1", "features.0.0.weight_quantized"): "features.0.0",
    ("x", "net/conv1/kernel:0_quantized"): "net.conv1",
    ("/features/0/Conv_output_0", "onnx::Conv_12_quantized"): "features.0.Conv",
    ("add_1", ""): "add_1",
    ("y", "ConvBnFusion_W_features.0.0.weight_quantized"): "features.0.0",
    ("linear_QuantizeLinear_Output", ""): "linear",
    ("y", "stem.weight_bias_fused"): "stem",
}


def test_maps_that_are_joined_pooled_and_averaged_are_read_into_records(records):
    draft = Draft()
    x = draft.conv("sample_q", 4)
    y = draft.append("MaxPool", [x], (1, 4, 4, 4), kernel_shape=[2, 2], strides=[2, 2])
    z = draft.pool(x, window=[3, 3], shape=(1, 4, 4, 4), strides=[2, 2], pads=[1, 1, 0, 0])
    x = draft.append("Concat", [y, z, y], (1, 12, 4, 4), 1.0, axis=-3)
    x = draft.append("GlobalAveragePool", [x], (1, 12, 1, 1), 0.7)
    network, layers = records(ended(draft, x))
    found = {layer.operator: layer for layer in layers}
    pool = {"strides": (2, 2), "window": (2, 2), "pads": (0, 0, 0, 0)}
    assert dict(found["max_pool"].options) == pool
    pool = {"strides": (2, 2), "window": (3, 3), "pads": (1, 0, 1, 0)}
    assert dict(found["average_pool"].options) == pool
    assert dict(found["concatenate"].options) == {"axis": 3}
    assert len(found["concatenate"].inputs) == 3
    requantized = [layer.outputs[0] for layer in layers if layer.operator == "quantize"][1:]
    assert found["concatenate"].inputs == tuple(requantized)
    assert dict(found["mean"].options) == {"axes": (1, 2)}
    shapes = [network.tensors[layer.outputs[0]].shape for layer in layers]
    assert shapes[2:7] == [(1, 4, 4, 4)] * 5
    assert shapes[7:9] == [(1, 4, 4, 12), (1, 1, 1, 12)]


def test_a_window_that_reaches_beyond_the_map_is_padded(records):
    draft = Draft((1, 2, 6, 5))
    x = draft.append(
        "MaxPool", ["sample_q"], (1, 2, 3, 2), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1
    )
    network, layers = records(ended(draft, x))
    assert layers[1].numbers("pads") == (0, 1, 0, 0)
    assert network.tensors[layers[1].outputs[0]].shape == (1, 3, 2, 2)


def test_padding_that_an_average_counts_is_a_layer_of_its_own(records):
    draft = Draft((1, 2, 6, 5))
    x = draft.pool(
        "sample_q", window=[3, 3], shape=(1, 2, 6, 5), pads=[1, 1, 1, 1], count_include_pad=1
    )
    _, layers = records(ended(draft, x))
    assert [layer.operator for layer in layers[1:3]] == ["pad", "average_pool"]
    assert layers[1].numbers("pads") == (0, 0, 1, 1, 1, 1, 0, 0)
    assert layers[2].numbers("pads") == (0, 0, 0, 0)


def test_an_average_over_all_of_a_map_that_rescales_is_a_mean(records):
    draft = Draft((1, 4, 9))
    x = draft.append("AveragePool", ["sample_q"], (1, 4, 1), 0.3, kernel_shape=[9])
    network, layers = records(ended(draft, x))
    assert (layers[1].operator, dict(layers[1].options)) == ("mean", {"axes": (1, 2)})
    assert network.tensors[layers[1].outputs[0]].shape == (1, 1, 1, 4)


@pytest.mark.parametrize(("result", "weight"), NAMES)
def test_layers_have_the_names_of_their_modules(result, weight):
    assert author_name(result, weight) == NAMES[result, weight]


@st.composite
def random_networks(draw):
    """A few layers of any geometry that is carried."""
    extent = st.integers(1, 9)
    shape = (1, draw(st.integers(1, 5)), draw(extent), draw(extent))
    draft = Draft(
        shape,
        scale=draw(st.floats(0.004, 0.3)),
        zero=draw(st.integers(-128, 127)),
        seed=draw(st.integers(0, 2**32 - 1)),
        opset=draw(st.sampled_from([13, 17, 18, 20, 21, 23, 25, 27])),
        dtype=draw(st.sampled_from([np.int8, np.uint8])),
    )
    x = "sample_q"
    for _ in range(draw(st.integers(1, 4))):
        _, channels, height, width = draft.shapes[x]
        window = draw(st.integers(1, min(4, height))), draw(st.integers(1, min(4, width)))
        pads = [draw(st.integers(0, tap - 1)) for tap in window * 2]
        strides = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        dilations = [
            draw(st.integers(1, max(1, (extent - 1) // (tap - 1)) if tap > 1 else 2))
            for extent, tap in zip((height, width), window, strict=True)
        ]
        geometry = {"window": window, "pads": pads, "strides": strides, "dilations": dilations}
        bias = draw(st.sampled_from(["int32", "float32", None]))
        kind = draw(st.sampled_from(["conv", "depthwise", "add", "dense"]))
        if kind == "conv":
            x = draft.conv(x, draw(st.integers(1, 6)), bias=bias, **geometry)
        elif kind == "depthwise":
            x = draft.depthwise(x, bias=bias, **geometry)
        elif kind == "add":
            x = draft.add(x, draft.conv(x, channels, (1, 1), bias=bias))
        else:
            x = draft.gemm(draft.flatten(x), 5, bias, transposed=draw(st.booleans()))
            x = draft.like("Reshape", x, (1, 5, 1, 1), [draft.constant(x + "s", [1, 5, 1, 1])])
        if kind != "add" and draw(st.booleans()) and draft.nodes[-1].op_type == "QuantizeLinear":
            x = draft.relu(x) if kind != "dense" else x
    return ended(draft, x)


@pytest.mark.oracle
@settings(max_examples=60)
@given(random_networks())
def test_numbers_of_random_networks(draft):
    shape = draft.shapes["sample_q"]
    scale, zero = draft.quantizations["sample_q"]
    rng = np.random.default_rng(1)
    maps = [(rng.integers(-128, 128, shape) - zero) * np.float32(scale) for _ in range(6)]
    found = compare(draft.content(), [sample.astype(np.float32) for sample in maps])
    assert found.alone.most <= 1  # in how many elements depends on how many halves there are
