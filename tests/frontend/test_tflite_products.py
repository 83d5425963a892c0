"""Functions of one number and products in .tflite files, against TensorFlow Lite Micro."""

import numpy as np
import pytest
from micro import assert_same_bytes
from tflite_drafts import ended
from tflite_files import Draft
from tflite_products import (
    DRAFTS,
    by_constant,
    constant,
    function,
    gate_at_both_ends,
    mobile_network,
    of_function,
    swish,
)

from kilograd.compiler import compile_model
from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.frontend.tflite import read_tflite, tables
from kilograd.ir import Quantization
from kilograd.measuring.equivalence import verify_devices
from kilograd.ops.lookup.functions import Function
from kilograd.ops.lookup.tables import rounded_table
from kilograd.scheme import load_scheme
from kilograd.targets import get_target

#: Scales and zero points of a function's input and result that each table is compared for.
QUANTIZATIONS = 150


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_bytes_are_those_of_tensorflow_lite_micro(what, tmp_path):
    assert_same_bytes(DRAFTS[what]().write(tmp_path / "net.tflite"), 6)


def float32(number):
    return float(np.float32(number))


def quantizations(seed, output=None):
    """Scales from tiny to large, at each end of int8 and between, and results that may clamp."""
    rng = np.random.default_rng(seed)
    for count in range(QUANTIZATIONS):
        low, high = (1e-4, 3) if count % 5 else (1e-7, 15)
        scale = float32(np.exp(rng.uniform(np.log(low), np.log(high))))
        zeros = [int(z) for z in rng.choice([-128, 127, 0, *rng.integers(-128, 128, 6)], 2)]
        spread = 1.5 if count % 5 else 7
        result = float32(scale * np.exp(rng.uniform(-spread, spread)))
        yield Quantization((scale,), zeros[0]), output or Quantization((result,), zeros[1])


TABLES = {
    "LOGISTIC": (tables.logistic, Quantization((1 / 256,), -128), {}),
    "TANH": (tables.tanh, Quantization((1 / 128,), 0), {}),
    "HARD_SWISH": (tables.hard_swish, None, {}),
    "LEAKY_RELU": (lambda x, y: tables.leaky_relu(x, y, float32(0.1)), None, {"Alpha": 0.1}),
    "LEAKY_RELU of 0": (lambda x, y: tables.leaky_relu(x, y, 0.0), None, {"Alpha": 0.0}),
    "LEAKY_RELU above 1": (lambda x, y: tables.leaky_relu(x, y, 1.5), None, {"Alpha": 1.5}),
    "ELU": (tables.elu, None, {}),
    "ABS": (tables.absolute, None, {}),
}


@pytest.mark.oracle
@pytest.mark.parametrize("what", TABLES)
def test_tables_are_those_of_tensorflow_lite_micro_for_every_input(what):
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    table, output, options = TABLES[what]
    refused = 0
    for given, result in quantizations(7, output):
        draft = Draft((1, 1, 1, 256), given.scale, given.zero_point)
        ends = {"scale": result.scale, "zero": result.zero_point}
        function(draft, what.split()[0], 0, **ends, **options)
        made = table(given, result)
        try:
            micro = runtime.Interpreter.from_bytes(draft.content(), arena_size=1 << 14)
        except RuntimeError:
            assert made is None, (given, result)
            refused += 1
            continue
        micro.set_input(np.arange(-128, 128).astype(np.int8).reshape(1, 1, 1, 256), 0)
        micro.invoke()
        assert made == tuple(micro.get_output(0).ravel().tolist()), (given, result)
    assert refused <= QUANTIZATIONS // 4


@pytest.mark.parametrize(
    ("made", "known", "output"),
    [
        (tables.logistic, Function("logistic"), Quantization((1 / 256,), -128)),
        (tables.tanh, Function("tanh"), Quantization((1 / 128,), 0)),
        (tables.hard_swish, Function("hard_swish"), Quantization((0.03,), -115)),
        (
            lambda x, y: tables.leaky_relu(x, y, 0.2),
            Function("leaky_relu", (0.2,)),
            Quantization((0.04,), -60),
        ),
        (tables.elu, Function("elu", (1.0,)), Quantization((0.03,), -94)),
        (tables.absolute, Function("absolute"), Quantization((0.03,), -128)),
    ],
)
def test_tables_are_the_real_functions_but_for_a_step(made, known, output):
    for scale, zero in ((0.0413, 3), (0.0117, -128), (0.0931, 40)):
        given = Quantization((scale,), zero)
        steps = np.array(made(given, output)) - np.array(rounded_table(known, given, output))
        assert np.abs(steps).max() <= 1


def nodes(path):
    return [node for node in load_model(str(path)).nodes if not node.operator.startswith("conv")]


def test_what_becomes_of_functions(tmp_path):
    path = of_function("LEAKY_RELU", Alpha=0.25, scale=0.1, zero=3).write(tmp_path / "net.tflite")
    (lookup, *_) = nodes(path)
    assert (lookup.name, lookup.operator) == ("layer1", "lookup")
    assert lookup.attributes.function == Function("leaky_relu", (0.25,))
    assert lookup.attributes.output == Quantization((float32(0.1),), 3)
    path = of_function("GELU", Approximate=True, scale=0.04, zero=-100).write(tmp_path / "g.tflite")
    (lookup, *_) = nodes(path)
    given = load_model(str(path)).type_of(lookup.inputs[0]).quantized()
    assert lookup.attributes.function == Function("gelu_tanh")
    table = rounded_table(Function("gelu_tanh"), given, lookup.attributes.output)
    assert lookup.attributes.table == table
    path = gate_at_both_ends().write(tmp_path / "net.tflite")
    assert [node.operator for node in nodes(path)] == ["lookup", "reshape", "dense"]


def test_one_constant_makes_a_product_a_function(tmp_path):
    (lookup, *_) = nodes(by_constant(77).write(tmp_path / "net.tflite"))
    assert lookup.operator == "lookup"
    assert lookup.attributes.function == Function("linear", ((77 - 3) * float32(0.02), 0.0))
    (lookup, *_) = nodes(by_constant(77, operator="ADD").write(tmp_path / "net.tflite"))
    assert lookup.attributes.function == Function("linear", (1.0, (77 - 3) * float32(0.02)))
    (product, *_) = nodes(by_constant([1, 2, 3, 4]).write(tmp_path / "net.tflite"))
    assert product.inputs == ("layer0", "layer1.factors")


@pytest.mark.oracle
def test_slopes_of_channels_have_those_bytes_for_many_quantizations(tmp_path):
    rng = np.random.default_rng(4)
    for given, result in list(quantizations(11))[:30]:
        draft = Draft((1, 4, 16, 4), given.scale, given.zero_point)
        slopes = rng.integers(-128, 128, (1, 1, 4))
        number = constant(draft, slopes, zero=int(rng.integers(-128, 128)))
        ends = {"scale": result.scale, "zero": result.zero_point}
        ended(draft, draft.append("PRELU", [0, number], (1, 4, 16, 4), **ends))
        assert_same_bytes(draft.write(tmp_path / "net.tflite"), 2)


def test_slopes_that_differ_take_a_sum_of_two_parts(tmp_path):
    path = DRAFTS["slopes of channels"]().write(tmp_path / "net.tflite")
    above, below, sloped, total, *_ = nodes(path)
    assert [node.operator for node in (above, below, sloped, total)] == [
        *("lookup", "lookup", "multiply", "add")
    ]
    assert sloped.inputs == (below.outputs[0], "layer1.slopes")
    assert total.inputs == (above.outputs[0], sloped.outputs[0])
    assert total.name == "layer1"
    graph = load_model(str(path), 3)
    program = compile_model(graph, load_scheme("full", graph))
    assert verify_devices(program, ["reference", "host"], steps=2).identical
    lookup, *_ = nodes(DRAFTS["one slope of channels"]().write(tmp_path / "net.tflite"))
    assert lookup.attributes.function == Function("leaky_relu", ((14 - 3) * float32(0.02),))


def test_slopes_that_are_not_carried(tmp_path):
    draft = by_constant(np.arange(5).reshape(1, 5, 1), operator="PRELU")
    with pytest.raises(ModelError, match=r"its constant has the shape \[1, 5, 1\], which does not"):
        load_model(str(draft.write(tmp_path / "net.tflite")))
    draft = Draft()
    x = draft.conv(0, (1, 6, 6), 4)
    ended(draft, draft.append("PRELU", [x, draft.conv(0, (1, 6, 6), 4)], (1, 6, 6, 4)))
    with pytest.raises(ModelError, match="its slopes are not a constant"):
        load_model(str(draft.write(tmp_path / "net.tflite")))


def test_constants_for_channels_are_offsets(tmp_path):
    path = by_constant([1, 2, 3, 4], operator="SUB", scale=0.05).write(tmp_path / "net.tflite")
    (offset, *_) = nodes(path)
    unit, scale = offset.attributes.unit, float32(0.02)
    assert (offset.operator, offset.inputs) == ("offset", ("layer0",))
    added = [term * unit for term in offset.attributes.terms]
    assert np.allclose(added, [-(c - 3) * scale for c in (1, 2, 3, 4)], atol=2 * unit)


def test_a_map_times_a_function_of_it_is_one_function(tmp_path):
    graph = load_model(str(swish().write(tmp_path / "net.tflite")))
    functions = [n.attributes.function for n in graph.nodes if n.operator == "lookup"]
    assert functions == [Function("logistic"), Function("swish")] * 2
    assert "multiply" not in {node.operator for node in graph.nodes}
    program = compile_model(graph, load_scheme("full", graph), get_target("host"))
    left = [n.attributes.function.name for n in program.graph.nodes if n.operator == "lookup"]
    assert left == ["swish", "swish"]


def constant_of_floats(draft):
    x = draft.conv(0, (1, 6, 6), 4)
    number = draft.constant("constant", np.float32(2))
    return draft.append("MUL", [x, number], (1, 6, 6, 4), "MulOptions")


def product_of_constants(draft):
    return draft.append(
        "MUL", [constant(draft, [3]), constant(draft, [4])], (1, 6, 6, 3), "MulOptions"
    )


def plus_rows(draft):
    x = draft.conv(0, (1, 6, 6), 4)
    rows = constant(draft, np.arange(3).reshape(3, 1, 1))
    return draft.append("ADD", [x, rows], (1, 6, 6, 4), "AddOptions")


def plus_fewer_rows(draft):
    x = draft.conv(0, (1, 6, 6), 4)
    y = draft.conv(0, (1, 3, 6), 4, strides=(2, 1))
    return draft.append("ADD", [x, y], (1, 6, 6, 4), "AddOptions")


REFUSED = {
    "sigmoid of another scale": (
        lambda d: function(d, "LOGISTIC", 0, scale=1 / 200, zero=-128),
        "layer 0 (LOGISTIC, layer0): its framework does not compute it with these scales",
    ),
    "tangent of another zero point": (
        lambda d: function(d, "TANH", 0, scale=1 / 128, zero=1),
        "layer 0 (TANH, layer0): its framework does not compute it with these scales",
    ),
    "hard swish that is finer than its input": (
        lambda d: function(d, "HARD_SWISH", 0, scale=0.0001, zero=-128),
        "layer 0 (HARD_SWISH, layer0): its framework does not compute it with these scales",
    ),
    "negative slope": (
        lambda d: function(d, "LEAKY_RELU", 0, Alpha=-0.5),
        "layer 0 (LEAKY_RELU, layer0): its framework does not compute it with these scales",
    ),
    "function that is not there": (
        lambda d: function(d, "FLOOR", 0),
        "layer 0 (FLOOR, layer0): kilograd has no such operator",
    ),
    "constant of floats": (constant_of_floats, "its input 1, a constant, needs one scale and zero"),
    "product of constants": (product_of_constants, "its input 1 is neither the sample nor made by"),
    "constant for each second row": (
        plus_rows,
        "its constant has the shape [3, 1, 1], which does not fit a map of [6, 6, 4]",
    ),
    "map of half as many rows": (
        plus_fewer_rows,
        "its maps have the shapes [6, 6, 4] and [3, 6, 4], and kilograd repeats a map where",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_carried_is_refused(what, tmp_path):
    append, text = REFUSED[what]
    draft = Draft()
    x = append(draft)
    draft.dense(draft.pool(x, (6, 6), (1, 1, 1, draft.tensors[x].shape[3])), 3)
    with pytest.raises(ModelError) as caught:
        load_model(str(draft.write(tmp_path / "net.tflite")))
    assert text in str(caught.value)


def test_a_slope_that_is_no_number_is_damage(tmp_path):
    path = of_function("LEAKY_RELU", Alpha=float("nan")).write(tmp_path / "net.tflite")
    with pytest.raises(ModelError, match="damaged"):
        read_tflite(path)


DEVICES = ["reference", "host", "cortex-m7", "cortex-m0plus", "riscv32"]


@pytest.mark.thorough
@pytest.mark.parametrize("scheme", ["head", "last:4", "full"])
def test_steps_of_a_network_with_gates_are_the_same_on_every_device(scheme, tmp_path):
    graph = load_model(str(mobile_network().write(tmp_path / "net.tflite")), 3)
    program = compile_model(graph, load_scheme(scheme, graph), get_target("cortex-m7"))
    found = verify_devices(program, DEVICES, steps=3)
    assert found.identical, found.first_difference


@pytest.fixture
def shapes(tmp_path):
    """Noise with one of three bright regions, each in a channel of its own."""
    rng = np.random.default_rng(3)
    labels = np.arange(150) % 3
    inputs = rng.normal(0, 0.5, (len(labels), 12, 12, 3))
    regions = (np.s_[:6, :, 0], np.s_[:, 6:, 1], np.s_[3:9, 3:9, 2])
    for sample, label in zip(inputs, labels, strict=True):
        sample[regions[label]] += 1.2
    split = (np.arange(len(labels)) >= 90).astype(int)
    path = tmp_path / "shapes.npz"
    np.savez(path, inputs=inputs.astype(np.float32), labels=labels, split=split)
    return path


@pytest.mark.thorough
def test_a_network_with_gates_learns_the_same_on_the_host_as_by_reference(
    shapes, kilograd, tmp_path
):
    path = mobile_network().write(tmp_path / "net.tflite")
    options = ("--data", shapes, "--scheme", "last:8", "--fresh-head", "--epochs", "2", "--json")
    found = [
        kilograd("train", path, *options, "--device", device).json
        for device in ("host", "reference")
    ]
    host, reference = found
    assert host["state_digest"] == reference["state_digest"]
    assert host["counters"] == reference["counters"]
    assert host["steps"] == 180
    assert host["accuracy_before"] < 0.5
    assert host["accuracy_after"] > 0.9
