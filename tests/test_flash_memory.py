"""Samples that are kept in flash: as in RAM, and through losses of power."""

import ctypes
from collections import Counter

import numpy as np
import pytest

from flash_in_memory import Network, _Rate
from kilograd.codegen.sources import RUNTIME, kernel_sources, read_c
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_host_library
from networks import tiny_graph
from torn_flash import TornFlash

OK, NOT_INITIALIZED, SAMPLE, LABEL, MODEL = 0, -1, -2, -3, -6
FLASH, SPACE, PAGES = -9, -11, -12
RATE = _Rate(20972, -21, 0)
CLASSES = 4


class MemoryNetwork(Network):
    """A network's C in this process, with samples kept in flash."""

    def __init__(self, program):
        names = {"kg_memory_flash.c": read_c(RUNTIME / "kg_memory_flash.c")}
        sources = {**program.sources, **names}
        sources |= kernel_sources(sources, (), program.target.features)
        self._c = ctypes.CDLL(str(build_host_library(sources, extra_flags=("-O1",)).path))
        self._c.kg_state.restype = ctypes.c_void_p
        self._c.kg_input.restype = ctypes.c_void_p
        self._c.kg_memory_count.restype = ctypes.c_uint32
        self._c.kg_memory_capacity.restype = ctypes.c_uint32
        self._c.kg_memory_step.argtypes = (ctypes.c_int32, _Rate)
        self._c.kg_memory_learn.argtypes = (ctypes.c_int32, _Rate)
        self._c.kg_memory_replay.argtypes = (_Rate, ctypes.c_uint32)
        self._c.kg_consolidate.argtypes = (ctypes.c_uint32, _Rate)
        self.state_bytes = program.plan.state_bytes
        self.input_bytes = program.graph.inputs[0].type.nbytes
        self.sample_bytes = program.memory_sample_bytes

    def in_flash(self, flash, per_class=0):
        self._flash = flash  # the C reads its description again and again
        return self._c.kg_memory_in_flash(ctypes.byref(flash.described), per_class)

    def erase(self, flash):
        return self._c.kg_memory_erase(ctypes.byref(flash.described))

    def give(self, sample):
        ctypes.memmove(self._c.kg_input(), sample.tobytes(), self.input_bytes)

    def step(self, sample, label):
        self.give(sample)
        return self._c.kg_memory_step(label, RATE)

    def learn_in_stream(self, sample, label):
        self.give(sample)
        return self._c.kg_memory_learn(label, RATE)

    def keep(self, sample, label):
        self.give(sample)
        return self._c.kg_memory_keep(label)

    def replay(self, at=0):
        return self._c.kg_memory_replay(RATE, at)

    def consolidate(self, steps):
        return self._c.kg_consolidate(steps, RATE)

    def forget_class(self, label):
        return self._c.kg_memory_forget(label)

    @property
    def capacity(self):
        return self._c.kg_memory_capacity()

    @property
    def counts(self):
        return tuple(self._c.kg_memory_count(label) for label in range(CLASSES))


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def program(graph):
    return compile_model(graph, load_scheme("last:3", graph), get_target("host"))


@pytest.fixture(scope="module")
def network(program):
    return MemoryNetwork(program)


@pytest.fixture(scope="module")
def samples(program):
    generator = np.random.Generator(np.random.PCG64(0))
    return generator.integers(-128, 128, (60, *program.graph.inputs[0].type.shape)).astype(np.int8)


def slot(network, granule):
    """Bytes of flash that a sample takes: header, boundary and mark, each in granules."""
    boundary = network.sample_bytes - 12
    padded = [-(-size // granule) * granule for size in (12, boundary)]
    return sum(padded) + granule


#: Granule, samples in a page (0: a sample takes two pages), pages.
GEOMETRIES = [(1, 3, 3), (4, 2, 5), (8, 0, 8), (16, 5, 2), (256, 1, 4), (2, 4, 4)]


def flash_of(network, granule, in_page, pages):
    size = slot(network, granule)
    if in_page:
        page = in_page * size + (size // 2 // granule) * granule
    else:
        page = -(-size // 2 // granule) * granule
    return TornFlash(page * pages, page, granule)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_flash_gives_the_bits_of_ram(network, program, samples, geometry):
    """However samples are moved about, and whatever is erased, the same ones are kept and drawn."""
    flash = flash_of(network, *geometry)
    network.initialize(5)
    assert network.in_flash(flash) == OK
    capacity = network.capacity
    rate = LearningRate(RATE.mantissa, RATE.exponent)
    drawn = []
    with open_device(program, "host") as ram:
        ram.initialize(5)
        ram.begin_memory(capacity)
        for position, sample in enumerate(samples):
            label = position * 7 // 20 % CLASSES
            assert network.step(sample, label) >= 0
            ram.memory_step(sample, label, rate)
            if position == 40:
                assert network.forget_class(1) == OK
                ram.memory_forget(1)
            expected = ram.memory_replay(rate, 0)
            assert network.replay() == (SAMPLE if expected is None else expected)
            drawn.append(expected)
            assert network.counts == ram.memory_counts()
        assert network.state == ram.read_state()
    assert len(set(drawn) - {None}) > 1
    assert flash.mistakes == []


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_what_was_kept_is_there_after_a_restart(network, samples, geometry):
    flash = flash_of(network, *geometry)
    network.initialize(5)
    assert network.in_flash(flash) == OK
    for position, sample in enumerate(samples[:30]):
        network.step(sample, position % 3)
    counts, contents = network.counts, bytes(flash.contents)
    network.initialize(5)
    assert network.in_flash(flash) == OK
    assert network.counts == counts
    assert bytes(flash.contents) == contents
    assert network.replay() in range(3)
    assert flash.mistakes == []


def cut_everywhere(network, samples, geometry, stride):
    """Cuts power in operations of the flash, restarts, and goes on: how many cuts there were."""
    cuts = 0
    cut_at = 0
    while True:
        flash = flash_of(network, *geometry)
        network.initialize(5)
        assert network.in_flash(flash) == OK
        for position, sample in enumerate(samples[:16]):
            network.keep(sample, position % 2)
        before = Counter(dict(enumerate(network.counts)))
        flash.power_on(cut_at, seed=cut_at)
        for position, sample in enumerate(samples[16:26]):
            before = Counter(dict(enumerate(network.counts)))
            if network.keep(sample, position % 3) == FLASH:
                break
        if not flash.was_cut:
            return cuts
        cuts += 1
        again = cut_at % 7  # power fails during the restart, too
        flash.power_on(again, seed=again)
        network.initialize(5)
        network.in_flash(flash)
        flash.power_on()
        network.initialize(5)
        assert network.in_flash(flash) == OK, (geometry, cut_at)
        after = Counter(dict(enumerate(network.counts)))
        # One sample may be lost that was being replaced, and one that was being kept.
        assert (before - after).total() <= 1, (geometry, cut_at, before, after)
        assert (after - before).total() <= 1, (geometry, cut_at, before, after)
        for position, sample in enumerate(samples[26:40]):
            assert network.step(sample, position % 3) >= 0
            assert network.replay() >= 0
        assert sum(network.counts) <= network.capacity
        assert flash.mistakes == [], (geometry, cut_at, flash.mistakes[:3])
        cut_at += stride


def stride_of(network, geometry, cuts_a_sample):
    """So many cuts while one sample is programmed, or one in each granule."""
    return max(1, slot(network, geometry[0]) // geometry[0] // cuts_a_sample)


@pytest.mark.thorough
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_loss_of_power_costs_the_last_sample_alone(network, samples, geometry):
    assert cut_everywhere(network, samples, geometry, stride_of(network, geometry, 4)) >= 8


@pytest.mark.slow
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_loss_of_power_anywhere_costs_the_last_sample_alone(network, samples, geometry):
    assert cut_everywhere(network, samples, geometry, stride_of(network, geometry, 40)) >= 20


@pytest.mark.parametrize(
    ("pages", "page", "granule", "status"),
    [
        (4, 1024, 3, PAGES),
        (4, 1024, 0, PAGES),
        (4, 1024, 512, PAGES),
        (4, 1020, 8, PAGES),
        (1, 65536, 4, SPACE),  # several samples, and no second page to copy them into
        (1, 64, 4, SPACE),
        (0, 1024, 4, SPACE),
    ],
)
def test_sizes_that_will_not_do(network, pages, page, granule, status):
    flash = TornFlash(pages * page, page, granule)
    network.initialize(1)
    assert network.in_flash(flash) == status


def test_what_belongs_to_somebody_else_is_not_touched(network, graph, samples):
    flash = flash_of(network, 4, 3, 3)
    other = MemoryNetwork(compile_model(graph, load_scheme("head", graph), get_target("host")))
    other.initialize(1)
    assert other.in_flash(flash) == OK
    for position, sample in enumerate(samples[:6]):
        other.keep(sample, position % 2)
    contents = bytes(flash.contents)
    network.initialize(1)
    assert network.in_flash(flash) == MODEL
    assert bytes(flash.contents) == contents
    assert network.capacity == 0  # nor is the memory there any more that was before
    assert network.keep(samples[0], 1) == network.replay() == NOT_INITIALIZED
    flash.contents[:] = b"somebody's" * (len(flash.contents) // 10 + 1)
    del flash.contents[flash.described.bytes :]
    assert network.in_flash(flash) == MODEL
    assert network.erase(flash) == OK
    assert network.in_flash(flash) == OK
    assert network.counts == (0, 0, 0, 0)


def test_a_sample_that_changed_is_dropped_and_the_run_goes_on(network, samples):
    flash = flash_of(network, 4, 4, 3)
    network.initialize(1)
    assert network.in_flash(flash) == OK
    for position, sample in enumerate(samples[:4]):
        network.keep(sample, position % 2)
    flash.contents[20] ^= 1  # a bit of the first sample
    assert network.consolidate(40) == OK
    assert sum(network.counts) == 3
    network.initialize(1)
    assert network.in_flash(flash) == OK
    assert sum(network.counts) == 3


def test_a_flash_that_fails_is_reported(network, samples):
    flash = flash_of(network, 4, 4, 3)
    network.initialize(1)
    assert network.in_flash(flash) == OK
    flash.power_on(cut_at=3)
    assert network.keep(samples[0], 1) == FLASH
    assert network.counts == (0, 0, 0, 0)
    assert network.keep(samples[0], 9) == LABEL


def test_learning_in_a_stream_is_a_step_and_a_replay(network, samples):
    states = []
    for is_one_call in (True, False):
        flash = flash_of(network, 4, 4, 3)
        network.initialize(1)
        assert network.in_flash(flash) == OK
        for position, sample in enumerate(samples[:12]):
            if is_one_call:
                network.learn_in_stream(sample, position % 2)
            else:
                network.step(sample, position % 2)
                network.replay()
        states.append(network.state)
    assert states[0] == states[1]
