"""What the published system gets wrong, one section a mistake (items 1 to 8).

Each test would fail if the mistake were copied.
"""

from functools import cache

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.frontend.builder import GraphBuilder, Parameters
from kilograd.frontend.native import load_native
from kilograd.frontend.open import load_model
from kilograd.ir import DType, Kind, Quantization
from kilograd.measuring.firmware import measure
from kilograd.ops.arithmetic import quantize_multiplier, requantize
from kilograd.ops.loss.op import softmax
from kilograd.ops.spec import StepContext
from kilograd.scheme import Scheme, layers, load_scheme
from kilograd.targets import get_target
from networks import native_model, tiny_graph
from operators import real
from operators.cases import all_cases
from operators.draws import draw_inputs
from operators.integer import IntegerModel, compile_recorded, cosine
from operators.networks import RealModel, random_network, residual_network, samples

HUGE = LearningRate.from_float(1e9)
RATE = LearningRate.from_float(0.01)


@pytest.fixture
def graph(tmp_path):
    return tiny_graph(tmp_path)


def compiled(graph, scheme):
    return compile_model(graph, load_scheme(scheme, graph), get_target("cortex-m7"))


def state_of(program, device, name):
    """One trained tensor, read back from a device."""
    value = next(s for s in program.graph.states if s.name == name)
    flat = np.frombuffer(
        device.read_state(),
        value.type.dtype.numpy,
        value.type.size,
        program.plan.states[name],
    )
    return flat.reshape(value.type.shape).astype(np.int64)


# -- 1: residual joins


@pytest.mark.parametrize("seed", [1, 2])
def test_1_the_gradient_below_a_join_is_the_sum_of_both_branches(seed):
    graph = residual_network(seed)
    program, recorded = compile_recorded(graph, load_scheme("full", graph))
    sample = samples(graph, 1, seed)[0]
    integer = IntegerModel(program, sample, 1)
    (total,) = [node for node in program.graph.nodes if node.operator == "gradient_sum"]
    assert recorded["stem"].value == total.outputs[0]
    branches = {"stem": recorded["stem"]}
    for index in (0, 2):
        name = total.inputs[index]
        branches[name] = type(recorded["stem"])(name, total.inputs[index + 1], 0.0)
    found = integer.activation_gradients(branches, seeds=16)
    one, other = (found[total.inputs[index]] for index in (0, 2))
    assert cosine(found["stem"], one + other) > 0.999
    model = RealModel(program.graph, integer.activations)
    x = real.dequantize(sample, graph.inputs[0].type)
    zeros = np.zeros(graph.type_of("stem").shape)
    truth = real.numeric_gradient(lambda d: model.loss(x, 1, added={"stem": d}), zeros, 1e-5)
    assert cosine(found["stem"], truth) > 0.995
    assert max(cosine(one, truth), cosine(other, truth)) < 0.98


# -- 2: the zero point of a layer's input


WEIGHT_UPDATES = [item for item in all_cases() if item.spec.name.endswith("weight_update")]


@pytest.mark.parametrize("item", WEIGHT_UPDATES, ids=str)
def test_2_an_input_of_real_zero_moves_no_weight(item):
    arrays = draw_inputs(item.spec, item.case, np.random.default_rng(1), "uniform")
    arrays[3] = np.full_like(arrays[3], item.case.inputs[3].zero_point)
    context = StepContext(1, 2, 0, HUGE.mantissa, HUGE.exponent)
    (new,) = item.spec.reference(item.case.attributes, item.case.inputs, arrays, context)
    limit = np.iinfo(new.dtype).max
    assert np.array_equal(new, np.clip(arrays[0], -limit, limit))


@pytest.mark.parametrize("device", ["reference", "host", "unicorn"])
def test_2_zero_points_on_devices(tmp_path, device):
    model = native_model()
    model.structure["input"]["zero_point"] = -17
    graph = load_native(model.write(tmp_path / "m.npz"))
    program = compile_model(graph, Scheme("stem", (), {"stem": 1.0}), get_target("cortex-m7"))
    with open_device(program, device) as opened:
        opened.initialize(1)
        for step, value in enumerate([-17] * 4 + [0]):
            opened.train_step(np.full((16, 16, 3), value, np.int8), step % 4, HUGE)
            has_moved = state_of(program, opened, "stem.weight.delta").any()
            assert has_moved == (value != -17)


def test_2_some_zero_points_are_not_zero():
    assert len({item.case.inputs[3].zero_point for item in WEIGHT_UPDATES} - {0}) > 2


# -- 3: truncation


@pytest.mark.parametrize("device", ["reference", "host", "unicorn"])
def test_3_a_rate_of_zero_leaves_every_weight(graph, device):
    program = compiled(graph, "full")
    with open_device(program, device) as opened:
        opened.initialize(1)
        for sample in samples(graph, 5):
            opened.train_step(sample, 1, LearningRate(0, 0))
        for state in program.graph.states:
            if state.type.quantization is not None:
                assert np.array_equal(state_of(program, opened, state.name), state.array)


@pytest.mark.parametrize("name", ["head.weight.delta", "head.bias.delta"])
def test_3_steps_below_one_move_the_mean(graph, name):
    """Rounded at random, they add up; truncated, weights shrink and biases stay."""
    program = compiled(graph, "head")
    sample = samples(graph, 1)[0]
    start = next(s for s in program.graph.states if s.name == name).array.astype(np.int64)
    with open_device(program, "host") as device:
        snapshot = device.prefix_snapshot(sample)

        def moved(rate, seeds):
            total = np.zeros(start.shape)
            for seed in seeds:
                device.initialize(seed)
                device.train_step_from_snapshot(snapshot, 2, LearningRate.from_float(rate))
                total += state_of(program, device, name) - start
            return total / len(seeds)

        coarse = next(
            rate for rate in 2.0 ** np.arange(10, -50, -1) if np.abs(moved(rate, [0])).max() <= 8
        )
        expected = moved(coarse, range(400)) / 64
        found = moved(coarse / 64, range(4000))
    assert 0.02 < np.abs(expected).max() < 0.2
    assert cosine(found, expected) > 0.97
    assert (found * expected).sum() / (expected**2).sum() == pytest.approx(1, abs=0.08)
    assert np.abs(found - expected).max() < 5 * np.sqrt(0.2 / 4000)


# -- 4: saturation


@pytest.mark.parametrize("device", ["reference", "host", "unicorn"])
def test_4_weights_saturate_and_do_not_wrap(graph, device):
    program = compiled(graph, "full")
    sample = samples(graph, 1)[0]
    small, large = {}, {}
    with open_device(program, device) as opened:
        for rate, found in ((RATE, small), (HUGE, large)):
            opened.initialize(7)
            opened.train_step(sample, 1, rate)
            for state in program.graph.states:
                if state.type.dtype is DType.INT8:
                    found[state.name] = state_of(program, opened, state.name)
        for other in samples(graph, 6, seed=5):
            opened.train_step(other, 2, HUGE)
        late = [state_of(program, opened, name) for name in large]
    assert all(np.abs(weight).max() <= 127 for weight in [*large.values(), *late])
    moved = 0
    for state in program.graph.states:
        if state.name in large:
            direction = np.sign(small[state.name] - state.array)
            assert np.all(large[state.name][direction > 0] == 127)
            assert np.all(large[state.name][direction < 0] == -127)
            moved += np.count_nonzero(direction)
    assert moved > 50


# -- 5: which channels are trained, and in what type


@pytest.mark.parametrize(
    ("layer", "axis"), [("stem", 3), ("blocks.0.depthwise", 2), ("blocks.1.pointwise1", 1)]
)
def test_5_the_strongest_channels_are_trained_on_every_device(tmp_path, layer, axis):
    model = native_model()
    weight = model.arrays[f"{layer}.weight"]
    channels = weight.shape[0 if layer.endswith("depthwise") else 1]
    strong = sorted({channels - 1, channels // 2})
    for channel in set(range(channels)) - set(strong):
        view = weight[channel] if layer.endswith("depthwise") else weight[:, channel]
        view //= 3
    graph = load_native(model.write(tmp_path / "m.npz"))
    program = compile_model(
        graph, Scheme("x", (), {layer: len(strong) / channels}), get_target("cortex-m7")
    )
    node = next(n for n in program.graph.nodes if n.name == layer)
    assert node.attributes.trained_channels == tuple(strong)
    (state,) = [s for s in program.graph.states if s.name == f"{layer}.weight.delta"]
    assert state.type.dtype is DType.INT8
    after = {}
    for name in ("reference", "host", "unicorn"):
        with open_device(program, name) as device:
            device.initialize(2)
            for step, sample in enumerate(samples(graph, 4)):
                device.train_step(sample, step % 4, LearningRate.from_float(10.0))
            after[name] = state_of(program, device, state.name)
    assert np.array_equal(after["reference"], after["host"])
    assert np.array_equal(after["reference"], after["unicorn"])
    whole = graph.values[f"{layer}.weight"].array
    base = program.graph.values[f"{layer}.weight.base"].array
    if state.type.shape != whole.shape:
        assert np.array_equal(base, whole[:, strong])
    else:
        assert np.array_equal(base, whole)
        others = tuple(set(range(whole.ndim)) - {axis})
        changed = np.any(after["host"] != 0, axis=others)
        assert np.flatnonzero(changed).tolist() == strong
    assert np.any(after["host"])


# -- 6: rounding, and the scale of logits


def test_6_requantization_rounds_to_nearest_as_tflite_does():
    rng = np.random.default_rng(0)
    for scale in (0.9, 0.0301, 0.00071, 1e-5):
        multiplier, shift = quantize_multiplier(scale)
        reach = int(150 / scale)
        values = rng.integers(-reach, reach, 4000)
        found = requantize(values, multiplier, shift, 3)
        assert found.tolist() == [tflite(int(v), multiplier, shift, 3) for v in values]
        exact = np.clip(values * scale + 3, -128, 127)
        twice_rounded = 2.0 ** (shift - 1) if shift else 0
        assert np.abs(found - exact).max() < 0.5 + twice_rounded + 1e-6
        assert abs((found - exact).mean()) < 0.03


def tflite(value, multiplier, shift, zero_point):
    """TensorFlow Lite's MultiplyByQuantizedMultiplier for shifts to the right, and the clamp."""
    product = value * multiplier
    nudged = product + ((1 << 30) if product >= 0 else 1 - (1 << 30))
    high = abs(nudged) // (1 << 31) * (1 if nudged >= 0 else -1)
    mask = (1 << -shift) - 1
    threshold = (mask >> 1) + (1 if high < 0 else 0)
    rounded = (high >> -shift) + (1 if (high & mask) > threshold else 0)
    return max(-128, min(127, rounded + zero_point))


@cache
def pooled(weight, bias, zero_point=-128):
    """Input, mean, head: the shortest network."""
    builder = GraphBuilder("short", 2, 3, 5, Quantization((0.05,), zero_point))
    weight = np.array(weight, np.int8)
    scales = np.full(len(weight), 0.01)
    parameters = Parameters(weight, np.array(bias, np.int32), scales)
    return builder.finish(builder.dense("head", builder.average_pool("pool", "input"), parameters))


def test_6_logits_carry_their_scale():
    program = compiled(pooled(((10, -20, 30, -40, 50), (0, 1, 2, 3, 4)), (1000, -2000)), "head")
    pixels = np.array([-128, -100, 0, 50, 127], np.int8)
    sample = np.tile(pixels, (2, 3, 1))
    values = (pixels.astype(float) + 128) * 0.05
    expected = [
        values @ np.array([10, -20, 30, -40, 50]) * 0.01 + 0.5,
        values @ np.arange(5) * 0.01 - 1,
    ]
    with open_device(program, "host") as device:
        device.initialize(0)
        assert np.allclose(device.predict(sample) / 65536, expected, atol=1e-3)
    for difference in (-3.0, 0.0, 0.5, 1.0, 7.0):
        found = softmax(np.array([round(difference * 65536), 0])) / 2**30
        assert found[0] == pytest.approx(1 / (1 + np.exp(-difference)), abs=1e-5)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_6_extreme_logits_stay_finite(label):
    limit = (1 << 30) - 1 - 5 * 127 * 255
    graph = pooled(((0,) * 5, (0,) * 5, (0,) * 5), (limit, -limit, 0))
    program = compiled(graph, "head")
    sample = np.zeros((2, 3, 5), np.int8)
    results = []
    for name in ("reference", "host", "unicorn"):
        with open_device(program, name) as device:
            device.initialize(0)
            logits = device.train_step(sample, label, RATE)
            results.append((logits.tolist(), device.read_state()))
            assert logits.argmax() == 0
            assert logits.argmin() == 1
    assert results[0] == results[1] == results[2]
    assert np.array_equal(softmax(np.array([2**31 - 1, -(2**31), 0])), [1 << 30, 0, 0])


# -- 7: any number of classes, resolution, network; state is kept; zero points stay


@pytest.mark.parametrize("classes", [2, 3, 10, 37, 100])
def test_7_any_number_of_classes(tmp_path, classes):
    graph = tiny_graph(tmp_path, classes=classes)
    assert_same(compiled(graph, "last:2"), classes)


@pytest.mark.thorough
@pytest.mark.parametrize("shape", [(40, 56, 3), (33, 17, 1), (7, 64, 3), (5, 5, 4)])
def test_7_any_resolution(tmp_path, shape):
    height, width, channels = shape
    graph = tiny_graph(tmp_path, height=height, width=width, channels=channels)
    assert graph.inputs[0].type.shape == shape
    assert_same(compiled(graph, "full"), 4)


@pytest.mark.parametrize("seed", range(4))
def test_7_any_network(seed):
    graph = random_network(seed)
    program = compiled(graph, "full")
    assert_same(program, program.class_count)


def assert_same(program, classes):
    states = []
    for name in ("reference", "host"):
        with open_device(program, name) as device:
            assert device.class_count == classes
            device.initialize(5)
            for sample in samples(program.graph, 2):
                assert device.train_step(sample, classes - 1, RATE).shape == (classes,)
            states.append(device.read_state())
    assert states[0] == states[1]


@pytest.mark.parametrize("scheme", ["head", "full"])
def test_7_training_goes_on_from_a_kept_state(graph, scheme):
    program = compiled(graph, scheme)
    first, second = samples(graph, 4, seed=1), samples(graph, 4, seed=2)

    def learn(device, inputs):
        return [device.train_step(x, i % 4, RATE).tolist() for i, x in enumerate(inputs)]

    with open_device(program, "host") as device:
        device.initialize(9)
        learn(device, first)
        kept = device.read_state()
        logits, end = learn(device, second), device.read_state()
    assert kept != end
    for name in ("reference", "host", "unicorn"):
        with open_device(program, name) as device:
            device.initialize(1)
            device.write_state(kept)
            assert learn(device, second) == logits
            assert device.read_state() == end


def test_7_zero_points_do_not_wrap():
    """127 above a zero point of −128 is 255 steps, and not one below zero."""
    graph = pooled(((127,) * 5, (-127,) * 5), (0, 0))
    with open_device(compiled(graph, "head"), "host") as device:
        device.initialize(0)
        logits = device.predict(np.full((2, 3, 5), 127, np.int8)) / 65536
    expected = 5 * 255 * 0.05 * 127 * 0.01
    assert np.allclose(logits, [expected, -expected], rtol=1e-4)


@pytest.mark.parametrize("name", ["mcunet-5fps", "mbv2-w0.35", "proxyless-w0.3"])
def test_7_zero_points_of_checkpoints_are_plain_integers(published, name):
    graph = load_model(str(published(name)), 10)
    zeros = [
        value.type.zero_point
        for value in graph.values.values()
        if value.kind in (Kind.INPUT, Kind.ACTIVATION)
    ]
    assert {type(zero) for zero in zeros} == {int}
    assert all(-128 <= zero <= 127 for zero in zeros)
    assert -128 in zeros


# -- 8: the stack


@pytest.mark.parametrize("scheme", ["head", "full"])
@pytest.mark.parametrize("target", ["cortex-m7", "cortex-m0plus"])
def test_8_constants_stay_off_the_stack(graph, scheme, target):
    assert measure(compiled(graph, scheme).for_target(get_target(target))).stack < 1024


@pytest.mark.thorough
def test_8_stack_of_a_published_backbone(published):
    graph = load_model(str(published("mcunet-5fps")), 10)
    assert len(layers(graph)) > 40
    assert measure(compiled(graph, "mcunet-5fps/49kb")).stack < 1024
