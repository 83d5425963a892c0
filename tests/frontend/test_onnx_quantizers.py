"""Networks as other quantizers write them than onnxruntime's, and as that does when told to."""

import math

import numpy as np
import onnx
import pytest
from alike import described
from onnx_drafts import data, ended
from onnx_files import Draft, small_network
from runtime import assert_nearly_the_same, compare, samples

from kilograd.errors import ModelError
from kilograd.frontend.lowering.quantization import int8_ends
from kilograd.frontend.open import load_model


@pytest.fixture
def load(tmp_path):
    """The graph of a draft."""
    return lambda draft: load_model(str(draft.write(tmp_path / "net.onnx")))


def ints(draft, numbers):
    return draft.constant(draft.unused("whole"), np.array(numbers))


def real(draft, operator, reads, *more, **attributes):
    """A node that nothing quantizes; it reads real numbers."""
    return draft.node(operator, [*reads, *more], [draft.unused(operator.lower())], **attributes)


# What only moves numbers, or averages them, with nothing quantized behind it (NNCF, Brevitas,
# ESP-PPQ, torchao): the next layer reads what it makes.


def gemm_of(draft, value, name, inputs, outputs=3):
    """A dense layer that reads real numbers of the scale of a value, at the end of a network."""
    draft.shapes["read"] = (1, inputs)
    draft.quantizations["read"] = draft.quantizations[name]
    more, spread = draft.weights("read", (outputs, inputs))
    made = real(draft, "Gemm", [value, *more], transB=1)
    return draft.finish(draft.quantize(made, (1, outputs), spread / 40, 3, "logits_q"))


def moved():
    """A pool, a part, padding and a flatten."""
    draft = Draft((1, 3, 8, 8))
    x = draft.conv("sample_q", 6)
    y = real(draft, "MaxPool", [draft.dequantize(x)], kernel_shape=[2, 2], strides=[2, 2])
    y = real(draft, "Slice", [y], *(ints(draft, [n]) for n in (1, 4, 2)))
    y = real(draft, "Pad", [y], ints(draft, [0, 0, 1, 0, 0, 0, 0, 0]))
    return gemm_of(draft, real(draft, "Flatten", [y]), x, 6 * 4 * 4)


def averaged():
    """Averages under windows, then of all positions."""
    draft = Draft((1, 3, 8, 8))
    x = draft.conv("sample_q", 6)
    y = real(draft, "AveragePool", [draft.dequantize(x)], kernel_shape=[2, 2], strides=[2, 2])
    y = real(draft, "GlobalAveragePool", [y])
    return gemm_of(draft, real(draft, "Squeeze", [y], ints(draft, [2, 3])), x, 6)


def averaged_one_by_one():
    """The width first, then the height, without either as a dimension."""
    draft = Draft((1, 3, 8, 8))
    x = draft.conv("sample_q", 6)
    y = real(draft, "ReduceMean", [draft.dequantize(x)], ints(draft, [3]), keepdims=0)
    return gemm_of(draft, real(draft, "ReduceMean", [y], ints(draft, [-1]), keepdims=0), x, 6)


def clamped():
    draft = Draft((1, 3, 8, 8))
    x = draft.conv("sample_q", 6)
    y = real(draft, "MaxPool", [real(draft, "Relu", [draft.dequantize(x)])], kernel_shape=[8, 8])
    return gemm_of(draft, real(draft, "Flatten", [y]), x, 6)


def read_twice():
    """Two layers read what one pool makes."""
    draft = Draft((1, 3, 8, 8))
    x = draft.conv("sample_q", 6)
    y = real(draft, "MaxPool", [draft.dequantize(x)], kernel_shape=[8, 8])
    a = real(draft, "Flatten", [y])
    draft.quantizations["read"], draft.shapes["read"] = draft.quantizations[x], (1, 6)
    parts = []
    for place in range(2):
        more, spread = draft.weights("read", (5, 6))
        made = real(draft, "Gemm", [a, *more], transB=1)
        parts.append(draft.quantize(made, (1, 5), spread / 40, 3, f"part_{place}"))
    return ended(draft, draft.add(*parts))


def joined_ranges():
    """Maps of several ranges side by side: the layer behind reads one that holds both."""
    draft = Draft((1, 3, 8, 8))
    x, y = draft.conv("sample_q", 4), draft.conv("sample_q", 3)
    low = min(-(128 + draft.quantizations[n][1]) * draft.quantizations[n][0] for n in (x, y))
    high = max((127 - draft.quantizations[n][1]) * draft.quantizations[n][0] for n in (x, y))
    z = real(draft, "Concat", [draft.dequantize(n) for n in (x, y)], axis=1)
    z = real(draft, "GlobalAveragePool", [z])
    scale = (high - low) / 255
    draft.quantizations["held"] = (float(np.float32(scale)), round(-128 - low / scale))
    return gemm_of(draft, real(draft, "Flatten", [z]), "held", 7)


MOVING = {
    "moved": moved,
    "averaged": averaged,
    "averaged one by one": averaged_one_by_one,
    "clamped": clamped,
    "read twice": read_twice,
    "several ranges": joined_ranges,
}

# Layers that are quantized behind a function or a pool alone (NNCF, torchao).


def fused(operator, zero=-128, relative=1.0, **attributes):
    def make():
        draft = Draft((1, 3, 8, 8))
        x = draft.conv("sample_q", 6)
        scale = relative * draft.quantizations[x][0]
        x = draft.activate(x, operator, scale=scale, zero=zero, **attributes)
        return ended(draft, draft.conv(x, 4))

    return make


def pooled():
    draft = Draft((1, 3, 8, 8))
    x = draft.conv("sample_q", 6)
    draft.activate(x, "Relu")
    draft.activate(x, "MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    draft.shapes[x] = (1, 6, 4, 4)
    return ended(draft, draft.conv(x, 5))


def sigmoid():
    """In the range that a sigmoid has."""
    draft = Draft((1, 3, 8, 8))
    x = draft.activate(draft.conv("sample_q", 6), "Sigmoid", scale=1 / 256)
    return ended(draft, draft.conv(x, 4))


FUSED = {
    "hard swish": fused("HardSwish", -100),
    "sigmoid": sigmoid,
    "leaky relu": fused("LeakyRelu", -60, alpha=0.2),
    "elu": fused("Elu", -60),
    "pool": pooled,
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", FUSED)
def test_what_is_quantized_behind_a_function_is_nearly_the_same(what):
    """The result of the layer is rounded once more, in a range that leaves the function whole."""
    found = compare(FUSED[what]().content(), list(samples((1, 3, 8, 8), 20)))
    assert found.alone.elements > 0
    assert found.alone.most <= (1 if what == "pool" else 2)
    assert found.alone.share < (0.01 if what == "pool" else 0.4)
    assert found.same_class >= 19


def test_the_range_of_a_layer_is_that_in_which_the_function_changes(load):
    graph = load(FUSED["sigmoid"]())
    low, high = int8_ends(graph.type_of(graph.nodes[0].outputs[0]).quantized())
    assert low == pytest.approx(-math.log(256 / 0.5 - 1), abs=0.05)
    assert high == pytest.approx(math.log(254.5 / 1.5), abs=0.05)
    # Of what saturates on one side, the other end is that of the result.
    graph = load(FUSED["hard swish"]())
    conv, function = (graph.type_of(n.outputs[0]).quantized() for n in graph.nodes[:2])
    assert int8_ends(conv)[0] == pytest.approx(-3, abs=0.1)
    assert int8_ends(conv)[1] == pytest.approx(int8_ends(function)[1], rel=0.02)


def test_a_clamp_in_front_of_a_function_is_refused(load):
    draft = Draft((1, 3, 8, 8))
    x = draft.conv("sample_q", 6)
    x = draft.activate(draft.activate(x, "Relu"), "Sigmoid")
    with pytest.raises(ModelError) as error:
        load(ended(draft, x))
    assert "it reads the result of Conv as float32: there is no QuantizeL" in str(error.value)
    assert "as kilograd quantize does; quantizers for TensorRT and OpenVINO leave" in str(
        error.value
    )


# Weights that are not symmetric, or have their scales along the inputs: they are rounded once more.


def with_zero_points(dtype):
    def make():
        draft = small_network()
        for name, tensor in list(draft.constants.items()):
            if name.endswith("weight_quantized"):
                shift = 128 if dtype is np.uint8 else 0
                weights = onnx.numpy_helper.to_array(tensor).astype(int) + shift
                draft.constant(name, weights.astype(dtype))
                zeros = name.replace("weight_quantized", "weight.zero")
                count = len(data(draft, zeros))
                draft.constant(zeros, (draft.rng.integers(-9, 10, count) + shift).astype(dtype))
        return draft

    return make


def along_the_inputs():
    draft = small_network()
    node = next(n for n in draft.nodes if n.op_type == "DequantizeLinear" and n.attribute)
    node.attribute[0].i = 1
    draft.constant(node.input[1], np.float32([1e-3, 3e-3, 2e-3]))
    draft.constant(node.input[2], np.zeros(3, np.int8))
    return draft


def of_real_numbers():
    """As if the author had told a quantizer to leave all weights alone."""
    draft = small_network()
    for node in [n for n in draft.nodes if n.op_type in {"Conv", "Gemm"}]:
        for place, given in enumerate(node.input[1:], 1):
            (source,) = [n for n in draft.nodes if given in n.output]
            stored, scale, _ = (data(draft, name) for name in source.input)
            shape = (-1, *(1,) * (stored.ndim - 1))
            reals = stored.astype(np.float32) * scale.reshape(shape)
            node.input[place] = draft.constant(f"{given}_plain", reals)
    return draft


ROUNDED = {
    "real numbers": of_real_numbers,
    "zero points": with_zero_points(np.int8),
    "unsigned weights": with_zero_points(np.uint8),
    "scales along the inputs": along_the_inputs,
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", MOVING)
def test_every_tensor_is_within_one_step_of_onnxruntime(what):
    assert_nearly_the_same(MOVING[what]())


@pytest.mark.oracle
@pytest.mark.parametrize("what", ROUNDED)
def test_weights_that_are_rounded_once_more_make_nearly_the_same(what):
    found = compare(ROUNDED[what]().content(), list(samples((1, 3, 8, 8), 20)))
    assert found.alone.elements > 0
    assert found.alone.most <= 2
    assert found.alone.share < 0.1
    assert found.same_class >= 19


@pytest.mark.parametrize("what", ROUNDED)
def test_weights_become_symmetric(what, load):
    graph = load(ROUNDED[what]())
    weight = graph.values["layer_1.weight"]
    stored = data(ROUNDED[what](), "layer_1.weight_quantized").astype(int)
    assert np.abs(weight.array).reshape(len(weight.array), -1).max(axis=1).tolist() == [127] * 4
    if what == "real numbers":
        reals = stored * data(ROUNDED[what](), "layer_1.weight.scale").reshape(4, 1, 1, 1)
    elif what == "scales along the inputs":
        reals = stored * np.array([1e-3, 3e-3, 2e-3]).reshape(1, 3, 1, 1)
    else:
        zeros, scales = (data(ROUNDED[what](), f"layer_1.weight.{n}") for n in ("zero", "scale"))
        reals = (stored - zeros.astype(int).reshape(4, 1, 1, 1)) * scales.reshape(4, 1, 1, 1)
    made = weight.array * np.array(weight.type.scales).reshape(4, 1, 1, 1)
    steps = np.array(weight.type.scales).reshape(4, 1, 1, 1)
    assert np.all(np.abs(made - reals.transpose(0, 2, 3, 1)) <= steps * 0.501)


def test_a_pool_that_two_layers_read_is_made_once(load):
    assert [n.operator for n in load(read_twice()).nodes].count("max_pool") == 1


def test_an_autoencoder_may_end_with_a_function_of_known_range(load):
    def made(operator, *, is_real):
        draft = Draft((1, 20))
        x = draft.gemm(draft.gemm("sample_q", 6), 20)
        if is_real:
            draft.finish(x, operator)
            return draft
        zero = 0 if operator == "Tanh" else -128
        scale = 1 / 128 if operator == "Tanh" else 1 / 256
        return draft.finish(draft.append(operator, [x], (1, 20), 40 * scale, zero))

    for operator in ("Tanh", "Sigmoid"):
        one, other = (load(made(operator, is_real=is_real)) for is_real in (True, False))
        assert described(one) == described(other)
        assert one.nodes[-1].operator == "reconstruction_error"


@pytest.mark.parametrize("what", ["several ranges", "read twice"])
def test_a_training_step_is_the_same_on_a_board(what, load, learns_alike):
    assert learns_alike(load(MOVING[what]()))
