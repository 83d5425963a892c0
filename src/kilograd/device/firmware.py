"""Devices that run an emulated firmware, and the byte protocol that it speaks.

request: u8 command, u32 payload bytes, payload        all numbers little-endian
reply:   u8 status,  u32 payload bytes, payload        status 0 done, 1 refused (i32), 2 fault
"""

from __future__ import annotations

import struct
from abc import abstractmethod
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from kilograd.arch import FaultReport
from kilograd.device.commands import COUNTERS, Command, MemoryCommandDevice, reason
from kilograd.device.faults import fault_error
from kilograd.device.protocol import NO_SAMPLE, Counters, TrainingCounters
from kilograd.errors import DataError, DeviceError
from kilograd.ir import LabelKind
from kilograd.toolchain.elf import read_symbols

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from kilograd.targets import Target

_HEADER = struct.Struct("<BI")
_INFO = struct.Struct("<4I")
#: Set in the number of classes where labels are no classes.
_KINDS = {1 << 31: LabelKind.SET, 1 << 30: LabelKind.VALUE, 1 << 29: LabelKind.ANOMALY}

#: Most int16 numbers that the firmware takes with one command.
_MOST_NUMBERS = 64


class Status(IntEnum):
    """First byte of a reply."""

    OK = 0
    REFUSED = 1
    FAULT = 2


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
        flag = classes & sum(_KINDS)
        self.class_count = classes - flag
        self.label_kind = _KINDS.get(flag, LabelKind.CLASS)
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
