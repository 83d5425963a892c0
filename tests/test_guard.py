"""The divergence monitor: it saves runs that diverge, and leaves all others alone."""

import struct
from dataclasses import replace

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.data import Dataset, Samples
from kilograd.data.faces import faces_dataset
from kilograd.device.open import open_device
from kilograd.device.protocol import Counters, LearningRate
from kilograd.frontend.open import input_spec, load_model
from kilograd.ops.spec import TrainingCounters
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training import divergence
from kilograd.training.divergence import CHECK_STEPS, Divergence, DivergenceMonitor, has_diverged
from kilograd.training.loop import DEFAULT_RATE, TrainingOptions, train
from networks import blobs, native_model, tiny_graph

HEALTHY = TrainingCounters(
    CHECK_STEPS, gradients=3 * CHECK_STEPS, gradients_saturated=9, weights_saturated=99
)


@pytest.fixture(scope="module")
def faces():
    return faces_dataset(input_spec(load_model("kilograd-48")))


@pytest.fixture(scope="module")
def backbone():
    """Trains the backbone that ships."""
    graph = load_model("kilograd-48", 2)

    def run(dataset, rate, scheme="kilograd-48/demo", epochs=3):
        program = compile_model(graph, load_scheme(scheme, graph), get_target("cortex-m7"))
        with open_device(program, "host") as device:
            return train(device, dataset, TrainingOptions(epochs, rate))

    return run


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    graph = tiny_graph(tmp_path_factory.mktemp("model"), fresh_classes=4)
    return compile_model(graph, load_scheme("full", graph), get_target("cortex-m7"))


@pytest.fixture(scope="module")
def four(tiny):
    splits = (Samples(*blobs(tiny.graph, n, seed=s, classes=4)) for n, s in ((160, 0), (40, 9)))
    return Dataset("four", *splits, ("a", "b", "c", "d"))


@pytest.fixture
def unguarded(monkeypatch):
    monkeypatch.setattr(divergence, "has_diverged", lambda since, flows: False)


# -- real networks


@pytest.mark.thorough
@pytest.mark.parametrize(("rate", "scheme"), [(2.0, "kilograd-48/demo"), (0.2, "full")])
def test_a_rate_far_too_high_still_learns(backbone, faces, rate, scheme):
    result = backbone(faces, rate, scheme)
    assert result.after.accuracy >= 0.95
    assert 1 <= len(result.divergences) <= 3
    assert result.divergences[0].rate == pytest.approx(rate / 4, rel=1e-3)
    assert result.divergences[0].step % CHECK_STEPS == 0


@pytest.mark.thorough
@pytest.mark.parametrize(("rate", "scheme"), [(2.0, "kilograd-48/demo"), (0.2, "full")])
def test_without_the_guard_it_ends_at_chance(backbone, faces, rate, scheme, unguarded):
    result = backbone(faces, rate, scheme)
    assert result.after.accuracy <= 0.6
    assert result.divergences == []


@pytest.mark.parametrize("scheme", ["head", "kilograd-48/demo", "full"])
def test_the_default_rate_is_left_alone(backbone, faces, scheme):
    result = backbone(faces, DEFAULT_RATE, scheme)
    assert result.divergences == []
    assert result.after.accuracy >= 0.97


@pytest.mark.thorough
@pytest.mark.parametrize("rate", [1.0, 3.0, 10.0, 30.0])
@pytest.mark.parametrize("name", ["host", "reference"])
def test_gradients_that_vanish_without_a_spike_are_told_too(tiny, four, rate, name):
    with open_device(tiny, name) as device:
        result = train(device, four, TrainingOptions(2, rate))
    assert result.after.accuracy >= 0.7
    assert result.divergences


def test_without_the_guard_the_small_network_dies(tiny, four, unguarded):
    with open_device(tiny, "host") as device:
        for rate in (1.0, 3.0, 10.0, 30.0):
            assert train(device, four, TrainingOptions(2, rate)).after.accuracy <= 0.3


@pytest.mark.thorough
def test_every_device_does_the_same(tiny, four):
    options = TrainingOptions(1, 1.0)
    results = []
    for name in ("reference", "host", "unicorn"):
        with open_device(tiny, name) as device:
            result = train(device, four, options)
        results.append((result.state, result.divergences, result.losses))
    assert results[0][1]
    assert results[0] == results[1] == results[2]


# -- the rule


@pytest.mark.parametrize(
    ("changes", "diverged"),
    [
        ({}, False),
        ({"loss_spikes": 4}, False),
        ({"loss_spikes": 5}, True),
        ({"gradients_vanished": 3}, False),  # the first step, behind a fresh head
        ({"gradients_vanished": 14}, False),
        ({"gradients_vanished": 15}, True),
        ({"gradients_vanished": 45, "losses_vanished": 15}, False),  # 5 steps had a loss
        ({"gradients_vanished": 48, "losses_vanished": 15}, False),
        ({"gradients_vanished": 49, "losses_vanished": 15}, True),
        ({"gradients_vanished": 60, "losses_vanished": 20}, False),  # everything is known
        ({"gradients": 0}, False),  # the head alone
        ({"gradients": 0, "losses_vanished": 20}, False),
    ],
)
def test_what_counts_as_divergence(changes, diverged):
    assert has_diverged(replace(HEALTHY, **changes)) is diverged


class Scripted:
    """A device that counts what it is told; its state is its header and the time."""

    def __init__(self):
        self.total, self.state, self.written = TrainingCounters(), b"", []
        self.set(0)

    def set(self, time, classes=3):
        self.state = struct.pack("<3II", 7, time, classes, 1000 + time)

    def counters(self):
        return Counters(self.total, None, None)

    def read_state(self):
        return self.state

    def write_state(self, state):
        self.state = state
        self.written.append(struct.unpack("<3II", state))


def play(windows, **options):
    """What a monitor writes, and at which rates, over windows of so many spikes."""
    device = Scripted()
    watched = DivergenceMonitor(device, LearningRate(16384, -10, 500), **options)
    for window, spikes in enumerate(windows, 1):
        device.total = replace(device.total, steps=window * CHECK_STEPS,
                               loss_spikes=(device.total.loss_spikes + spikes) % 2**32)  # fmt: skip
        device.set(window * CHECK_STEPS)
        for _ in range(CHECK_STEPS):
            watched.after_step()
    return device, watched


def test_it_goes_back_to_the_state_that_proved_healthy():
    """The header stays: seed, steps, active classes. At 80 the state of 60 had not yet proved."""
    told = []
    device, watched = play([0, 4, 0, 5], listener=told.append)
    assert device.written == [(7, 80, 3, 1040)]
    assert watched.rate == LearningRate(16384, -12, 500)
    assert watched.divergences == told == [Divergence(80, 16384 * 2.0**-12)]


def test_a_relapse_goes_back_to_the_start():
    device, watched = play([0, 0, 0, 9, 0, 9])
    assert device.written == [(7, 80, 3, 1040), (7, 120, 3, 1000)]
    assert watched.rate.exponent == -14


def test_a_later_divergence_is_none_of_a_relapse():
    device, _ = play([0, 0, 0, 9, 0, 0, 0, 0, 0, 9])
    assert device.written == [(7, 80, 3, 1040), (7, 200, 3, 1160)]


def test_a_run_that_diverges_at_once_starts_anew():
    device, watched = play([20, 20, 20])
    assert [written[3] for written in device.written] == [1000] * 3
    assert watched.rate.exponent == -16


def test_counts_that_wrap():
    device = Scripted()
    device.total = TrainingCounters(loss_spikes=2**32 - 3)
    watched = DivergenceMonitor(device, LearningRate(1, 0))
    device.total = TrainingCounters(steps=CHECK_STEPS, loss_spikes=1)
    for _ in range(CHECK_STEPS):
        watched.after_step()
    assert watched.divergences == []
    device.total = TrainingCounters(steps=2 * CHECK_STEPS, loss_spikes=6)
    for _ in range(CHECK_STEPS):
        watched.after_step()
    assert len(watched.divergences) == 1


def test_the_lowest_rate_stays_a_rate():
    device = Scripted()
    watched = DivergenceMonitor(device, LearningRate(16384, -1099))
    device.total = TrainingCounters(steps=CHECK_STEPS, loss_spikes=20)
    for _ in range(CHECK_STEPS):
        watched.after_step()
    assert watched.rate.exponent == -1100


def test_the_user_is_told_once(kilograd, tmp_path):
    model = native_model().write(tmp_path / "m.npz")
    inputs, labels = blobs(tiny_graph(tmp_path), 200, classes=4)
    np.savez(tmp_path / "d.npz", inputs=inputs, labels=labels, split=(np.arange(200) % 5) // 4)
    options = ("--scheme", "full", "--lr", 10, "--epochs", 2, "--json")
    outcome = kilograd("train", model, "--data", tmp_path / "d.npz", *options)
    divergences = outcome.json["divergences"]
    assert len(divergences) >= 2
    assert outcome.err.count("training diverged") == 1
    text = " ".join(outcome.err.split())
    assert f"at step {divergences[0]['step']} it went back to a healthy state" in text
    assert f"the learning rate at {divergences[0]['rate']:.3g}; start with a lower --lr" in text
    assert outcome.json["accuracy_after"] >= 0.9
