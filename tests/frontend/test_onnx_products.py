"""Functions of one number and products in .onnx files, against onnxruntime."""

import numpy as np
import pytest
from onnx_drafts import ended
from onnx_files import Draft
from runtime import compare, samples

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.ops.lookup.functions import Function
from kilograd.passes.verify import verify


def of_function(operator, spread, zero=-128, opset=18, **attributes):
    """A function of one number in the middle of a network."""
    draft = Draft(opset=opset)
    x = draft.conv("sample_q", 4)
    x = draft.append(operator, [x], draft.shapes[x], spread, zero, **attributes)
    return ended(draft, draft.conv(x, 5))


def with_number(operator, number, *, is_first=False, dtype=np.float32):
    """A number and a map, the number as it stands or quantized."""
    draft = Draft()
    x = draft.conv("sample_q", 4)
    made = draft.unused("number")
    numbers = np.atleast_1d(np.array(number, float))
    if dtype is np.int8:
        draft.constant("number", np.int8(numbers / 0.02 + 3))
        draft.constant("number.scale", np.float32(0.02))
        draft.constant("number.zero", np.int8(3))
        draft.node("DequantizeLinear", ["number", "number.scale", "number.zero"], [made])
    else:
        draft.constant(made, numbers.astype(dtype))
    operands = [made, draft.dequantize(x)] if is_first else [draft.dequantize(x), made]
    real = draft.node(operator, operands, [draft.unused("result")])
    scale, _ = draft.quantizations[x]
    x = draft.quantize(real, draft.shapes[x], 1.3 * scale, 7, draft.unused("result_q"))
    return ended(draft, draft.conv(x, 3))


POOL = {"kernel_shape": (2, 2), "strides": (2, 2)}

#: For the channels of a map.
CHANNELS = np.array([0.75, -1.2, 0.3, 0.5]).reshape(1, 4, 1, 1)


def normalized():
    """As a network begins that normalizes its samples itself."""
    draft = Draft((1, 3, 8, 8))
    x = "sample_q"
    for operator, each in (("Sub", (0.2, -0.1, 0.4)), ("Div", (0.7, 1.1, 0.9))):
        numbers = np.array(each, np.float32).reshape(3, 1, 1)
        more = [draft.constant(draft.unused("numbers"), numbers)]
        spread = 1.5 * 40 * draft.quantizations[x][0]
        x = draft.append(operator, [x], draft.shapes[x], spread, more=more)
    return ended(draft, draft.conv(x, 5))


def batch_normalized(**attributes):
    """Behind a map that it cannot be folded into."""
    draft = Draft()
    x = draft.like("MaxPool", draft.conv("sample_q", 4), (1, 4, 4, 4), **POOL)
    more = [
        draft.constant(name, np.array(numbers, np.float32))
        for name, numbers in (
            ("scale", (0.75, -1.2, 0.3, 0.5)),
            ("shift", (0.1, 0.4, -0.2, 0.0)),
            ("mean", (0.3, -0.1, 0.2, 0.0)),
            ("variance", (0.8, 1.3, 0.5, 1.0)),
        )
    ]
    spread = 1.2 * 40 * draft.quantizations[x][0]
    x = draft.append("BatchNormalization", [x], draft.shapes[x], spread, more=more, **attributes)
    return ended(draft, draft.conv(x, 5))


def product(shape=None):
    draft = Draft()
    x = draft.conv("sample_q", 4)
    y = draft.conv("sample_q", 4)
    if shape is not None:
        y = draft.pool(y, shape=shape)
    spread = 100 * draft.quantizations[x][0] * draft.quantizations[y][0] * 40
    return ended(draft, draft.append("Mul", [x, y], draft.shapes[x], spread))


def squeeze_excite(*, is_first=False):
    """As PyTorch exports the block."""
    draft = Draft()
    x = draft.conv("sample_q", 6)
    x = draft.append("HardSwish", [x], draft.shapes[x], 0.03 * 40, -110)
    y = draft.append("GlobalAveragePool", [x], (1, 6, 1, 1), 1.0)
    y = draft.relu(draft.conv(y, 3, (1, 1)))
    y = draft.conv(y, 6, (1, 1))
    gate = draft.append("HardSigmoid", [y], (1, 6, 1, 1), 40 / 255, -128, alpha=1 / 6, beta=0.5)
    reads = [gate, x] if is_first else [x, gate]
    return ended(draft, draft.append("Mul", reads, draft.shapes[x], 0.03 * 40, -110))


DRAFTS = {
    "sigmoid": lambda: of_function("Sigmoid", 40 / 255),
    "tanh": lambda: of_function("Tanh", 1.6, 0),
    "hard swish": lambda: of_function("HardSwish", 1.6, -118),
    "leaky relu": lambda: of_function("LeakyRelu", 1.6, -100),
    "leaky relu of another slope": lambda: of_function("LeakyRelu", 1.6, -60, alpha=0.25),
    "leaky relu with a parameter": lambda: with_number("PRelu", 0.2),
    "slopes of each": lambda: with_number("PRelu", np.abs(CHANNELS[0])),
    "elu": lambda: of_function("Elu", 1.6, -100),
    "elu that falls further": lambda: of_function("Elu", 1.6, -80, alpha=1.7),
    "hard sigmoid": lambda: of_function("HardSigmoid", 40 / 255),
    "absolute": lambda: of_function("Abs", 1.6),
    "softplus": lambda: of_function("Softplus", 1.6),
    "softsign": lambda: of_function("Softsign", 1.6, 0),
    "selu": lambda: of_function("Selu", 1.6, -60),
    "celu": lambda: of_function("Celu", 1.6, -100, alpha=0.7),
    "mish": lambda: of_function("Mish", 1.6, -120),
    "erf": lambda: of_function("Erf", 1.6, 0),
    "gelu": lambda: of_function("Gelu", 1.6, -120, opset=20),
    "gelu by tanh": lambda: of_function("Gelu", 1.6, -120, opset=20, approximate="tanh"),
    "swish": lambda: of_function("Swish", 1.6, -110, opset=24),
    "times a number": lambda: with_number("Mul", 0.75),
    "times a quantized number": lambda: with_number("Mul", 1.18, dtype=np.int8, is_first=True),
    "plus a number": lambda: with_number("Add", 0.4),
    "minus a number": lambda: with_number("Sub", 0.4),
    "a number minus": lambda: with_number("Sub", 0.4, is_first=True),
    "over a number": lambda: with_number("Div", 1.25),
    "times channels": lambda: with_number("Mul", CHANNELS),
    "times quantized channels": lambda: with_number("Mul", CHANNELS, dtype=np.int8, is_first=True),
    "times channels, one of zero": lambda: with_number("Mul", np.where(CHANNELS > 0, CHANNELS, 0)),
    "plus channels": lambda: with_number("Add", CHANNELS[0]),
    "minus channels": lambda: with_number("Sub", CHANNELS),
    "channels minus": lambda: with_number("Sub", CHANNELS, is_first=True),
    "over channels": lambda: with_number("Div", 2 * CHANNELS),
    "normalized": normalized,
    "batch of channels": batch_normalized,
    "batch of channels, another epsilon": lambda: batch_normalized(epsilon=0.5),
    "product": product,
    "product of channels": lambda: product((1, 4, 1, 1)),
    "squeeze and excite": squeeze_excite,
    "excite and squeeze": lambda: squeeze_excite(is_first=True),
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_every_tensor_is_within_one_step_of_onnxruntime(what):
    draft = DRAFTS[what]()
    found = compare(draft.content(), list(samples((1, 3, 8, 8), 40)))
    assert found.alone.elements > 0
    assert found.alone.most <= 1
    assert found.alone.share < 0.01
    assert found.chained.most <= 2
    assert found.same_class >= 39


@pytest.mark.parametrize("what", DRAFTS)
def test_a_network_is_carried(what, tmp_path):
    graph = load_model(str(DRAFTS[what]().write(tmp_path / "net.onnx")))
    verify(graph, "reading")
    kinds = [node.operator for node in graph.nodes]
    of_channels = "channels" in what and what != "product of channels"
    wanted = {"depthwise"} if of_channels or what == "normalized" else {"lookup", "multiply"}
    assert wanted.intersection(kinds)


def test_functions_have_the_parameters_of_their_nodes(tmp_path):
    known = {
        "leaky relu": Function("leaky_relu", (0.01,)),
        "elu that falls further": Function("elu", (float(np.float32(1.7)),)),
        "hard sigmoid": Function("hard_sigmoid", (0.2, 0.5)),
        "leaky relu with a parameter": Function("leaky_relu", (float(np.float32(0.2)),)),
        "celu": Function("celu", (float(np.float32(0.7)),)),
        "selu": Function("selu", (1.6732632, 1.050701)),
        "gelu": Function("gelu"),
        "gelu by tanh": Function("gelu_tanh"),
        "swish": Function("swish"),
        "a number minus": Function("linear", (-1.0, float(np.float32(0.4)))),
        "over a number": Function("linear", (0.8, 0.0)),
    }
    for what, function in known.items():
        graph = load_model(str(DRAFTS[what]().write(tmp_path / "net.onnx")))
        (lookup,) = (node for node in graph.nodes if node.operator == "lookup")
        assert lookup.attributes.function == function


def pair(operator, shape, **options):
    def make():
        draft = Draft()
        x, y = draft.conv("sample_q", 4), draft.conv("sample_q", 4, **options)
        return ended(draft, draft.append(operator, [x, y], shape, 1.0))

    return make


def with_numbers(operator):
    draft = Draft()
    x = draft.conv("sample_q", 4)
    more = [draft.constant("numbers", np.ones((1, 1, 4, 1), np.float32))]
    return ended(draft, draft.append(operator, [x], draft.shapes[x], 1.0, more=more))


def vector_times_numbers():
    draft = Draft((1, 20))
    x = draft.gemm("sample_q", 8)
    more = [draft.constant("numbers", np.linspace(0.5, 1, 4, dtype=np.float32))]
    return draft.finish(draft.gemm(draft.append("Mul", [x], draft.shapes[x], 2.0, more=more), 3))


REFUSED = {
    "maps of other extents": (
        pair("Mul", (1, 4, 8, 8), strides=(4, 1)),
        "it multiplies maps of the shapes [1, 4, 8, 8] and [1, 4, 2, 8]",
    ),
    "quotient of maps": (
        pair("Div", (1, 4, 8, 8)),
        "it computes with several maps, and kilograd has functions of one number, sums,",
    ),
    "over zero": (lambda: with_number("Div", 0.0), "and not by zero"),
    "under a number": (lambda: with_number("Div", 1.0, is_first=True), "divides by no map"),
    "times several": (
        lambda: with_numbers("Mul"),
        "it multiplies by a constant of the shape [1, 1, 4, 1], and kilograd has one number, or",
    ),
    "plus several": (lambda: with_numbers("Add"), "it adds a constant of the shape [1, 1, 4, 1]"),
    "over several, one of zero": (
        lambda: with_number("Div", np.where(CHANNELS > 0, CHANNELS, 0)),
        "and not by zero",
    ),
    "plus channels without an end": (
        lambda: with_number("Add", np.where(CHANNELS > 0, CHANNELS, np.inf)),
        "its bias has numbers that are not finite",
    ),
    "times what is no number": (
        lambda: with_number("Mul", np.where(CHANNELS > 0, CHANNELS, np.nan)),
        "its constant is not a number",
    ),
    "a vector times several": (
        vector_times_numbers,
        "of the shape [4], and kilograd has one number, or one for each channel of a map or elem",
    ),
    "swish of another alpha": (
        lambda: of_function("Swish", 1.0, opset=24, alpha=0.5),
        "its attribute alpha is 0.5, not 1",
    ),
    "slope that is infinite": (
        lambda: of_function("LeakyRelu", 1.0, alpha=float("inf")),
        "its attribute alpha is inf",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_carried_is_refused(what, tmp_path):
    make, text = REFUSED[what]
    with pytest.raises(ModelError) as caught:
        load_model(str(make().write(tmp_path / "net.onnx")))
    assert text in str(caught.value)
