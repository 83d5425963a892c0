"""The learning rate's schedule: integers, the same on every device, close to the real formula."""

import math
import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fake import MODEL_FRAME, interface_sources, model_header
from kilograd.compiler import compile_model
from kilograd.device.host import HostDevice
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.device.qemu import QemuDevice
from kilograd.device.unicorn import UnicornDevice
from kilograd.errors import DataError, DeviceError
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_firmware, build_host_library
from networks import blobs, tiny_graph

LAST = (1 << 32) - 1
PEAK = LearningRate.from_float(0.1)
TOLERANCE = 6.2e-5  # 15 bits, rounded down

# The "sample" is a rate, its schedule and a step; the "logits" are the step's rate.
PROBE_H = model_header(input_bytes=16, classes=2, state_bytes=12)
PROBE_C = """\
#include "kg_schedule.h"

void kg_run_prefix(int training)
{
    struct { kg_learning_rate rate; uint32_t step; } given;
    (void)training;
    memcpy(&given, kg_arena, sizeof given);
    kg_control control = {.step = given.step};
    kg_set_rate(&control, given.rate.mantissa, given.rate.exponent, given.rate.steps);
    const int32_t logits[2] = {control.rate_mantissa, control.rate_exponent};
    memcpy(kg_arena + KG_LOGITS_OFFSET, logits, sizeof logits);
}
"""


def probe_sources(target):
    return interface_sources(
        {"kg_model.h": PROBE_H, "kg_model.c": MODEL_FRAME + PROBE_C}, target.features
    )


def in_c(device, rate, step):
    words = struct.pack("<iiII", rate.mantissa, rate.exponent, rate.steps, step)
    return tuple(device.predict(np.frombuffer(words, np.int8)).tolist())


def real(rate, step):
    """The formula of docs/numerics.md in floating point."""
    warm_up = max(1, rate.steps // 20)
    if step < warm_up:
        return rate.value * (step + 1) / warm_up
    if step >= rate.steps:
        return 0.0
    return rate.value * math.sin(math.pi / 2 * (rate.steps - step) / (rate.steps - warm_up)) ** 2


def value(rate, step):
    return math.ldexp(*rate.at(step))


@st.composite
def positions(draw):
    """A schedule of any length and a step anywhere, mostly near its corners."""
    steps = draw(
        st.integers(1, 50) | st.integers(1, LAST) | st.integers(0, 31).map(lambda n: 1 << n)
    )
    corner = draw(
        st.sampled_from([0, steps // 20, steps // 20 + (steps - steps // 20) // 2, steps])
    )
    near = st.integers(0, 33).flatmap(lambda n: st.integers(-(1 << n), 1 << n))
    step = min(max(corner + draw(near), 0), LAST)
    mantissa = draw(st.integers(1 << 14, (1 << 15) - 1) | st.integers(0, (1 << 15) - 1))
    return LearningRate(mantissa, draw(st.integers(-1100, 1100)), steps), step


@pytest.fixture(scope="module")
def host():
    with HostDevice(build_host_library(probe_sources(get_target("host"))).path) as device:
        device.initialize(0)
        yield device


@given(positions())
@example((LearningRate(32767, 1100, LAST), 0))
@example((LearningRate(32767, -1100, LAST), LAST - 1))
@example((LearningRate(0, 0, 7), 3))
def test_c_is_the_reference(host, position):
    rate, step = position
    assert in_c(host, rate, step) == rate.at(step)


@pytest.mark.parametrize(
    "board", ["unicorn cortex-m7", "unicorn cortex-m4", "unicorn cortex-m0plus", "qemu cortex-m7"]
)
def test_c_is_the_reference_on_cortex_m(board, request):
    kind, name = board.split()
    if kind == "qemu":
        request.getfixturevalue("require_qemu")
    rng = np.random.default_rng(3)
    elf = build_firmware(probe_sources(get_target(name)), get_target(name)).path
    with (QemuDevice if kind == "qemu" else UnicornDevice)(elf, get_target(name)) as device:
        device.initialize(0)
        for steps in (0, 1, 2, 3, 19, 20, 39, 40, 41, 8000, 1 << 31, LAST):
            rate = LearningRate(int(rng.integers(1 << 14, 1 << 15)), -22, steps)
            corners = {0, 1, steps // 20, steps // 2, steps - 1, steps, LAST}
            anywhere = rng.integers(0, max(steps, 1), 20, np.uint64).tolist()
            for step in {*corners, *anywhere} - {-1}:
                assert in_c(device, rate, step) == rate.at(step), (steps, step)


@given(positions())
def test_close_to_the_formula(position):
    rate, step = position
    rate = LearningRate(rate.mantissa, max(-900, min(900, rate.exponent)), rate.steps)
    exact = real(rate, step)
    assert value(rate, step) <= exact * (1 + 1e-6)
    assert value(rate, step) >= exact * (1 - TOLERANCE)


@given(positions())
def test_fifteen_bits_and_no_more(position):
    mantissa, exponent = position[0].at(position[1])
    assert 0 <= mantissa < 1 << 15
    assert -1200 <= exponent <= 1100


@given(positions())
def test_neighbours_rise_then_fall(position):
    rate, step = position
    rate = LearningRate(rate.mantissa, -20, max(rate.steps, 1))
    step = min(step, LAST - 1)
    here, there = value(rate, step), value(rate, step + 1)
    if step + 1 < max(1, rate.steps // 20):
        assert here <= there
    else:
        assert here >= there


@pytest.mark.parametrize("steps", [*range(1, 45), 100, 999, 8000])
def test_rises_then_falls_to_nothing(steps):
    rate = LearningRate(PEAK.mantissa, PEAK.exponent, steps)
    rates = [value(rate, step) for step in range(steps + 3)]
    warm_up = max(1, steps // 20)
    assert rates[:warm_up] == sorted(rates[:warm_up])
    assert rates[warm_up - 1] == PEAK.value == max(rates)
    assert rates[warm_up - 1 :] == sorted(rates[warm_up - 1 :], reverse=True)
    assert rates[steps - 1] > 0
    assert rates[steps:] == [0, 0, 0]


def test_a_quarter_and_a_half_of_the_way():
    rate = LearningRate(16384, 0, 2000)  # 100 steps of warm-up, 1,900 of the fall
    assert value(rate, 0) == pytest.approx(16384 / 100, rel=TOLERANCE)
    assert value(rate, 49) == 16384 / 2
    assert value(rate, 575) == pytest.approx(16384 * math.cos(math.pi / 8) ** 2, rel=TOLERANCE)
    assert value(rate, 1050) == pytest.approx(16384 / 2, rel=TOLERANCE)
    assert value(rate, 1999) == pytest.approx(16384 * (math.pi / 3800) ** 2, rel=1e-4)


@pytest.mark.parametrize(
    ("steps", "rates"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (3, [1, 1, 0.5]), (0, [1, 1, 1])]
)
def test_shortest_runs(steps, rates):
    rate = LearningRate(16384, -14, steps)
    assert [value(rate, step) for step in range(3)] == pytest.approx(rates, rel=TOLERANCE)


def test_longest_run():
    rate = LearningRate(32767, -20, LAST)
    assert value(rate, LAST) == 0
    assert value(rate, 0) == pytest.approx(rate.value / (LAST // 20), rel=TOLERANCE)
    assert value(rate, LAST - 1) == pytest.approx(real(rate, LAST - 1), rel=TOLERANCE)
    assert 0 < value(rate, LAST - 1) < rate.value * 2**-60


def test_a_constant_rate_is_handed_through():
    rate = LearningRate(5, 7)
    assert [rate.at(step) for step in (0, 9, LAST)] == [(5, 7)] * 3


@pytest.mark.parametrize("steps", [-1, LAST + 1])
def test_steps_that_are_no_uint32(steps):
    with pytest.raises(DataError) as caught:
        LearningRate.from_float(0.1, steps)
    assert f"a schedule has 0 to 4294967295 steps, not {steps}" in str(caught.value)
    assert "hint: 0 is a constant rate" in str(caught.value)


# -- on a network


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    graph = tiny_graph(tmp_path_factory.mktemp("model"), classes=2)
    return compile_model(graph, load_scheme("last:3", graph), get_target("cortex-m7"))


@pytest.fixture(scope="module")
def samples(program):
    return list(zip(*blobs(program.graph, 12), strict=True))


@pytest.mark.parametrize("name", ["reference", "host", "unicorn"])
def test_a_step_takes_the_rate_of_its_place_in_the_schedule(program, samples, name):
    rate = LearningRate.from_float(0.05, 40)
    with open_device(program, name) as scheduled, open_device(program, name) as told:
        for step, (sample, label) in enumerate(samples):
            scheduled.train_step(sample, int(label), rate)
            told.train_step(sample, int(label), LearningRate(*rate.at(step)))
            assert scheduled.read_state() == told.read_state()


@pytest.mark.parametrize("name", ["reference", "host", "unicorn"])
def test_a_restored_state_goes_on_where_it_was(program, samples, name):
    rate = LearningRate.from_float(0.05, 12)
    with open_device(program, name) as device, open_device(program, name) as other:
        for sample, label in samples[:7]:
            device.train_step(sample, int(label), rate)
        other.initialize(77)
        other.write_state(device.read_state())
        for sample, label in samples[7:]:
            device.train_step(sample, int(label), rate)
            other.train_step(sample, int(label), rate)
        assert other.read_state() == device.read_state()


def test_nothing_is_learned_after_the_end(program, samples):
    rate = LearningRate.from_float(0.05, 6)
    weights = [s for s in program.graph.states if s.type.quantization is not None]
    spans = [slice(program.plan.states[s.name], program.plan.states[s.name] + s.type.nbytes)
             for s in weights]  # fmt: skip
    with open_device(program, "host") as device:
        seen = [device.read_state()]
        for sample, label in samples:
            device.train_step(sample, int(label), rate)
            seen.append(device.read_state())
    changed = [any(a[s] != b[s] for s in spans) for a, b in pairwise(seen)]
    assert all(changed[:3])
    assert not any(changed[6:])


def test_firmware_refuses_what_is_no_rate(program, samples):
    """A host of another version may send anything."""
    sample, _ = samples[0]
    with open_device(program, "unicorn") as device:
        for mantissa, exponent in ((-1, 0), (32768, 0), (1, 1101), (1, -1101), (1, -(1 << 31))):
            words = struct.pack("<iiiI", 0, mantissa, exponent, 0)
            with pytest.raises(DeviceError, match="the rate is out of range"):
                device.exchange(4, words + sample.tobytes())
        assert device.predict(sample).shape == (2,)
