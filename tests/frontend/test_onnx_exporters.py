"""Networks as other exporters write them, and samples that have their channels elsewhere."""

import math

import numpy as np
import pytest
from alike import described
from onnx import TensorProto, helper
from onnx_drafts import data, ended
from onnx_files import Draft, small_network
from runtime import assert_nearly_the_same

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model


@pytest.fixture
def load(tmp_path):
    """The graph of a draft."""
    return lambda draft: load_model(str(draft.write(tmp_path / "net.onnx")))


def ints(draft, numbers):
    return draft.constant(draft.unused("whole"), np.array(numbers))


# Constants that are computed (Brevitas, PyTorch's FX graphs, the TorchScript exporter).


def weights_computed(change):
    """A network whose first weight is not stored as its layer reads it."""
    draft = small_network()
    name = next(name for name in draft.constants if name.endswith("weight_quantized"))
    weight = data(draft, name)
    made, more = change(draft, name, weight)
    for node in draft.nodes:
        for place, given in enumerate(node.input):
            if given == name:
                node.input[place] = made
    draft.nodes[:0] = more
    return draft


def clipped_weight(draft, name, weight):
    bounds = [draft.constant(f"{name}.{n}", np.int8(n)) for n in (-127, 127)]
    return "clipped", [helper.make_node("Clip", [name, *bounds], ["clipped"])]


def cast_weight(draft, name, weight):
    draft.constant(name, weight.astype(np.int32))
    return "cast", [helper.make_node("Cast", [name], ["cast"], to=TensorProto.INT8)]


def joined_weight(draft, name, weight):
    halves = [draft.constant(f"{name}.{n}", part) for n, part in enumerate(np.split(weight, 2))]
    return "joined", [helper.make_node("Concat", halves, ["joined"], axis=0)]


def transposed_weight(draft, name, weight):
    draft.constant(name, weight.transpose(3, 1, 0, 2))
    return "turned", [helper.make_node("Transpose", [name], ["turned"], perm=(2, 1, 3, 0))]


def zeros_filled(draft):
    """A zero point that is made of a shape."""
    name = next(name for name in draft.constants if name.endswith("weight.zero"))
    shape = data(draft, name).shape
    del draft.constants[name]
    draft.constant("shape", np.array(shape))
    draft.nodes[:0] = [
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("Cast", ["zeros"], [name], to=TensorProto.INT8),
    ]
    return draft


def quantized_after(draft):
    """A weight whose dimensions change behind its DequantizeLinear."""
    node = next(n for n in draft.nodes if n.op_type == "Gemm")
    turned = helper.make_node("Transpose", [node.input[1]], ["turned"], perm=(1, 0))
    draft.nodes.insert(list(draft.nodes).index(node), turned)
    node.input[1] = "turned"
    node.attribute[0].i = 0
    return draft


def view(draft):
    """x.view(x.size(0), -1): a shape that is computed while the network runs."""
    node = next(n for n in draft.nodes if n.op_type == "Flatten")
    place = list(draft.nodes).index(node)
    draft.constant("first", np.array(0))
    draft.constant("axes", np.array([0]))
    draft.constant("rest", np.array([-1]))
    draft.nodes[place : place + 1] = [
        helper.make_node("Shape", [node.input[0]], ["sizes"]),
        helper.make_node("Gather", ["sizes", "first"], ["size"], axis=0),
        helper.make_node("Unsqueeze", ["size", "axes"], ["sizes_1"]),
        helper.make_node("Concat", ["sizes_1", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", [node.input[0], "target"], list(node.output)),
    ]
    return draft


def constants_of_numbers(draft):
    """Constant with a list of numbers in place of a tensor."""
    node = next(n for n in draft.nodes if n.op_type == "Flatten")
    place = list(draft.nodes).index(node)
    draft.nodes[place : place + 1] = [
        helper.make_node("Constant", [], ["target"], value_ints=[1, -1]),
        helper.make_node("Reshape", [node.input[0], "target"], list(node.output)),
    ]
    return draft


def cast_everywhere(draft):
    """Casts of real numbers, and of integers to the type that they have."""
    for node in list(draft.nodes):
        if node.op_type in {"DequantizeLinear", "QuantizeLinear"} and "layer" not in node.input[0]:
            kind = TensorProto.INT8 if node.op_type == "QuantizeLinear" else TensorProto.FLOAT16
            name = node.output[0]
            node.output[0] = f"{name}_uncast"
            cast = helper.make_node("Cast", [node.output[0]], [name], to=kind)
            draft.nodes.insert(list(draft.nodes).index(node) + 1, cast)
    return draft


def unsorted(draft):
    draft.nodes.reverse()
    return draft


def axis_of_the_weight(draft):
    """A bias that states the axis that its layer's weight has."""
    for node in draft.nodes:
        if node.input[0].endswith("bias_q"):
            node.attribute[0].i = 3
    return draft


SAME = {
    "clipped weight": lambda: weights_computed(clipped_weight),
    "cast weight": lambda: weights_computed(cast_weight),
    "joined weight": lambda: weights_computed(joined_weight),
    "transposed weight": lambda: weights_computed(transposed_weight),
    "transposed behind DequantizeLinear": lambda: quantized_after(small_network()),
    "filled zeros": lambda: zeros_filled(small_network()),
    "view": lambda: view(small_network()),
    "lists of numbers": lambda: constants_of_numbers(small_network()),
    "casts": lambda: cast_everywhere(small_network()),
    "unsorted": lambda: unsorted(small_network()),
    "axis of a bias": lambda: axis_of_the_weight(small_network()),
}

# Samples that have their channels elsewhere.


def features():
    """[batch, steps, features], which the network reads as a picture of one channel."""
    draft = Draft((1, 12, 10))
    x = draft.like("Unsqueeze", "sample_q", (1, 1, 12, 10), [ints(draft, [1])])
    return ended(draft, draft.conv(x, 4))


def features_by_reshaping():
    """The same before anything is quantized."""
    draft = Draft((1, 12, 10))
    target = ints(draft, [0, 1, 12, -1])
    draft.nodes.insert(0, helper.make_node("Reshape", ["sample", target], ["picture"]))
    draft.nodes[1].input[0] = "picture"
    draft.shapes["sample_q"] = (1, 1, 12, 10)
    return ended(draft, draft.conv("sample_q", 4))


def one_channel_last():
    draft = Draft((1, 6, 7, 1))
    x = draft.like("Reshape", "sample_q", (1, 1, 6, 7), [ints(draft, [1, 1, 6, 7])])
    return ended(draft, draft.conv(x, 4))


def steps_last():
    """A Conv1D of Keras: steps and channels become a picture of one row."""
    draft = Draft((1, 12, 3))
    x = draft.like("Unsqueeze", "sample_q", (1, 1, 12, 3), [ints(draft, [-3])])
    x = draft.like("Transpose", x, (1, 3, 1, 12), perm=(0, 3, 1, 2))
    return ended(draft, draft.conv(x, 4, (1, 3)))


def rescaled_pixels():
    """A number and a border before the channels are put first."""
    draft = Draft((1, 6, 7, 3))
    half = draft.constant("half", np.float32(0.5))
    x = draft.append("Mul", ["sample_q"], (1, 6, 7, 3), 0.6, more=[half])
    x = draft.like("Pad", x, (1, 7, 8, 3), [ints(draft, [0, 0, 0, 0, 0, 1, 1, 0])])
    x = draft.like("Transpose", x, (1, 3, 7, 8), perm=(0, 3, 1, 2))
    return ended(draft, draft.conv(x, 4, pads=(0, 0, 0, 0)))


def bytes_of_pixels():
    """Samples of uint8 that become real numbers by a Cast."""
    draft = Draft((1, 3, 8, 8), scale=1.0, zero=-128, dtype=np.uint8)
    draft.inputs = [helper.make_tensor_value_info("sample", TensorProto.UINT8, [1, 3, 8, 8])]
    draft.nodes.insert(0, helper.make_node("Cast", ["sample"], ["real"], to=TensorProto.FLOAT))
    draft.nodes[1].input[0] = "real"
    return ended(draft, draft.conv("sample_q", 4))


SAMPLES = {
    "features": (features, (12, 10, 1)),
    "features by reshaping": (features_by_reshaping, (12, 10, 1)),
    "one channel last": (one_channel_last, (6, 7, 1)),
    "steps last": (steps_last, (1, 12, 3)),
    "rescaled pixels": (rescaled_pixels, (6, 7, 3)),
}

# Constants for each element of a vector, as batch normalizations of dense layers have them.


def standardized():
    """Samples less their mean, by their deviation."""
    draft = Draft((1, 20))
    mean = draft.constant("mean", draft.rng.uniform(-1, 1, 20).astype(np.float32))
    deviation = draft.constant("deviation", draft.rng.uniform(0.1, 3, (1, 20)).astype(np.float32))
    x = draft.append("Sub", ["sample_q"], (1, 20), 3.0, more=[mean])
    x = draft.append("Div", [x], (1, 20), 9.0, more=[deviation])
    return draft.finish(draft.gemm(draft.gemm(x, 8), 3))


def statistics(draft, count):
    low = {"scale": 0.5, "shift": -1, "mean": -1, "variance": 0.5}
    return [
        draft.constant(draft.unused(n), draft.rng.uniform(v, 2, count).astype(np.float32))
        for n, v in low.items()
    ]


def normalized_vector():
    draft = Draft((1, 20))
    x = draft.gemm("sample_q", 8)
    more = statistics(draft, 8)
    spread = 100 * draft.quantizations[x][0]
    x = draft.append("BatchNormalization", [x], (1, 8), spread, more=more)
    return draft.finish(draft.gemm(x, 3))


def normalized_flat():
    """Of a flattened map, of which the file has the channels first."""
    draft = Draft((1, 3, 6, 4))
    x = draft.flatten(draft.conv("sample_q", 5, strides=(2, 2)))
    count = math.prod(draft.shapes[x])
    spread = 100 * draft.quantizations[x][0]
    x = draft.append("BatchNormalization", [x], (1, count), spread, more=statistics(draft, count))
    factors = draft.constant("factors", draft.rng.uniform(0.5, 2, count).astype(np.float32))
    x = draft.append("Mul", [x], (1, count), 2 * spread, more=[factors])
    return draft.finish(draft.gemm(draft.gemm(x, 6), 3))


VECTORS = {
    "standardized": standardized,
    "normalized": normalized_vector,
    "normalized and flat": normalized_flat,
}

NETWORKS = {**SAME, **{n: make for n, (make, _) in SAMPLES.items()}, **VECTORS}

#: That onnxruntime does not take, or not before it has optimized them.
NOT_THERE = {"casts", "unsorted", "axis of a bias"}


@pytest.mark.oracle
@pytest.mark.parametrize("what", sorted(NETWORKS.keys() - NOT_THERE))
def test_every_tensor_is_within_one_step_of_onnxruntime(what):
    assert_nearly_the_same(NETWORKS[what]())


@pytest.mark.parametrize("what", SAME)
def test_a_network_is_the_same_as_if_its_constants_were_stored(what, load):
    assert described(load(SAME[what]())) == described(load(small_network()))


@pytest.mark.parametrize("what", SAMPLES)
def test_samples_lie_as_their_author_has_them(what, load):
    make, shape = SAMPLES[what]
    assert load(make()).inputs[0].type.shape == shape


def test_bytes_of_pixels_are_numbers(load):
    graph = load(bytes_of_pixels())
    assert graph.inputs[0].type.quantization.scale == 1.0
    assert graph.inputs[0].type.quantization.zero_point == -128
    assert graph.pixel_range == (0.0, 255.0)


@pytest.mark.parametrize("what", ["normalized and flat", "features"])
def test_a_training_step_is_the_same_on_a_board(what, load, learns_alike):
    assert learns_alike(load(NETWORKS[what]()))


def folding(operator, *operands, **attributes):
    """A flatten whose shape is computed by some operator."""

    def make():
        draft = small_network()
        node = next(n for n in draft.nodes if n.op_type == "Flatten")
        reads = [
            "" if x is None else draft.constant(f"operand_{n}", np.array(x))
            for n, x in enumerate(operands)
        ]
        place = list(draft.nodes).index(node)
        draft.nodes[place : place + 1] = [
            helper.make_node(operator, reads, ["target"], **attributes),
            helper.make_node("Reshape", [node.input[0], "target"], list(node.output)),
        ]
        return draft

    return make


FOLDED = {
    "Add": folding("Add", [1, -7], [0, 6]),
    "Sub": folding("Sub", [3, 5], [2, 6]),
    "Mul": folding("Mul", [1, -1], [1]),
    "Div": folding("Div", [3, -1], [2, 1]),
    "Slice": folding("Slice", [9, 1, -1, 9], [1], [3]),
    "Slice by axes": folding("Slice", [9, 1, 9, -1, 9], [1], [4], [0], [2]),
    "Slice by steps": folding("Slice", [1, 9, -1, 9], [0], [4], None, [2]),
    "Clip from above": folding("Clip", [3, -1], None, [1]),
    "Reshape that keeps an extent": folding("Reshape", [[1], [-1]], [0]),
    "Squeeze": folding("Squeeze", [[1, -1]], [0]),
    "Reshape": folding("Reshape", [[1], [-1]], [-1]),
    "Gather": folding("Gather", [7, 1, -1], [1, 2]),
    "Identity": folding("Identity", [1, -1]),
}


@pytest.mark.parametrize("what", FOLDED)
def test_what_computes_a_shape_is_computed_once(what, load):
    assert described(load(FOLDED[what]())) == described(load(small_network()))


def cast_steps():
    """The steps of a quantized map as real numbers."""
    draft = Draft()
    x = draft.conv("sample_q", 4)
    real = draft.node("Cast", [x], ["steps"], to=TensorProto.FLOAT)
    return ended(draft, draft.quantize(real, draft.shapes[x], 1.0, 0, "again_q"))


WRONG = {
    "steps": (cast_steps, "it takes the int8 numbers of a map for real ones, and kilograd reads 8"),
    "out of range": (
        folding("Gather", [1, -1], [0, 7]),
        "it computes with constants of [2] and [2]",
    ),
    "huge": (folding("ConstantOfShape", [2**20, 2**20]), "it makes a constant of the shape"),
    "huge sum": (
        folding("Add", np.ones((5000, 1)).tolist(), np.ones((1, 5000)).tolist()),
        "it makes a constant of [5000, 1] and [1, 5000]",
    ),
    "negative": (folding("ConstantOfShape", [-3]), "it makes a constant of the shape [-3]"),
    "extents": (folding("Concat", [1], [[-1]], axis=0), "damaged"),
    "type": (folding("Cast", [1, -1], to=16), "it makes numbers of the type 16"),
    "map": (
        lambda: weights_to(cast_everywhere(small_network())),
        "it makes int32 numbers of a map",
    ),
}


def weights_to(draft):
    cast = next(n for n in draft.nodes if n.op_type == "Cast" and n.attribute[0].i == 3)
    cast.attribute[0].i = TensorProto.INT32
    return draft


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(what, load):
    make, message = WRONG[what]
    with pytest.raises(ModelError) as error:
        load(make())
    assert message in str(error.value)
