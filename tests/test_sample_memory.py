"""Samples that are learned from again: what is kept and drawn, by every device alike."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from applications import needs, run
from kilograd.codegen.sources import RUNTIME, kernel_sources, read_c
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.device.sample_memory import MemoryDevice, SampleMemory
from kilograd.errors import DataError, DeviceError, UserError
from kilograd.frontend.open import load_model
from kilograd.measuring.equivalence import verify_devices
from kilograd.measuring.firmware import measure
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.stream import MemoryOptions
from networks import tiny_graph

RATE = LearningRate.from_float(0.01)
SHARED = Path(__file__).parents[2] / "shared"


def tiny_program(folder, scheme="last:3", target="cortex-m7", **options):
    graph = tiny_graph(folder)
    return compile_model(graph, load_scheme(scheme, graph), get_target(target), **options)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return tiny_program(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def host(program):
    with open_device(program, "host") as device:
        yield device


def samples_of(program, count, seed=0):
    generator = np.random.Generator(np.random.PCG64(seed))
    shape = (count, *program.graph.inputs[0].type.shape)
    return generator.integers(-128, 128, shape).astype(np.int8)


def digest_of_stream(device, samples, labels, room, per_class, seed, forgotten):
    """Of all that keeping, stepping, drawing and forgetting come to."""
    hasher = hashlib.sha256()
    device.initialize(seed)
    device.begin_memory(room, per_class)
    for position, (sample, label) in enumerate(zip(samples, labels, strict=True)):
        if position % 3 == 1:
            hasher.update(device.memory_keep(sample, label).tobytes())
        else:
            hasher.update(device.memory_step(sample, label, RATE).tobytes())
        hasher.update(repr(device.memory_replay(RATE, position)).encode())
        if position == len(labels) // 2:
            device.memory_forget(forgotten)
        hasher.update(repr(device.memory_counts()).encode() + device.read_state())
    return hasher.hexdigest()


@settings(deadline=None, max_examples=25)
@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=24),
    room=st.integers(1, 12),
    per_class=st.integers(0, 4),
    seed=st.integers(0, 2**32 - 1),
    forgotten=st.integers(0, 3),
)
def test_c_does_what_the_reference_defines(program, host, labels, room, per_class, seed, forgotten):
    samples = samples_of(program, len(labels), seed)
    with open_device(program, "reference") as reference:
        arguments = (samples, labels, room, per_class, seed, forgotten)
        assert digest_of_stream(host, *arguments) == digest_of_stream(reference, *arguments)


@pytest.mark.parametrize("row_input", [False, True])
def test_all_devices_have_the_same_bits(tmp_path, row_input):
    program = tiny_program(tmp_path, row_input=row_input).remembering(5)
    devices = ("reference", "host", "unicorn", "qemu", "riscv32")
    found = verify_devices(program, devices, steps=12, seed=3)
    assert found.identical
    assert (
        found.digest != verify_devices(tiny_program(tmp_path), ("host",), steps=12, seed=3).digest
    )


def numbers_kept(memory):
    return [one.number for one in memory._kept]


def test_every_sample_of_a_class_is_as_likely_to_be_kept():
    kept = Counter()
    for seed in range(2000):
        memory = SampleMemory(20, 4, 2)
        for _ in range(16):
            memory.offer(np.zeros(1, np.int8), 0, seed)
        kept.update(numbers_kept(memory))
    # 4 of 16 each time: 500 of each, with a standard deviation of 19.4.
    assert sum(kept.values()) == 8000
    assert max(abs(kept[number] - 500) for number in range(16)) < 4 * 19.4


def test_room_is_shared_evenly_however_many_came():
    memory = SampleMemory(12, 0, 4)
    for label, count in ((0, 300), (1, 20), (2, 500), (3, 3)):
        for _ in range(count):
            memory.offer(np.zeros(1, np.int8), label, 7)
    assert memory.counts() == (3, 3, 3, 3)
    for _ in range(200):  # more of one that is there takes nothing from the others
        memory.offer(np.zeros(1, np.int8), 2, 7)
    assert memory.counts() == (3, 3, 3, 3)


def test_every_class_is_drawn_as_often():
    memory = SampleMemory(40, 0, 3)
    for label, count in ((0, 30), (1, 5), (2, 5)):
        for _ in range(count):
            memory.offer(np.zeros(1, np.int8), label, 1)
    drawn = Counter(memory.draw(1, step, 3).label for step in range(3000))
    assert max(abs(drawn[label] - 1000) for label in range(3)) < 4 * 25.8
    assert {memory.draw(1, step, 2).label for step in range(50)} == {0, 1}  # only active classes


def test_one_class_alone_teaches_nothing(program, host):
    host.initialize(1)
    host.begin_memory(8)
    before = host.read_state()
    for sample in samples_of(program, 30):
        host.memory_step(sample, 2, RATE)
        assert host.memory_replay(RATE, 0) is None
    assert host.read_state() == before
    host.memory_step(samples_of(program, 1)[0], 1, RATE)  # now there are two
    assert host.read_state() != before
    assert host.memory_replay(RATE, 0) in (1, 2)


def test_the_same_sample_a_thousand_times_and_labels_that_never_repeat(program, host):
    host.initialize(1)
    host.begin_memory(3)
    sample = samples_of(program, 1)[0]
    for position in range(1000):
        host.memory_step(sample, position % 2, RATE)
    assert host.memory_counts() in ((2, 1, 0, 0), (1, 2, 0, 0))
    for label in range(4):
        host.memory_keep(sample, label)
    assert sum(host.memory_counts()) == 3


def test_a_class_that_is_forgotten_is_drawn_no_more_and_may_come_back(program, host):
    host.initialize(1)
    host.begin_memory(9)
    for position, sample in enumerate(samples_of(program, 30)):
        host.memory_step(sample, position % 3, RATE)
    host.memory_forget(1)
    assert host.memory_counts() == (3, 0, 3, 0)
    assert {host.memory_replay(RATE, step) for step in range(30)} == {0, 2}
    for sample in samples_of(program, 3, seed=1):
        host.memory_step(sample, 1, RATE)
    assert host.memory_counts() == (3, 3, 3, 0)


def test_a_replayed_step_is_a_step_from_the_sample(program, host):
    """The rate is that of a step of a run, whatever the state's own counter says."""
    samples = samples_of(program, 2)
    rate = LearningRate.from_float(0.02, 40)
    host.initialize(5)
    host.begin_memory(2)
    host.memory_keep(samples[0], 0)
    host.memory_keep(samples[1], 1)
    drawn = host.memory_replay(rate, 30)
    learned = host.read_state()
    host.initialize(5)
    host.train_step(samples[drawn], drawn, LearningRate(*rate.at(30)))
    assert host.read_state() == learned


def test_python_and_c_agree_on_what_a_sample_takes(program, host):
    host_program = program.for_target(get_target("host"))
    assert host._constant("kg_memory_sample_bytes") == host_program.memory_sample_bytes


def test_it_is_measured_whole(program):
    without, room = measure(program), 6
    found = measure(program.remembering(room))
    assert without.memory is None
    assert found.memory.samples == room
    assert found.memory.bytes == room * program.memory_sample_bytes
    assert found.data_bss - without.data_bss >= found.memory.bytes
    assert 0 < found.memory.instructions_replay < found.instructions_train_step
    sizes = [choice.map_bytes for choice in found.memory.later]
    assert sizes == sorted(sizes, reverse=True)
    assert found.memory.later[-1].layer == "head"


def test_a_memory_needs_room(program):
    each = program.memory_sample_bytes
    with pytest.raises(DataError, match=f"{2 * each - 1:,} bytes hold 1 of these samples"):
        MemoryOptions.for_program(program, room_bytes=2 * each - 1)
    assert MemoryOptions.for_program(program, room_bytes=2 * each).samples == 2
    assert MemoryOptions.for_program(program, per_class=3).samples == 12
    assert MemoryOptions.for_program(program, per_class=3, room_bytes=5 * each).samples == 5
    with pytest.raises(UserError, match="and has room for none"):
        program.remembering(0)
    with pytest.raises(DataError, match="room for at least 1 sample, not 0"):
        SampleMemory(0, 0, 2)


@pytest.mark.parametrize("name", ["reference", "host", "unicorn"])
def test_calls_before_it_begins_are_refused(program, name):
    with open_device(program.remembering(3), name) as device:
        assert isinstance(device, MemoryDevice)
        with pytest.raises(DeviceError, match="no memory of samples has begun"):
            device.memory_counts()
        with pytest.raises(DataError, match="room for at least 1 sample"):
            device.begin_memory(0)
        device.begin_memory(3)
        with pytest.raises(DataError, match="label 4 is no class"):
            device.memory_keep(samples_of(program, 1)[0], 4)


def test_a_firmware_without_room_says_so(program):
    for built, samples, why in (
        (program, 3, "has no room for a memory of samples"),
        (program.remembering(3), 4, "there is no room for so much"),
    ):
        with open_device(built, "unicorn") as device, pytest.raises(DeviceError, match=why):
            device.begin_memory(samples)


def test_samples_are_not_kept_where_their_rows_are_learned_from(tmp_path):
    graph = tiny_graph(tmp_path)
    scheme = tmp_path / "stem.toml"
    scheme.write_text('[bias]\nlayers = ["head", "stem"]\n[weights]\nhead = 1.0\n')
    program = compile_model(
        graph, load_scheme(str(scheme), graph), get_target("cortex-m7"), row_input=True
    )
    with pytest.raises(UserError, match="training changes what runs while their rows arrive"):
        program.remembering(4)


@needs("arm-none-eabi-gcc")
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7"])
def test_its_code_is_small(program, tmp_path, core):
    target = get_target("portable")
    sources = dict(program.for_target(target).sources)
    names = ("kg_memory.c", "kg_memory_ram.c", "kg_memory_flash.c")
    sources |= {name: read_c(RUNTIME / name) for name in names}
    sources |= kernel_sources(sources, (), target.features)
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Werror"]
    compiler = ["arm-none-eabi-gcc", f"-mcpu={core}", "-mthumb", "-Os", "-std=c99", *flags]
    run([*compiler, "-c", *names], tmp_path)
    objects = [name.replace(".c", ".o") for name in names]
    shown = run(["arm-none-eabi-size", *objects], tmp_path).stdout
    code = {line.split()[-1]: int(line.split()[0]) for line in shown.splitlines()[1:]}
    assert code["kg_memory.o"] <= 1536
    assert code["kg_memory_ram.o"] <= 320
    assert code["kg_memory_flash.o"] <= 1800


@pytest.mark.thorough
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_a_replayed_step_of_mcunet_costs_what_its_last_layers_cost():
    graph = load_model(str(SHARED / "models/mcunet-5fps.pkl"), 10)
    for scheme, most in (("mcunet-5fps/99kb", 0.62), ("head", 0.06)):
        program = compile_model(graph, load_scheme(scheme, graph), get_target("cortex-m7"))
        found = measure(program.remembering(4))
        assert found.memory.instructions_replay <= most * found.instructions_train_step
