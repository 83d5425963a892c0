"""Lines in Python: to a board in this process, and one that goes wrong in front of any other."""

import ctypes
import random
import shutil
import tempfile
from collections import Counter, deque
from pathlib import Path

from kilograd.codegen.sources import read_c
from kilograd.device.serial import SerialDevice
from kilograd.device.serial_link import Patience
from kilograd.errors import DeviceError
from kilograd.toolchain import build_host_library

FOLDER = Path(__file__).parent
_ROOM = 1 << 20
_UNIT = 0.001

#: What may happen to bytes on their way.
FAULTS = ("drop", "flip", "insert", "duplicate", "stall", "lose", "noise", "zero")

#: Of simulated time, which costs nothing.
PATIENT = Patience(retry_seconds=0.1, answer_seconds=30.0, work_seconds=60.0)


class Clock:
    """Seconds that pass only where a line is waited for."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def board_library(folder, mistakes=None, *, sanitize=False):
    """The C of an exported folder for this computer, with the port in front of it.

    Args:
        folder: what `export_c` wrote.
        mistakes: texts of kg_serial.c and what is put in their places.
        sanitize: end the process on undefined behaviour.
    """
    sources = {path.name: path.read_text() for path in folder.glob("*.[ch]")}
    for old, new in (mistakes or {}).items():
        assert sources["kg_serial.c"].count(old) == 1, old
        sources["kg_serial.c"] = sources["kg_serial.c"].replace(old, new)
    sources |= {name: read_c(FOLDER / name) for name in ("computer.c", "saves.h")}
    return build_host_library(sources, sanitize=sanitize, extra_flags=("-O2",)).path


class Board:
    """A board in this process; each one has memory of its own."""

    def __init__(self, library, clock, *, is_bare=False):
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copy(library, Path(folder, "board.so"))
            self.c = ctypes.CDLL(str(copy))
        self._clock = clock
        self._run = self.c.bare_board_run if is_bare else self.c.board_run
        self._executed = ctypes.c_uint32()
        self._out = ctypes.create_string_buffer(_ROOM)
        self._arrived = bytearray()

    @property
    def executed(self):
        """Requests that were executed, and not only answered once more."""
        return self._executed.value

    @property
    def steps(self):
        """Training steps since the board was initialized."""
        self.c.kg_get_counters.restype = ctypes.POINTER(ctypes.c_uint32)
        return self.c.kg_get_counters()[0]

    def write(self, data):
        count = self._run(data, len(data), self._out, _ROOM, ctypes.byref(self._executed))
        self._arrived += self._out.raw[:count]

    def read(self, seconds):
        self._clock.seconds += _UNIT if self._arrived else seconds
        data, self._arrived = bytes(self._arrived), bytearray()
        return data

    def close(self):
        pass


class FaultyWire:
    """Another wire, in front of which bytes are lost, changed and held up in both directions.

    Args:
        wire: the other one.
        seed: of what goes wrong.
        share: of the writes and reads, those in which something does.
        faults: what may.

    Attributes:
        counts: how often each fault was made.
        gone_after: how many more writes until the line is cut; None for never.
    """

    def __init__(self, wire, seed, share=0.3, faults=FAULTS):
        self._wire = wire
        self._random = random.Random(seed)
        self._share = share
        self._faults = faults
        self._stalled = {"out": deque(), "in": deque()}
        self.counts = Counter()
        self.gone_after = None

    def write(self, data):
        if self.gone_after is not None:
            self.gone_after -= 1
            if self.gone_after < 0:
                raise DeviceError("the board is gone: no such device", where="serial")
        if data := self._through("out", data):
            self._wire.write(data)

    def read(self, seconds):
        data = self._wire.read(seconds)
        return self._through("in", data) if data or self._stalled["in"] else b""

    def close(self):
        self._wire.close()

    def _through(self, direction, data):
        stalled = self._stalled[direction]
        if data and self._random.random() < self._share:
            fault = self._random.choice(self._faults)
            self.counts[fault] += 1
            data = self._broken(fault, data)
            if fault == "stall":  # all that comes waits until a later turn, in order
                stalled.append((self._random.randint(1, 4), data))
                data = b""
        if stalled:
            turns, held = stalled.popleft()
            stalled.appendleft((turns - 1, held + data))
            if turns > 1:
                return b""
            data = stalled.popleft()[1]
        return data

    def _broken(self, fault, data):
        rng = self._random
        at = rng.randrange(len(data))
        end = min(len(data), at + rng.randint(1, 40))
        if fault == "drop":
            return data[:at] + data[end:]
        if fault == "flip":
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        if fault == "insert":
            return data[:at] + rng.randbytes(rng.randint(1, 40)) + data[at:]
        if fault == "duplicate":
            return data + data if rng.random() < 0.5 else data[:end] + data[at:]
        if fault == "lose":
            return b""
        if fault == "noise":
            return rng.randbytes(rng.randint(1, 600)) + data
        if fault == "zero":
            return data[:at] + b"\0" + data[at + 1 :]
        return data


def connect(program, wire, clock=None, patience=PATIENT, **options):
    """The device at the other end of a wire."""
    if clock is not None:
        options["clock"] = clock
    return SerialDevice(wire, program, patience=patience, **options)
