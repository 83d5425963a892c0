"""A memory of samples on a board at a serial line: what it keeps and draws is that of the host."""

import hashlib

import numpy as np
import pytest

from applications import needs
from kilograd import export_c
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.sample_memory import MemoryDevice
from kilograd.device.serial_frames import Kind
from kilograd.errors import DataError, DeviceError
from kilograd.frontend.open import load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.state_file import read_state_file
from networks import blobs, native_model, tiny_graph
from serial_line.boards import compile_board, emulated
from serial_line.cases import CLASSES, RATE, make_case, repeat_sessions
from serial_line.wires import PATIENT, Board, Clock, FaultyWire, connect

ROOM = 8  # of computer.c
DATA_BYTES = {Kind.MEMORY_BEGIN: 4, Kind.MEMORY_STEP: 12, Kind.MEMORY_REPLAY: 12}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return make_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(autouse=True)
def repeatable(monkeypatch):
    repeat_sessions(monkeypatch)


def digest(device, lessons, steps):
    """Of all that keeping, stepping, drawing, counting and forgetting come to."""
    hasher = hashlib.sha256()
    device.initialize(4)
    device.begin_memory(ROOM, 3)
    for step, (sample, label) in enumerate(zip(*(part[:steps] for part in lessons), strict=True)):
        if step % 4 == 1:
            logits = device.memory_keep(sample, label)
        else:
            logits = device.memory_step(sample, label, RATE)
        drawn = device.memory_replay(RATE, step)
        hasher.update(repr((logits.tolist(), drawn, device.memory_counts())).encode())
        if step == steps // 2:
            device.memory_forget(label)
        hasher.update(device.read_state())
    return hasher.hexdigest()


@pytest.fixture(scope="module")
def wanted(case):
    with open_device(case.programs[False], "host") as host:
        return digest(host, case.lessons, 20)


@pytest.mark.parametrize("rows", [False, True], ids=["held", "rows"])
def test_it_keeps_and_draws_what_the_host_does(case, wanted, rows):
    clock = Clock()
    board = Board(case.libraries[rows], clock)
    with connect(case.programs[rows], board, clock) as device:
        assert isinstance(device, MemoryDevice)
        assert device.keeps_samples
        assert digest(device, case.lessons, 20) == wanted
        assert len(device.memory_counts()) == CLASSES  # more than an answer holds


def test_a_bad_line_changes_nothing(case, wanted):
    clock = Clock()
    wire = FaultyWire(Board(case.libraries[False], clock), 6)
    with connect(case.programs[False], wire, clock, PATIENT) as device:
        assert digest(device, case.lessons, 20) == wanted
    assert sum(wire.counts.values()) > 200


def test_what_a_memory_refuses(case):
    clock = Clock()
    sample = case.lessons[0][0]
    board = Board(case.libraries[False], clock)
    with connect(case.programs[False], board, clock) as device:
        device.initialize(0)
        with pytest.raises(DeviceError, match="no memory of samples has begun"):
            device.memory_counts()
        with pytest.raises(DeviceError, match="MEMORY_BEGIN: there is no room for so much"):
            device.begin_memory(ROOM + 1)
        device._give(Kind.SAMPLE, sample.tobytes())
        with pytest.raises(DeviceError, match="MEMORY_KEEP: the network is not initialized"):
            device._ask(Kind.MEMORY_KEEP, 1)  # the C's own word for a memory that has not begun
        device.begin_memory(ROOM)
        device._ask(Kind.MEMORY_KEEP, 1)
        assert device.memory_replay(RATE, 0) is None
        with pytest.raises(DataError, match="label 70 is no class"):
            device.memory_step(sample, CLASSES, RATE)
        with pytest.raises(DeviceError, match="MEMORY_KEEP: there is no whole sample"):
            device._ask(Kind.MEMORY_KEEP, 1)
        with pytest.raises(DeviceError, match="MEMORY_STEP: the payload has the wrong length"):
            device._ask(Kind.MEMORY_STEP, 1)
        with pytest.raises(DeviceError, match="MEMORY_FORGET: the label is no class"):
            device._ask(Kind.MEMORY_FORGET, CLASSES)


def test_a_firmware_without_room(case):
    clock = Clock()
    board = Board(case.libraries[False], clock, is_bare=True)
    with connect(case.programs[False], board, clock) as device:
        with pytest.raises(DeviceError, match="the firmware keeps no samples"):
            device.begin_memory(2)
        for kind in (kind for kind in Kind if kind.name.startswith("MEMORY")):
            data = bytes(DATA_BYTES.get(kind, 0))
            with pytest.raises(DeviceError, match=f"{kind.name}: unknown command"):
                device._ask(kind, 0, data)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    inputs, labels = blobs(tiny_graph(folder, fresh_classes=3), 45, classes=3)
    split = (np.arange(45) % 5 == 4).astype(np.int8)
    names = np.array(["red", "green", "blue"])
    np.savez(folder / "b.npz", inputs=inputs, labels=labels, split=split, class_names=names)
    return folder / "b.npz"


@pytest.mark.thorough
@needs("arm-none-eabi-gcc", "qemu-system-arm")
def test_the_command_line_trains_and_verifies_with_a_memory(kilograd, pack, tmp_path):
    model = native_model().write(tmp_path / "tiny.npz")
    graph = load_model(str(model), 3)
    program = compile_model(graph, load_scheme("last:3", graph), get_target("portable"))
    export_c(program, tmp_path / "c")
    elf = compile_board("M4F", tmp_path / "c", tmp_path)
    with emulated("M4F", elf) as (port, _):
        verified = kilograd(
            *("verify", model, "--scheme", "last:3", "--classes", 3, "--memory", "4KB"),
            *("--steps", 4, "--json", "--devices", f"host,serial:{port}"),
        ).json
        assert verified["identical"]
        found = {}
        for device in ("host", f"serial:{port}"):
            state = tmp_path / f"{len(found)}.kgs"
            result = kilograd(
                *("train", model, "--data", pack, "--scheme", "last:3", "--stream", "--json"),
                *("--order", "sorted", "--memory", "3/class", "--consolidate", 3, "--limit", 9),
                *("--device", device, "--save", state, "--lr", 0.01),
            ).json
            found[device] = result["stream"]["memory"], read_state_file(state).state
    first, second = found.values()
    assert first == second
    assert first[0]["counts"] == [3, 3, 3]
    assert first[0]["consolidation"] == 3
