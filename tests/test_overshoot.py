"""A stream whose rate is far too high notices, and learns nearly as much as at a good one."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilograd.compiler import compile_model
from kilograd.data import Dataset, Samples, load_dataset
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.frontend.open import input_spec, load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.divergence import DivergenceMonitor
from kilograd.training.online import train_online
from kilograd.training.overshoot import (
    FIRST_STEPS,
    JUDGED_STEPS,
    LIMIT,
    LOOK_STEPS,
    LOOKS,
    FirstStepsGuard,
    OvershootGuard,
    removed_error,
    share_of_loss,
)
from kilograd.training.rate import default_rate
from kilograd.training.stream import MemoryOptions, OnlineOptions, make_online
from networks import blobs, tiny_graph

SHARED = Path(__file__).parents[2] / "shared"
INACTIVE = np.iinfo(np.int32).min


@given(
    features=st.lists(st.floats(-3, 3), min_size=1, max_size=8),
    start=st.lists(st.floats(-4, 4), min_size=2, max_size=5),
    rate=st.floats(0.001, 3),
    label=st.integers(0, 1),
)
def test_it_is_the_rate_times_the_squared_norm_for_a_linear_layer(features, start, rate, label):
    x, before = np.array(features), np.array(start)
    error = np.exp(before - before.max())
    error /= error.sum()
    error[label] -= 1
    after = before - rate * (x @ x) * error
    found = removed_error(
        np.rint(before * 2**16).astype(np.int32), np.rint(after * 2**16).astype(np.int32), label
    )
    if error @ error < 0.009:
        assert found == []
    elif error @ error > 0.011:
        assert found[0] == pytest.approx(rate * (x @ x), abs=0.01)


def test_classes_that_are_not_active_do_not_count():
    before = np.array([0, 0, INACTIVE], np.int32)
    after = np.array([1 << 16, -(1 << 16), INACTIVE], np.int32)
    assert removed_error(before, after, 0) == removed_error(before[:2], after[:2], 0) == [2.0]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    graph = tiny_graph(tmp_path_factory.mktemp("model"), fresh_classes=4)
    return compile_model(graph, load_scheme("last:3", graph), get_target("cortex-m7"))


@pytest.fixture(scope="module")
def four(tiny):
    splits = (Samples(*blobs(tiny.graph, n, seed=s, classes=4)) for n, s in ((400, 0), (80, 9)))
    return Dataset("four", *splits, ("a", "b", "c", "d"))


def run(program, dataset, rate, device="host", **options):
    stream = make_online(dataset, input_spec(program.graph), OnlineOptions(rate=rate, **options))
    with open_device(program, device) as opened:
        return train_online(opened, stream)


def test_a_step_that_overshoots_goes_back_to_the_start(tiny):
    with open_device(tiny, "host") as device:
        device.initialize(3)
        start = device.read_state()
        monitor = DivergenceMonitor(device, LearningRate.from_float(0.4))
        guard = OvershootGuard(monitor)
        sample = np.full(tiny.graph.inputs[0].type.shape, 20, np.int8)
        device.train_step(sample, 1, monitor.rate)
        before, after = np.zeros(4, np.int32), np.array([0, 5 << 16, 0, 0], np.int32)
        for step in range(1, LOOK_STEPS * LOOKS + 1):
            is_due = guard.is_due(before, 1)
            assert is_due == (step % LOOK_STEPS == 0)
            if is_due:
                guard.look(before, after, 1)
        assert monitor.rate.value == pytest.approx(0.1, rel=1e-3)
        assert [d.step for d in monitor.divergences] == [0]  # steps that the monitor has seen
        assert device.read_state()[12:] == start[12:]
        assert device.read_state()[4:8] == (1).to_bytes(4, "little")  # the counter goes on


def test_it_looks_at_the_first_steps_alone(tiny):
    with open_device(tiny, "host") as device:
        guard = OvershootGuard(DivergenceMonitor(device, LearningRate.from_float(0.4)))
        logits = np.zeros(4, np.int32)
        due = [step for step in range(1, 3 * JUDGED_STEPS) if guard.is_due(logits, 0)]
    assert due == list(range(LOOK_STEPS, JUDGED_STEPS + 1, LOOK_STEPS))
    assert LIMIT > 2  # what default rates come to


def known(share, classes=4):
    """Logits whose first class has such a share of the loss of a network that knows nothing."""
    likely = classes**-share
    return np.array([np.log(likely * (classes - 1) / (1 - likely)) * 2**16, 0, 0, 0]).astype(
        np.int32
    )


@pytest.mark.parametrize(
    ("share", "removed", "goes_back"),
    [(1.0, 2.5, False), (1.0, 3.5, True), (0.4, 9.0, False), (1.2, 0.5, False), (1.3, 0.5, True)],
)
def test_what_a_rate_is_judged_by(tiny, share, removed, goes_back):
    """Steps that overshoot where nothing is learned yet; or a loss that nothing excuses."""
    before = known(share)
    assert share_of_loss(before, 0) == pytest.approx(share, abs=1e-3)
    error = np.exp(before / 2**16)
    error /= error.sum()
    error[0] -= 1
    after = (before - removed * error * 2**16).astype(np.int32)
    with open_device(tiny, "host") as device:
        device.initialize(3)
        monitor = DivergenceMonitor(device, LearningRate.from_float(0.4))
        guard = OvershootGuard(monitor)
        for _ in range(LOOK_STEPS * LOOKS):
            if guard.is_due(before, 0):
                guard.look(before, after, 0)
    assert bool(monitor.divergences) == goes_back


@pytest.mark.parametrize("factor", [10, 50])
def test_a_stream_at_a_rate_far_too_high_learns(tiny, four, factor):
    good = run(tiny, four, 0.02)
    found = run(tiny, four, 0.02 * factor)
    assert good.divergences == []
    assert good.after.accuracy > 0.8
    assert found.divergences
    assert found.after.accuracy >= good.after.accuracy - 0.03


@pytest.mark.parametrize("kept", [0, 5])
def test_every_device_does_the_same(tiny, four, kept):
    few = Dataset("few", Samples(four.train.inputs[:60], four.train.labels[:60]), four.test, "abcd")
    digests = set()
    memory = MemoryOptions.for_program(tiny, per_class=kept) if kept else None
    program = tiny.remembering(memory.samples) if memory is not None else tiny
    for device in ("reference", "host", "unicorn"):
        found = run(program, few, 0.8, device, memory=memory)
        assert found.divergences
        digests.add(found.state_digest)
    assert len(digests) == 1


def test_sorted_samples_say_nothing_of_the_rate(tiny, four):
    """Steps on samples that are alike do much to each other, at any rate."""
    assert run(tiny, four, 0.05, order="sorted").divergences == []


@pytest.mark.parametrize(("removed", "goes_back"), [(2.5, False), (3.5, True)])
def test_first_steps_are_judged_together(tiny, removed, goes_back):
    before = np.zeros(4, np.int32)
    error = np.full(4, 0.25)
    error[1] -= 1
    with open_device(tiny, "host") as device:
        device.initialize(3)
        start = device.read_state()
        monitor = DivergenceMonitor(device, LearningRate.from_float(0.4))
        guard = FirstStepsGuard(monitor)
        device.train_step(np.full(tiny.graph.inputs[0].type.shape, 20, np.int8), 1, monitor.rate)
        learned = device.read_state()
        for step in range(FIRST_STEPS):
            assert guard.is_due
            assert device.read_state() == learned
            # A few that remove nothing do not change the median.
            factor = removed if step % 5 else 0.0
            guard.look(before, (-factor * error * 2**16).astype(np.int32), 1)
        assert guard.is_due == goes_back
        assert bool(monitor.divergences) == goes_back
        assert device.read_state()[12:] == (start if goes_back else learned)[12:]


def test_first_steps_are_judged_anew_once_the_rate_has_changed(tiny):
    before, after = np.zeros(4, np.int32), np.array([-(5 << 16), 0, 0, 0], np.int32)
    with open_device(tiny, "host") as device:
        device.initialize(3)
        monitor = DivergenceMonitor(device, LearningRate.from_float(0.4))
        guard = FirstStepsGuard(monitor)
        for _ in range(FIRST_STEPS - 1):
            guard.look(before, after, 1)
        monitor.overshot()
        for _ in range(FIRST_STEPS):
            guard.look(before, before, 1)
        assert not guard.is_due
        assert len(monitor.divergences) == 1


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_a_stream_with_a_memory_learns_at_rates_far_too_high(tiny, four, order):
    memory = MemoryOptions.for_program(tiny, per_class=20)
    program = tiny.remembering(memory.samples)
    good, *others = (
        run(program, four, 0.02 * factor, order=order, memory=memory) for factor in (1, 10, 50)
    )
    assert good.divergences == []
    assert others[-1].divergences
    for found in others:
        assert found.after.accuracy >= good.after.accuracy - 0.03


@pytest.mark.thorough
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
@pytest.mark.parametrize("scheme", ["mcunet-5fps/99kb", "head"])
def test_mcunet_at_ten_times_its_rate(scheme):
    graph = load_model(str(SHARED / "models/mcunet-5fps.pkl"), 5)
    program = compile_model(graph, load_scheme(scheme, graph), get_target("host"))
    data = SHARED / "data/flowers5_128.npz"
    dataset = load_dataset(data, input_spec(graph), limit=400, test_limit=200)
    rate = default_rate(program)
    good, found = run(program, dataset, rate), run(program, dataset, 10 * rate)
    assert good.divergences == []
    assert found.after.accuracy >= good.after.accuracy - 0.05
