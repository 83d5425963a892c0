"""The byte protocol of the firmware, and the part that all devices which speak it share.

request: u8 command, u32 payload bytes, payload        all numbers little-endian
reply:   u8 status,  u32 payload bytes, payload        status 0 done, 1 refused (i32), 2 fault
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from dataclasses import fields
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from kilograd.arch import FaultReport
from kilograd.device.faults import fault_error
from kilograd.device.protocol import (
    NO_SAMPLE,
    REFUSALS,
    Counters,
    LearningRate,
    TrainingCounters,
    check_classes,
    check_label,
    check_seed,
    check_state,
    sample_bytes,
    state_classes,
)
from kilograd.device.sample_memory import check_memory, no_memory
from kilograd.errors import DataError, DeviceError
from kilograd.toolchain.elf import read_symbols

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray
    from typing_extensions import Self

    from kilograd.targets import Target

_HEADER = struct.Struct("<BI")
_INFO = struct.Struct("<4I")
#: Set in the number of classes where labels are sets of them.
_LABEL_SETS = 1 << 31
#: Of `TrainingCounters`, as the C has them.
COUNTERS = struct.Struct(f"<{len(fields(TrainingCounters))}I")
#: Label and learning rate.
STEP = struct.Struct("<3iI")
_REPLAY = struct.Struct("<I2iI")

#: Why what executes the commands refuses a request by itself.
_LOOP_REFUSALS = {
    1: "the payload has the wrong length",
    2: "unknown command",
    3: "a piece that does not follow the one before",
}

#: Most int16 numbers that the firmware takes with one command.
_MOST_NUMBERS = 64


class Command(IntEnum):
    """First byte of a request."""

    INFO = 1
    INIT = 2
    PREDICT = 3
    TRAIN = 4
    READ_STATE = 5
    WRITE_STATE = 6
    STACK = 7
    EXIT = 8
    COUNTERS = 9
    SET_CLASSES = 10
    FEATURES = 11
    MEMORY_BEGIN = 12
    MEMORY_KEEP = 13
    MEMORY_STEP = 14
    MEMORY_REPLAY = 15
    MEMORY_FORGET = 16
    MEMORY_COUNT = 17


class Status(IntEnum):
    """First byte of a reply."""

    OK = 0
    REFUSED = 1
    FAULT = 2


class CommandDevice(ABC):
    """A device at the other end of a line; subclasses say how a command gets there.

    They set the sizes, which the other end tells, before anything else is called.

    Attributes:
        class_count: the number of logits.
        has_label_sets: whether a label is a set of classes.
        active_classes: how many classes, the first ones, are predicted and learned.
        input_bytes: of a sample.
        state_bytes: of everything that training changes.
        arena_bytes: of memory that a call uses.
    """

    name = "firmware"
    class_count: int
    has_label_sets: bool
    active_classes: int
    input_bytes: int
    state_bytes: int
    arena_bytes: int

    def __init__(self) -> None:
        self._closed = False

    @abstractmethod
    def exchange(self, command: int, payload: bytes = b"") -> bytes:
        """Has one command executed.

        Returns:
            The payload of the reply.

        Raises:
            DeviceError: it was refused or went wrong, or the device is closed.
        """

    @abstractmethod
    def _disconnect(self) -> None:
        """Ends the connection and frees everything; called once."""

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceError(f"{self.name}: the device is closed")

    def initialize(self, seed: int) -> None:
        """Sets initial weights, all classes active and the step counter 0; seed: uint32."""
        check_seed(seed)
        self.exchange(Command.INIT, struct.pack("<I", seed))
        self.active_classes = self.class_count

    def set_active_classes(self, count: int) -> None:
        """Sets `active_classes`, 2 to `class_count`."""
        check_classes(count, self.class_count)
        self.exchange(Command.SET_CLASSES, struct.pack("<I", count))
        self.active_classes = count

    def predict(self, sample: NDArray[np.int8]) -> NDArray[np.int32]:
        """Runs the network: the logits of one sample, int32, (classes,)."""
        return _logits(self.exchange(Command.PREDICT, sample_bytes(sample, self.input_bytes)))

    def train_step(
        self, sample: NDArray[np.int8], label: int, rate: LearningRate
    ) -> NDArray[np.int32]:
        """Learns from one sample: its logits before the update, int32, (classes,)."""
        check_label(label, self.active_classes, are_sets=self.has_label_sets)
        step = STEP.pack(label, rate.mantissa, rate.exponent, rate.steps)
        data = sample_bytes(sample, self.input_bytes)
        return _logits(self.exchange(Command.TRAIN, step + data))

    def read_state(self) -> bytes:
        """Everything that was trained; before it, as uint32: seed, steps, active classes."""
        return self.exchange(Command.READ_STATE)

    def write_state(self, state: bytes) -> None:
        """Puts back what `read_state` gave."""
        check_state(state, self.state_bytes, self.class_count)
        self.exchange(Command.WRITE_STATE, state)
        self.active_classes = state_classes(state)

    def close(self) -> None:
        """Ends the connection; may be called twice."""
        if not self._closed:
            self._closed = True
            self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class MemoryCommandDevice(CommandDevice):
    """A device whose commands also keep samples and learn from them again; see `MemoryDevice`."""

    def __init__(self) -> None:
        super().__init__()
        self._has_memory = False

    @abstractmethod
    def _check_keeps_samples(self) -> None:
        """Refuses a memory where the other end has none.

        Raises:
            DeviceError: it was built without one.
        """

    @abstractmethod
    def _drawn(self, step: bytes) -> bytes | None:
        """Has MEMORY_REPLAY executed: its reply, or None where there is nothing to draw."""

    def begin_memory(self, samples: int, per_class: int = 0) -> None:
        """As `MemoryDevice.begin_memory`.

        Raises:
            DataError: a memory that holds nothing.
            DeviceError: the firmware was built without one, or with less room.
        """
        check_memory(samples, per_class)
        self._check_keeps_samples()
        self.exchange(Command.MEMORY_BEGIN, struct.pack("<2I", samples, per_class))
        self._has_memory = True

    def memory_keep(self, sample: NDArray[np.int8], label: int) -> NDArray[np.int32]:
        """As `MemoryDevice.memory_keep`."""
        check_label(label, self.active_classes)
        data = struct.pack("<i", label) + sample_bytes(sample, self.input_bytes)
        return _logits(self._ask_memory(Command.MEMORY_KEEP, data))

    def memory_step(
        self, sample: NDArray[np.int8], label: int, rate: LearningRate
    ) -> NDArray[np.int32]:
        """As `MemoryDevice.memory_step`."""
        check_label(label, self.active_classes)
        step = STEP.pack(label, rate.mantissa, rate.exponent, rate.steps)
        data = sample_bytes(sample, self.input_bytes)
        return _logits(self._ask_memory(Command.MEMORY_STEP, step + data))

    def memory_replay(self, rate: LearningRate, at: int) -> int | None:
        """As `MemoryDevice.memory_replay`."""
        self._need_memory()
        step = _REPLAY.pack(at, rate.mantissa, rate.exponent, rate.steps)
        drawn = self._drawn(step)
        return None if drawn is None else int.from_bytes(drawn, "little")

    def memory_forget(self, label: int) -> None:
        """As `MemoryDevice.memory_forget`."""
        check_label(label, self.class_count)
        self._ask_memory(Command.MEMORY_FORGET, struct.pack("<i", label))

    def memory_counts(self) -> tuple[int, ...]:
        """As `MemoryDevice.memory_counts`."""
        counts = self._ask_memory(Command.MEMORY_COUNT)
        return struct.unpack(f"<{self.class_count}I", counts)

    def _need_memory(self) -> None:
        if not self._has_memory:
            raise no_memory(self.name)

    def _ask_memory(self, command: Command, payload: bytes = b"") -> bytes:
        self._need_memory()
        return self.exchange(command, payload)


class FirmwareDevice(MemoryCommandDevice):
    """A device that runs a firmware; subclasses move the bytes.

    They call `_connect` once bytes can flow.

    Args:
        elf: the firmware.
        target: what it was built for.
    """

    def __init__(self, elf: Path, target: Target) -> None:
        super().__init__()
        self.elf = elf
        self._target = target
        self._symbols = read_symbols(elf)

    @abstractmethod
    def _send(self, data: bytes) -> None:
        """Gives bytes to the firmware.

        Raises:
            DeviceError: it takes none.
        """

    @abstractmethod
    def _receive(self, count: int) -> bytes:
        """Exactly `count` bytes of the firmware.

        Raises:
            DeviceError: it stopped, or gave none in time.
        """

    def _connect(self) -> None:
        info = self.exchange(Command.INFO)
        if len(info) != _INFO.size:
            self.close()
            raise DeviceError(f"{self.name}: the firmware speaks another protocol")
        self.input_bytes, classes, self.state_bytes, self.arena_bytes = _INFO.unpack(info)
        self.class_count = classes & ~_LABEL_SETS
        self.has_label_sets = bool(classes & _LABEL_SETS)
        self.active_classes = self.class_count

    def exchange(self, command: int, payload: bytes = b"") -> bytes:
        """Sends one request and waits for its reply.

        Returns:
            The payload of the reply.

        Raises:
            DeviceError: the firmware refused, faulted or stopped, or the device is closed.
        """
        code, reply = self._converse(command, payload)
        if code:
            raise self._refused(command, code)
        return reply

    def _converse(self, command: int, payload: bytes) -> tuple[int, bytes]:
        """Why a request was refused, 0 where it was not, and the payload of the reply."""
        self._check_open()
        try:
            self._send(_HEADER.pack(command, len(payload)) + payload)
            status, length = _HEADER.unpack(self._receive(_HEADER.size))
            reply = self._receive(length)
        except DeviceError:
            self.close()
            raise
        if status == Status.OK:
            return 0, reply
        if status == Status.REFUSED:
            return int.from_bytes(reply, "little", signed=True), b""
        self.close()
        if status == Status.FAULT and len(reply) == FaultReport.SIZE:
            report = FaultReport.unpack(reply)
            raise fault_error(self.name, self._target, self._symbols, report)
        raise DeviceError(f"{self.name}: the firmware sent a reply with unknown status {status}")

    def _refused(self, command: int, code: int) -> DeviceError:
        why = reason(code)
        return DeviceError(f"{self.name}: the firmware refused command {command}: {why}")

    def extract(self, samples: NDArray[np.int16]) -> NDArray[np.int8]:
        """Makes one input of the network from samples of a sensor.

        Args:
            samples: int16 [n], or [n, channels]; as many as the network's features need.

        Returns:
            The input as the network reads it, flat.

        Raises:
            DataError: samples of another type or shape, or too few of them.
            DeviceError: a network that reads no features.
        """
        if samples.dtype != np.int16 or samples.ndim not in (1, 2) or not samples.size:
            shape = list(samples.shape)
            raise DataError(
                f"samples of a sensor are int16 [n, channels], not {samples.dtype} {shape}"
            )
        rows = samples.reshape(len(samples), -1)
        step = max(1, _MOST_NUMBERS // rows.shape[1])
        reply = self._push(b"")
        for start in range(0, len(rows), step):
            reply = self._push(rows[start : start + step].astype("<i2").tobytes())
        if len(reply) != self.input_bytes:
            raise DataError(f"{len(rows)} samples are fewer than one input needs", where=self.name)
        return np.frombuffer(reply, np.int8)

    def _push(self, samples: bytes) -> bytes:
        """Gives the features a few samples: the input once it is complete, else nothing."""
        return self.exchange(Command.FEATURES, samples)

    def _check_keeps_samples(self) -> None:
        if "kg_memory_in_ram" not in self._symbols.addresses:
            raise DeviceError(f"{self.name}: the firmware has no room for a memory of samples")

    def _drawn(self, step: bytes) -> bytes | None:
        code, reply = self._converse(Command.MEMORY_REPLAY, step)
        if code == NO_SAMPLE:
            return None
        if code:
            raise self._refused(Command.MEMORY_REPLAY, code)
        return reply

    def counters(self) -> Counters:
        """What training has met, and the stack's high-water mark; subclasses may add more."""
        counted = COUNTERS.unpack(self.exchange(Command.COUNTERS))
        (stack,) = struct.unpack("<I", self.exchange(Command.STACK))
        return Counters(TrainingCounters(*counted), stack, None)


def reason(code: int) -> str:
    """Why a firmware refused: what the network's C returned, or what executes the commands."""
    return {**REFUSALS, **_LOOP_REFUSALS}.get(code, f"reason {code}")


def _logits(reply: bytes) -> NDArray[np.int32]:
    return np.frombuffer(reply, "<i4").astype(np.int32)
