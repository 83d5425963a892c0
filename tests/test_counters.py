"""What the devices count while they train: the same everywhere, and what it says it is."""

from dataclasses import asdict, fields

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.device.reference import ReferenceDevice
from kilograd.ops.common.update import stepped_bias_delta, stepped_weight
from kilograd.ops.loss.op import softmax
from kilograd.ops.spec import StepContext, TrainingCounters
from kilograd.scheme import Scheme, layers, load_scheme
from kilograd.targets import get_target
from networks import blobs, native_model, tiny_graph

WILD, ABSURD = (LearningRate.from_float(rate) for rate in (0.6, 1e9))
RATES = (WILD, ABSURD)
STEPS = 14


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def program(graph):
    def compile_with(scheme):
        if scheme != "shares":
            return compile_model(graph, load_scheme(scheme, graph), get_target("cortex-m7"))
        names = layers(graph)
        shares = dict(zip(names, [0.4, 0.2, 0.3, 0.5, 0.1, 0.6, 0.7, 0.5], strict=True))
        return compile_model(
            graph, Scheme("shares", tuple(names[::2]), shares), get_target("cortex-m7")
        )

    return compile_with


def trained(device, rate=WILD, steps=STEPS):
    graph_shape = (16, 16, 3)
    rng = np.random.default_rng(2)
    for step in range(steps):
        sample = rng.integers(-128, 128, graph_shape).astype(np.int8)
        device.train_step(sample, step // 2 % 4, rate)  # known the second time at a wild rate
    return device.counters().training


@pytest.mark.parametrize("scheme", ["head", "bias:3", "full", "shares"])
@pytest.mark.parametrize(
    "other", ["host", "unicorn cortex-m7", "unicorn cortex-m4", "unicorn cortex-m0plus", "qemu"]
)
def test_the_same_everywhere(program, scheme, other, request):
    kind, _, target = other.partition(" ")
    if kind == "qemu":
        request.getfixturevalue("require_qemu")
    compiled = program(scheme)
    with open_device(compiled.for_target(get_target(target or "cortex-m7")), kind) as device:
        for rate in RATES:
            expected = trained(ReferenceDevice(compiled), rate)
            device.initialize(0)
            assert trained(device, rate) == expected
            assert expected.steps == STEPS


def test_every_count_occurs(program):
    """So that the tests above compare more than zeros."""
    counted = [asdict(trained(ReferenceDevice(program("full")), rate)) for rate in RATES]
    never = [n for n in counted[0] if not any(counts[n] for counts in counted)]
    assert not never


def test_prediction_counts_nothing_and_a_state_does_not_hold_the_counts(program, graph):
    sample = blobs(graph, 1)[0][0]
    with open_device(program("full"), "host") as device, ReferenceDevice(program("full")) as other:
        for one in (device, other):
            before = one.read_state()
            counted = trained(one)
            one.predict(sample)
            one.write_state(before)
            assert one.counters().training == counted
            one.initialize(0)
            assert one.counters().training == TrainingCounters()
            assert one.read_state() == before


def test_they_are_what_the_values_of_a_step_say(program):
    """Recounted from all values of reference steps, without the code that counts."""
    compiled = program("full")
    graph, device = compiled.graph, ReferenceDevice(compiled)
    rng = np.random.default_rng(4)
    recount = dict.fromkeys(asdict(TrainingCounters()), 0)
    for step in range(STEPS):
        sample = rng.integers(-128, 128, (16, 16, 3)).astype(np.int8)
        values = device.run_all(sample, StepContext(0, step, step % 4, *WILD.at(step), 0))
        for node in graph.nodes:
            arrays = [values[name] for name in node.inputs]
            if node.operator == "adapt_exponent":
                recount["gradients"] += 1
                recount["gradients_saturated"] += int(arrays[1][0]) > 127
                recount["gradients_vanished"] += int(arrays[1][0]) == 0
            elif node.operator == "mask_gradient":
                activation = next(n for n in graph.nodes if node.inputs[1] in n.outputs).inputs[0]
                clamped = np.isin(values[activation], (-128, 127))
                recount["elements_masked"] += int(clamped.sum())
            elif node.operator.endswith("weight_update"):
                recount["weight_updates"] += arrays[0].size
            elif node.operator == "softmax_cross_entropy":
                p = softmax(arrays[0])
                recount["loss_spikes"] += int(p[step % 4]) < 1 << 14
                p[step % 4] -= 1 << 30
                recount["losses_vanished"] += int(np.bitwise_or.reduce(np.abs(p))) < 64
        device.train_step(sample, step % 4, WILD)
    counted = asdict(device.counters().training)
    del recount["steps"], recount["weights_saturated"], recount["biases_saturated"]
    assert {name: counted[name] for name in recount} == recount
    assert recount["loss_spikes"] > 0


def test_weights_and_biases_that_are_cut():
    context = StepContext()
    weight = np.array([[127, 126, -127], [-126, 0, 5]], np.int8)
    step = np.array([[-1, -1, 1], [2, 127, 133]], np.int64)
    assert stepped_weight(weight, step, 6, context).tolist() == [
        [127, 127, -127],
        [-127, -127, -127],
    ]
    assert (context.counters.weight_updates, context.counters.weights_saturated) == (6, 4)
    base, delta = np.array([5, -5, 5, 0], np.int32), np.array([4, -5, 5, 0], np.int16)
    step = np.array([-1, 1, -1, -11], np.int64)
    assert stepped_bias_delta(delta, base, step, 10, context).tolist() == [5, -5, 5, 10]
    step = np.array([-40_000, 40_000, 0, 32_767], np.int64)
    moved = stepped_bias_delta(delta, 0, step, 1 << 20, context)
    assert moved.tolist() == [32_767, -32_767, 5, -32_767]
    assert context.counters.biases_saturated == 5
    assert context.counters.weights_saturated == 4


def test_they_wrap_at_32_bits(program):
    device = ReferenceDevice(program("head"))
    device._counters.weight_updates = (1 << 32) - 5
    assert trained(device, steps=1).weight_updates == 4 * 9 - 5


def test_on_the_command_line(kilograd, tmp_path):
    inputs, labels = blobs(tiny_graph(tmp_path), 24)
    np.savez(tmp_path / "blobs.npz", inputs=inputs, labels=labels, split=(np.arange(24) % 3) // 2)
    data = ("--data", tmp_path / "blobs.npz", "--epochs", 1, "--json")
    outcome = kilograd("train", native_model().write(tmp_path / "m.npz"), *data).json
    assert set(outcome["counters"]) == {field.name for field in fields(TrainingCounters)}
    assert outcome["counters"]["steps"] == outcome["steps"] == 16
    assert outcome["counters"]["weight_updates"] == 16 * 2 * 9
    assert outcome["divergences"] == []
