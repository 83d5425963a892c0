"""What the application runs on: the firmware on an emulated board, and the same C on this computer.

Both have the same model of a flash, which lies outside and outlives a loss of power.
"""

import ctypes
import struct
from dataclasses import dataclass
from pathlib import Path

import unicorn as uc

from kilograd.codegen.sources import RUNTIME, read_c
from kilograd.device.unicorn import UnicornDevice
from kilograd.toolchain import build_firmware, build_host_library

FOLDER = Path(__file__).parent
STORAGE = {name: read_c(RUNTIME / name) for name in ("kg_flash.h", "kg_storage.h", "kg_storage.c")}
OK, MODEL, DAMAGED, FLASH, EMPTY = 0, -6, -7, -9, -10
NEVER = 0xFFFF_FFFF
RECORD_BYTES = 20


@dataclass(frozen=True)
class Geometry:
    """A region of flash. `torn`: how bytes read that were cut off; see flash_model.h."""

    page: int
    granule: int
    pages: int
    slots: int
    torn: int = 0

    @property
    def slot_bytes(self):
        return self.page * self.pages

    @property
    def bytes(self):
        return self.slot_bytes * self.slots

    def padded(self, count):
        return -(-count // self.granule) * self.granule


def smallest(page, granule, slots, torn, state_bytes):
    """With the fewest pages that hold a save."""
    one = Geometry(page, granule, 1, slots, torn)
    needed = one.padded(state_bytes) + one.padded(RECORD_BYTES)
    return Geometry(page, granule, -(-needed // page), slots, torn)


@dataclass
class Outcome:
    """One boot. `saving` and `saved` are the steps of the last save that began, and that ended."""

    loaded: bytes | None = None
    load_status: int = 0
    save_status: int = 0
    saving: int = 0
    saved: int = 0
    last: bytes | None = None


class Flash:
    """The functions of flash_model.h."""

    def __init__(self, library, state_bytes):
        self._c = library
        self._state_bytes = state_bytes
        self.geometry = None
        self.must_be_in_order = True

    def set_up(self, geometry):
        self.geometry = geometry
        self._c.flash_set_up(geometry.bytes, geometry.page, geometry.granule, geometry.torn)

    def is_in_order(self):
        """Nothing was programmed twice, and what has a record has all of its body."""
        if not self.must_be_in_order:
            return True
        one = self.geometry
        record = one.slot_bytes - one.padded(RECORD_BYTES)
        body = one.padded(self._state_bytes)
        whole = self._c.flash_bodies_are_whole(one.slot_bytes, body, record)
        return whole == 1 and self._c.flash_mistakes() == 0

    def __getattr__(self, name):
        return getattr(self._c, f"flash_{name}")


class Computer:
    """The application on this computer. Power fails in operations of the flash."""

    def __init__(self, program, storage=STORAGE):
        names = ("port.h", "application.c", "computer.c", "flash_model.h", "flash_model.c")
        sources = {**program.sources, **storage, **{n: read_c(FOLDER / n) for n in names}}
        self._c = ctypes.CDLL(str(build_host_library(sources, extra_flags=("-O2",)).path))
        self.state_bytes = program.plan.state_bytes
        self.flash = Flash(self._c, self.state_bytes)
        size = ctypes.c_uint32.in_dll(self._c, "computer_outcome_bytes").value
        self._result = ctypes.create_string_buffer(size)

    def boot(self, steps, rng, *, operation=NEVER):
        one = self.flash.geometry
        self.flash.power_on(operation, rng.getrandbits(31))
        chosen = struct.pack("<5I", one.bytes, one.page, one.granule, one.slots, steps)
        self._c.computer_boot(chosen, rng.getrandbits(8), self._result)
        load, save, has_loaded, is_done, saving, saved = struct.unpack_from("<2i4I", self._result)
        loaded = self._result[24 : 24 + self.state_bytes] if has_loaded else None
        last = self._result[24 + self.state_bytes :][: self.state_bytes] if is_done else None
        return Outcome(loaded, load, save, saving, saved, last)


class EmulatedBoard(UnicornDevice):
    """The application as a firmware. Power fails in operations, or between two instructions."""

    _CONTROLLER = 0x4000_0000
    _SETTINGS, _ARGUMENTS, _STATUS, _COMMAND = 0, 20, 32, 36
    _READ, _PROGRAM, _ERASE = 1, 2, 3

    def __init__(self, program, storage=STORAGE):
        names = ("port.h", "application.c", "board.c")
        sources = {**program.sources, **storage, **{n: read_c(FOLDER / n) for n in names}}
        model = {n: read_c(FOLDER / n) for n in ("flash_model.h", "flash_model.c")}
        library = ctypes.CDLL(str(build_host_library(model, extra_flags=("-O2",)).path))
        self.flash = Flash(library, program.plan.state_bytes)
        self.state_bytes = program.plan.state_bytes
        self._outcome = Outcome()
        self._is_dead = False
        super().__init__(build_firmware(sources, program.target).path, program.target)

    def _connect(self):
        """There is no command loop: what is in its place runs in `boot`."""
        self._uc.mem_map(self._CONTROLLER, 0x1000)
        at = self._CONTROLLER + self._COMMAND
        self._uc.hook_add(uc.UC_HOOK_MEM_WRITE, self._on_command, begin=at, end=at + 3)
        self._at_reset = self._uc.context_save()
        self._memory = next(m for m in self._target.memory if m != self._target.code_region)

    @property
    def instructions(self):
        """Executed in the last boot."""
        return int(self._counter.executed)

    @property
    def stack_bytes(self):
        """The most stack that was in use in the last boot."""
        addresses = self._symbols.addresses
        bottom, top = addresses["__kg_stack_bottom"], addresses["__kg_stack_top"]
        stack = bytes(self._uc.mem_read(bottom, top - bottom))
        paint = struct.pack("<I", 0xA5C35A3C)
        unused = next(i for i in range(0, len(stack), 4) if stack[i : i + 4] != paint)
        return len(stack) - unused

    def boot(self, steps, rng, *, operation=NEVER, instruction=None):
        """Power on; where `instruction` is given, power fails about there."""
        one, addresses = self.flash.geometry, self._symbols.addresses
        self.flash.power_on(operation, rng.getrandbits(31))
        self._outcome, self._is_dead = Outcome(), False
        self._uc.context_restore(self._at_reset)
        self._uc.mem_write(self._memory.origin, rng.randbytes(self._memory.length))
        chosen = struct.pack("<5I", one.bytes, one.page, one.granule, one.slots, steps)
        self._uc.mem_write(self._CONTROLLER + self._SETTINGS, chosen)
        self._counter.executed = 0
        self._counter.limit = NEVER if instruction is None else instruction
        end = addresses["kg_port_open"] & ~1
        self._uc.emu_start(addresses["kg_reset"] | 1, end)
        if self._register(self._emulation.pc) == end:
            self._uc.reg_write(self._emulation.link, end | 1)
            self._uc.emu_start(addresses["application"] | 1, end)
        if instruction is not None and not self._is_dead and self._outcome.last is None:
            self._uc.emu_start(self._register(self._emulation.pc) | 1, end, count=rng.randint(1, 9))
        return self._outcome

    def _on_command(self, engine, _access, _address, _size, command, _user):
        offset, address, count = struct.unpack(
            "<3I", engine.mem_read(self._CONTROLLER + self._ARGUMENTS, 12)
        )
        status = 1
        if not self._is_dead:
            status = self._execute(engine, command, offset, address, count)
        if status == 2:
            self._is_dead = True
            engine.emu_stop()
        engine.mem_write(self._CONTROLLER + self._STATUS, struct.pack("<i", status))

    def _execute(self, engine, command, offset, address, count):
        if command == self._READ:
            data = ctypes.create_string_buffer(count)
            status = self.flash.read(offset, data, count)
            engine.mem_write(address, data.raw)
            return status
        if command == self._PROGRAM:
            return self.flash.program(offset, bytes(engine.mem_read(address, count)), count)
        if command == self._ERASE:
            return self.flash.erase(offset)
        self._note(offset, count - (count >> 31 << 32), engine, address)
        return 0

    def _note(self, event, value, engine, address):
        outcome = self._outcome
        if event == 1:
            outcome.loaded = bytes(engine.mem_read(address, self.state_bytes))
            outcome.load_status = value
        elif event == 2:
            outcome.saving = value
        elif event == 3 and value == OK:
            outcome.saved = outcome.saving
        elif event == 3:
            outcome.save_status = outcome.save_status or value
        else:
            outcome.last = bytes(engine.mem_read(address, self.state_bytes))
