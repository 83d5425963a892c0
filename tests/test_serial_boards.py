"""A network on emulated boards that learns through their UARTs, also behind a bad line."""

import logging
import socket
import time

import numpy as np
import pytest

from applications import needs
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.device.serial import SerialDevice
from kilograd.device.serial_link import Patience
from kilograd.device.serial_port import SerialAddress
from kilograd.errors import DeviceError
from kilograd.frontend.native import load_native
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import native_model
from serial_line.boards import MACHINES, Firmwares, emulated
from serial_line.wires import FaultyWire

needs_arm = needs("arm-none-eabi-gcc", "qemu-system-arm")
needs_riscv = needs("riscv64-unknown-elf-gcc", "qemu-system-riscv32")
ON_BOARDS = [
    pytest.param(name, marks=needs_riscv if name == "RISC-V" else needs_arm) for name in MACHINES
]
RATE = LearningRate.from_float(0.01)
IMPATIENT = Patience(retry_seconds=0.04, answer_seconds=20.0, work_seconds=30.0)
STEPS = 200


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def program(model):
    graph = load_native(model)
    return compile_model(graph, load_scheme("last:3", graph), get_target("portable"))


@pytest.fixture(scope="module")
def firmware(program, tmp_path_factory):
    return Firmwares(program, tmp_path_factory.mktemp).of


def learn(device, steps):
    device.initialize(6)
    rng = np.random.default_rng(2)
    logits = []
    for step in range(steps):
        sample = rng.integers(-128, 128, (16, 16, 3)).astype(np.int8)
        logits.append(device.train_step(sample, step % 4, RATE).tolist())
    return logits, device.read_state()


@pytest.mark.parametrize("name", ON_BOARDS)
def test_a_board_learns_what_the_host_does(program, firmware, name):
    with (
        emulated(name, firmware(name)) as (port, process),
        open_device(program, f"serial:{port}") as board,
        open_device(program, "host") as host,
    ):
        assert learn(board, 5) == learn(host, 5)
        assert 0 < board.seconds_last_call() < 60
        board.save()
        state = board.read_state()
        board.self_test()
        board.initialize(1)
        board.load()
        assert board.read_state() == state
        process.kill()
        process.wait()
        with pytest.raises(DeviceError, match=r"the board is gone|no answer within"):
            learn(board, 1)


def behind_a_bad_line(program, elf, name, steps, share):
    """Trains at a TCP port of the emulator: how often what went wrong."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    with emulated(name, elf, f"tcp:127.0.0.1:{number},server=on,wait=off"):
        address = SerialAddress.parse(f"serial:tcp://127.0.0.1:{number}")
        wire = FaultyWire(connected(address), 5, share)
        with SerialDevice(wire, program, patience=IMPATIENT) as board:
            began = time.monotonic()
            with open_device(program, "host") as host:
                assert learn(board, steps) == learn(host, steps)
            assert board.counters().training.steps == steps
            seconds = time.monotonic() - began
    faults = sum(wire.counts.values())
    logging.getLogger(__name__).info("%s: %d faults, %.1f s", name, faults, seconds)
    return faults


def connected(address):
    """The emulator takes a moment to listen."""
    for _ in range(50):
        try:
            return address.open()
        except DeviceError:
            time.sleep(0.1)
    return address.open()


@pytest.mark.parametrize("name", ON_BOARDS)
def test_some_steps_over_a_bad_line(program, firmware, name):
    assert behind_a_bad_line(program, firmware(name), name, 8, 0.1) > 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_BOARDS)
def test_200_steps_over_a_bad_line(program, firmware, name):
    assert behind_a_bad_line(program, firmware(name), name, STEPS, 0.1) > 200


@needs_arm
def test_the_command_line_verifies_a_board(kilograd, model, firmware):
    with emulated("M4F", firmware("M4F")) as (port, _):
        result = kilograd(
            *("verify", model, "--scheme", "last:3", "--keep-head", "--steps", 3, "--json"),
            *("--devices", f"host,serial:{port}@115200"),
        ).json
    assert result["identical"]
