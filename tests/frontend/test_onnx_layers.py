"""What each layer of an .onnx file becomes; with onnxruntime at hand, also its numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
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


def ended(draft, x):
    """The draft with a head behind a map, or a vector."""
    if len(draft.shapes[x]) > 2:
        if any(extent > 1 for extent in draft.shapes[x][2:]):
            x = draft.pool(x)
        x = draft.flatten(x)
    return draft.finish(draft.gemm(x, 3))


def convolution(shape=(1, 3, 7, 8), outputs=4, **options):
    draft = Draft(shape)
    return ended(draft, draft.conv("sample_q", outputs, **options))


def flattened():
    """A dense layer that reads a map of 3×2 positions, of which the file has channels first."""
    draft = Draft((1, 3, 6, 4))
    x = draft.conv("sample_q", 5, strides=(2, 2))
    x = draft.gemm(draft.flatten(x), 6)
    return ended(draft, x)


def flattened_by_reshaping():
    """With the weight the other way round, and the map as three dimensions in between."""
    draft = Draft((1, 3, 6, 4))
    x = draft.conv("sample_q", 5, strides=(2, 2))
    x = draft.like("Reshape", x, (1, 5, 6), [draft.constant("s", np.array([0, 5, -1]))])
    x = draft.like("Reshape", x, (1, 30), [draft.constant("t", np.array([1, 30]))])
    return ended(draft, draft.gemm(x, 6, transposed=False))


def flattened_through_float():
    """Flatten and Relu behind a convolution, with no quantization between the three."""
    draft = Draft((1, 3, 6, 4))
    x = draft.conv("sample_q", 5, strides=(2, 2))
    draft.activate(x, "Flatten", axis=-3)
    draft.shapes[x] = (1, 30)
    return ended(draft, draft.gemm(draft.relu(x), 6))


def flattened_samples():
    draft = Draft((1, 3, 4, 5))
    return ended(draft, draft.gemm(draft.flatten("sample_q"), 6))


def flattened_float_samples():
    draft = Draft((1, 3, 4, 5))
    quantize = draft.nodes[-1]
    draft.nodes.insert(0, helper.make_node("Flatten", ["sample"], ["flat"]))
    quantize.input[0] = "flat"
    draft.shapes["sample_q"] = (1, 60)
    return ended(draft, draft.gemm("sample_q", 6))


def biases(kind):
    def make():
        draft = Draft()
        x = draft.conv("sample_q", 4, bias=kind)
        x = draft.pool(draft.depthwise(x, bias=kind))
        return draft.finish(draft.gemm(draft.flatten(x), 3, bias=kind))

    return make


def bias_of_another_scale():
    draft = convolution()
    name = next(name for name in draft.constants if name.endswith("bias.scale"))
    scale = np.float32([1e-5, 2e-5, 3e-5, 4e-5])
    draft.constant(name, scale)
    return draft


def multiplied():
    """MatMul, and an Add that is a bias."""
    draft = Draft((1, 20))
    return draft.finish(draft.matmul(draft.matmul("sample_q", 8), 3, bias=False), "LogSoftmax")


def one_direction():
    """Convolutions along time: [batch, channels, time]."""
    draft = Draft((1, 4, 16))
    x = draft.relu(draft.conv("sample_q", 6, (3,), (2,)))
    x = draft.depthwise(x, (3,))
    x = draft.pool(x)
    x = draft.like("Squeeze", x, (1, 6), [draft.constant("last", np.array([-1]))])
    return ended(draft, x)


def padded():
    draft = Draft((1, 3, 6, 7))
    pads = draft.constant("pads", np.array([0, 0, 1, 0, 0, 0, 2, 1]))
    x = draft.like("Pad", "sample_q", (1, 3, 9, 8), [pads], mode="constant")
    return ended(draft, draft.conv(x, 4, pads=(0, 1, 0, 0)))


def padded_axes():
    """Pads of two dimensions, with the zero that they pad with quantized."""
    draft = Draft((1, 3, 6, 7))
    pads = draft.constant("pads", np.array([1, 0, 2, 1]))
    axes = draft.constant("axes", np.array([-2, 3]))
    draft.constant("zero", np.int8(-5))
    draft.node("DequantizeLinear", ["zero", "sample_q.scale", "sample_q.zero"], ["zero_real"])
    x = draft.like("Pad", "sample_q", (1, 3, 9, 8), [pads, "zero_real", axes])
    return ended(draft, draft.conv(x, 4, pads=(0, 1, 0, 0)))


def same_padding(kind):
    def make():
        draft = convolution((1, 3, 8, 7), strides=(2, 2), pads=(0, 1, 1, 1))
        node = next(node for node in draft.nodes if node.op_type == "Conv")
        del node.attribute[:]
        attributes = {"auto_pad": kind, "strides": [2, 2], "kernel_shape": [3, 3]}
        node.attribute.extend(helper.make_attribute(*item) for item in attributes.items())
        return draft

    return make


def without_padding():
    draft = convolution((1, 3, 8, 7), pads=(0, 0, 0, 0))
    node = next(node for node in draft.nodes if node.op_type == "Conv")
    del node.attribute[:]
    node.attribute.append(helper.make_attribute("auto_pad", "VALID"))
    return draft


def channels_last_samples():
    """A network of PyTorch behind samples as TensorFlow has them."""
    draft = Draft((1, 6, 7, 3))
    x = draft.like("Transpose", "sample_q", (1, 3, 6, 7), perm=(0, 3, 1, 2))
    return ended(draft, draft.conv(x, 4))


def channels_last_float_samples():
    draft = Draft((1, 6, 7, 3))
    quantize = draft.nodes[-1]
    perm = helper.make_node("Transpose", ["sample"], ["first"], perm=(0, 3, 1, 2))
    draft.nodes.insert(0, perm)
    quantize.input[0] = "first"
    draft.shapes["sample_q"] = (1, 3, 6, 7)
    return ended(draft, draft.conv("sample_q", 4))


def channels_last_at_the_end():
    draft = Draft()
    x = draft.pool(draft.conv("sample_q", 5))
    x = draft.like("Transpose", x, (1, 1, 1, 5), perm=(0, 2, 3, 1))
    return draft.finish(draft.gemm(draft.flatten(x), 3))


def pooled(operator, *more, **attributes):
    """A mean of the whole map whose result is quantized as the map is."""

    def make():
        draft = Draft()
        x = draft.conv("sample_q", 5)
        given = [draft.constant("axes", np.array(axes)) for axes in more]
        shape = (1, 5) if attributes.get("keepdims") == 0 else (1, 5, 1, 1)
        x = draft.like(operator, x, shape, given, **attributes)
        return ended(draft, x)

    return make


def rescaled(operator, shape, more=(), **attributes):
    """An operator on a map of [1, 5, 8, 8] whose result has another scale."""

    def make():
        draft = Draft()
        x = draft.conv("sample_q", 5)
        scale, _ = draft.quantizations[x]
        given = [draft.constant(f"more{i}", np.array(data)) for i, data in enumerate(more)]
        return ended(
            draft, draft.append(operator, [x], shape, 30 * scale, more=given, **attributes)
        )

    return make


def relu_of_its_own():
    draft = Draft()
    x = draft.conv("sample_q", 4)
    scale, _ = draft.quantizations[x]
    return ended(draft, draft.append("Relu", [x], draft.shapes[x], 25 * scale, -128))


def joined():
    """Maps of different scales side by side, one of them twice."""
    draft = Draft()
    x, y = draft.conv("sample_q", 4), draft.conv("sample_q", 3)
    spread = 40 * max(draft.quantizations[x][0], draft.quantizations[y][0])
    return ended(draft, draft.append("Concat", [x, y, x], (1, 11, 8, 8), spread, axis=1))


def windowed(operator, **attributes):
    def make():
        draft = Draft((1, 3, 8, 9))
        x = draft.conv("sample_q", 4)
        options = {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 1, 1]} | attributes
        return ended(draft, draft.like(operator, x, (1, 4, 4, 3), **options))

    return make


def head_on_a_map():
    draft = Draft((1, 3, 6, 4))
    x = draft.conv("sample_q", 5, strides=(2, 2))
    return draft.finish(draft.gemm(draft.flatten(x), 4))


def one_value():
    draft = Draft((1, 3, 6, 4))
    x = draft.flatten(draft.pool(draft.conv("sample_q", 5)))
    return draft.finish(draft.gemm(x, 1), "Sigmoid")


def lowest_weights():
    draft = convolution()
    name = next(name for name in draft.constants if name.endswith("weight_quantized"))
    weight = np.array(data(draft, name))
    weight[:, 0, 0] = -128
    draft.constant(name, weight)
    return draft


def opset(version):
    return lambda: small_network(opset=version)


def unsigned():
    return small_network(dtype=np.uint8)


def without_zero_points():
    """Of uint8, which is what QuantizeLinear makes then: 0 stands for 0."""
    draft = Draft((1, 2, 4, 4), dtype=np.uint8, zero=-128)
    x = draft.relu(draft.conv("sample_q", 3))
    x = draft.flatten(draft.pool(x))
    for node in draft.nodes:
        if node.op_type.endswith("uantizeLinear") and "layer" not in node.input[0]:
            del node.input[2:]
    x = draft.gemm(x, 4)
    return draft.finish(draft.gemm(x, 3))


def weights_in_float():
    """As quantization-aware training leaves them: float, between two operators of its own."""
    draft = Draft()
    x = draft.conv("sample_q", 4)
    rng = np.random.default_rng(5)
    name = next(name for name in draft.constants if name.endswith("weight_quantized"))
    stem = name.removesuffix("_quantized")
    draft.constants.pop(name)
    draft.constant(stem, rng.uniform(-0.1, 0.1, (4, 3, 3, 3)).astype(np.float32))
    node = helper.make_node(
        "QuantizeLinear", [stem, f"{stem}.scale", f"{stem}.zero"], [name], axis=-4
    )
    draft.nodes.insert(0, node)
    return ended(draft, x)


def clipped(low=0.0, high=6.0):
    """To a range that quantization leaves as well."""

    def make():
        draft = Draft()
        bounds = [draft.constant("low", np.float32(low)), draft.constant("high", np.float32(high))]
        x = draft.activate(draft.conv("sample_q", 4), "Clip", bounds, 6 / 255)
        return ended(draft, x)

    return make


def passed_on():
    """Identity and Dropout, and constants that are nodes."""
    draft = Draft()
    x = draft.conv("sample_q", 4)
    names = [name for name in draft.constants if name.endswith("weight.scale")]
    for name in names:
        value = draft.constants.pop(name)
        draft.nodes.insert(0, helper.make_node("Constant", [], [name], value=value))
    draft.activate(x, "Identity")
    draft.activate(x, "Dropout")
    return ended(draft, x)


DRAFTS = {
    "everything": small_network,
    "convolution": convolution,
    "odd padding": lambda: convolution(pads=(1, 0, 0, 2)),
    "even window": lambda: convolution(window=(4, 2), pads=(1, 0, 2, 1)),
    "stride above window": lambda: convolution(window=(1, 2), strides=(3, 3), pads=(0,) * 4),
    "pointwise": lambda: convolution(window=(1, 1)),
    "strided pointwise": lambda: convolution(window=(1, 1), strides=(2, 2)),
    "several filters on one channel": lambda: convolution((1, 1, 6, 5), 5),
    "padded below and to the right": same_padding("SAME_UPPER"),
    "padded above and to the left": same_padding("SAME_LOWER"),
    "without padding": without_padding,
    "flattened": flattened,
    "flattened by reshaping": flattened_by_reshaping,
    "flattened through float": flattened_through_float,
    "flattened samples": flattened_samples,
    "flattened float samples": flattened_float_samples,
    "float biases": biases("float32"),
    "without biases": biases(None),
    "bias of another scale": bias_of_another_scale,
    "multiplied": multiplied,
    "one direction": one_direction,
    "padded": padded,
    "padded axes": padded_axes,
    "channels last": channels_last_samples,
    "channels last, float": channels_last_float_samples,
    "channels last at the end": channels_last_at_the_end,
    "global average": pooled("GlobalAveragePool"),
    "mean": pooled("ReduceMean", [2, 3]),
    "mean without dimensions": pooled("ReduceMean", [-1, -2], keepdims=0),
    "rescaled global average": rescaled("GlobalAveragePool", (1, 5, 1, 1)),
    "rescaled average": rescaled("AveragePool", (1, 5, 1, 1), kernel_shape=[8, 8]),
    "rescaled mean": rescaled("ReduceMean", (1, 5), [[2, 3]], keepdims=0),
    "rescaled largest": rescaled("MaxPool", (1, 5, 4, 4), kernel_shape=[2, 2], strides=[2, 2]),
    "rescaled flattened": rescaled("Flatten", (1, 320)),
    "relu of its own": relu_of_its_own,
    "joined": joined,
    "largest": windowed("MaxPool"),
    "average under windows": windowed("AveragePool"),
    "head on a map": head_on_a_map,
    "one value": one_value,
    "lowest weights": lowest_weights,
    "opset 13": opset(13),
    "opset 21": opset(21),
    "opset 25": opset(25),
    "opset 27": opset(27),
    "unsigned": unsigned,
    "without zero points": without_zero_points,
    "weights in float": weights_in_float,
    "clipped": clipped(),
    "clipped by other numbers": clipped(-1.0, 6.3),
    "passed on": passed_on,
}


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
    last = ("sample_q",) if what == "channels last" else ()
    found = compare(draft.content(), list(samples(shape, 40)), channels_last=last)
    assert found.alone.elements > 0
    assert found.alone.most <= 1
    # Averages over few elements are often halves, which go different ways.
    assert found.alone.share < (0.02 if what == "average under windows" else 0.01)
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


def data(draft, stem):
    return numpy_helper.to_array(draft.constants[stem])


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
        stride = draw(st.integers(1, 3))
        geometry = {"window": window, "pads": pads, "strides": (stride, stride)}
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
