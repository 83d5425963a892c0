"""A board learns over its line, loses its power while it saves, starts again, and goes on.

QEMU is killed, and what outlives it is the file behind the board's flash: on RISC-V a NOR flash
with commands of its own, on the Cortex-M4 plain memory of which the firmware only clears bits.
"""

import threading
import time

import numpy as np
import pytest

from applications import needs
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.serial import SerialDevice
from kilograd.errors import DeviceError
from kilograd.frontend.native import load_native
from kilograd.memory.state_layout import StateHeader
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import native_model
from serial_line.boards import LASTING, Firmwares, emulated
from serial_line.cases import RATE

SLOTS = 3
RECORD_BYTES = 20
#: Steps that are saved, each behind the one before, until power fails; and steps in the end.
BEFORE, LAST = 4, 8
PROGRAMS = {
    "M4F": needs("arm-none-eabi-gcc", "qemu-system-arm"),
    "RISC-V": needs("riscv64-unknown-elf-gcc", "qemu-system-riscv32"),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")
    graph = load_native(path)
    return compile_model(graph, load_scheme("last:3", graph), get_target("portable"))


@pytest.fixture(scope="module")
def states(program):
    """Of this computer, which is never interrupted: the state after each number of steps."""
    with open_device(program, "host") as host:
        return [host.read_state(), *learn(host, program, LAST)]


def learn(device, program, until):
    """Goes on from where it is: the state after each step."""
    shape = program.graph.inputs[0].type.shape
    found = []
    for step in range(StateHeader.unpack(device.read_state()).steps, until):
        sample = np.random.default_rng(step).integers(-128, 128, shape).astype(np.int8)
        device.train_step(sample, step % program.class_count, RATE)
        found.append(device.read_state())
    return found


class PowerCut:
    """Ends the emulator once a slot of its flash has changed, and holds enough of a save.

    Args:
        flash: the file.
        slot: where in it.
        enough: bytes that are not erased.
    """

    def __init__(self, process, flash, slot, enough):
        self._process, self._enough = process, enough
        self.contents = np.memmap(flash, np.uint8, "r")[slot]
        self._before = self.contents.copy()
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    @property
    def has_begun(self):
        return not np.array_equal(self.contents, self._before)

    def _wait(self):
        while self._process.poll() is None:
            if self.has_begun and np.count_nonzero(self.contents != 0xFF) >= self._enough:
                self._process.kill()
            time.sleep(0.001)

    def join(self):
        self._thread.join()


def cut_off_while_saving(board, program, process, flash, slot_bytes, share):
    """Learns and saves `BEFORE` times; power fails within the next save, that of two steps."""
    for saves in range(BEFORE):
        learn(board, program, saves + 1)
        board.save()
    learn(board, program, BEFORE + 2)
    at = BEFORE % SLOTS * slot_bytes
    enough = int(share * program.plan.state_bytes * 0.9)  # some bytes of it are 0xFF
    cut = PowerCut(process, flash, slice(at, at + slot_bytes), enough)
    with pytest.raises(DeviceError, match=r"the board is gone|no answer within"):
        board.save()
    cut.join()
    assert cut.has_begun
    assert (cut.contents[-RECORD_BYTES:] == 0xFF).all()  # not whole


#: Where in the save: once it has begun to erase, and behind shares of the state.
CUTS = [
    pytest.param("M4F", 0.0, marks=[PROGRAMS["M4F"], pytest.mark.thorough]),
    pytest.param("M4F", 0.5, marks=PROGRAMS["M4F"]),
    pytest.param("M4F", 0.95, marks=[PROGRAMS["M4F"], pytest.mark.thorough]),
    pytest.param("RISC-V", 0.0, marks=[PROGRAMS["RISC-V"], pytest.mark.thorough]),
    pytest.param("RISC-V", 0.5, marks=[PROGRAMS["RISC-V"], pytest.mark.thorough]),
    pytest.param("RISC-V", 0.95, marks=PROGRAMS["RISC-V"]),
]


@pytest.mark.parametrize(("name", "share"), CUTS)
def test_it_goes_on_after_a_loss_of_power(program, states, firmware, tmp_path, name, share):
    lasting = LASTING[name]
    flash = lasting.erased(tmp_path / "flash.bin")
    elf = firmware(name)
    with (
        emulated(name, elf, lasts=flash) as (port, process),
        SerialDevice.open(f"serial:{port}", program) as board,
    ):
        assert board.read_state() == states[0]  # there was nothing to begin with
        cut_off_while_saving(board, program, process, flash, lasting.slot_bytes, share)
    with (
        emulated(name, elf, lasts=flash) as (port, _),
        SerialDevice.open(f"serial:{port}", program) as board,
    ):
        assert board.read_state() == states[BEFORE]
        assert learn(board, program, LAST) == states[BEFORE + 1 :]
        board.load()
        assert learn(board, program, LAST) == states[BEFORE + 1 :]
        board.save()
        board.rollback()
        assert board.read_state() == states[BEFORE]


@pytest.fixture(scope="module")
def firmware(program, tmp_path_factory):
    flags = {name: lasting.flags for name, lasting in LASTING.items()}
    return Firmwares(program, tmp_path_factory.mktemp, flags).of
