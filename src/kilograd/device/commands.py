"""The commands of a device at the other end of a line, and the calls that become commands."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from dataclasses import fields
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from kilograd.device.protocol import (
    REFUSALS,
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
from kilograd.errors import DeviceError

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray
    from typing_extensions import Self

    from kilograd.ir import LabelKind

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


class CommandDevice(ABC):
    """A device at the other end of a line; subclasses say how a command gets there.

    They set the sizes, which the other end tells, before anything else is called.

    Attributes:
        class_count: the number of logits.
        label_kind: what a label is.
        active_classes: how many classes, the first ones, are predicted and learned.
        input_bytes: of a sample.
        state_bytes: of everything that training changes.
        arena_bytes: of memory that a call uses.
    """

    name = "firmware"
    class_count: int
    label_kind: LabelKind
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
        check_label(label, self.active_classes, self.label_kind)
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


def reason(code: int) -> str:
    """Why a firmware refused: what the network's C returned, or what executes the commands."""
    return {**REFUSALS, **_LOOP_REFUSALS}.get(code, f"reason {code}")


def _logits(reply: bytes) -> NDArray[np.int32]:
    return np.frombuffer(reply, "<i4").astype(np.int32)
