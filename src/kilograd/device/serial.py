"""A board at the other end of a serial line, whose firmware calls `kg_serial_poll`."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable

from kilograd.compiler import Program
from kilograd.device.commands import COUNTERS, STEP, Command, MemoryCommandDevice, reason
from kilograd.device.protocol import NO_SAMPLE, Counters, TrainingCounters, state_classes
from kilograd.device.serial_frames import MOST_DATA, VERSION, Frame, Kind
from kilograd.device.serial_link import Link, Patience, Wire
from kilograd.device.serial_port import SerialAddress
from kilograd.errors import DeviceError
from kilograd.ir import LabelKind

_ABOUT = struct.Struct("<8I")
_HAS_ROW_INPUT, _HAS_STORAGE, _HAS_TICKS, _HAS_MEMORY = 2, 4, 8, 16
#: Flags where labels are no classes.
_KINDS = {1: LabelKind.SET, 32: LabelKind.VALUE, 64: LabelKind.ANOMALY}
_WORD = struct.Struct("<I")

#: Commands that are one request, whose payload begins with its value.
_SHORT: dict[int, Kind] = {
    Command.INIT: Kind.INIT,
    Command.SET_CLASSES: Kind.SET_CLASSES,
    Command.MEMORY_BEGIN: Kind.MEMORY_BEGIN,
    Command.MEMORY_FORGET: Kind.MEMORY_FORGET,
}

#: Commands with a sample: the request behind it, and bytes of label and rate before it.
_SAMPLES: dict[int, tuple[Kind, int]] = {
    Command.PREDICT: (Kind.PREDICT, 0),
    Command.TRAIN: (Kind.TRAIN, STEP.size),
    Command.MEMORY_KEEP: (Kind.MEMORY_KEEP, _WORD.size),
    Command.MEMORY_STEP: (Kind.MEMORY_STEP, STEP.size),
}

#: The state may be read so often, until it is the same at the end as at the start.
_READS = 3


class SerialDevice(MemoryCommandDevice):
    """A board whose firmware holds the program.

    Nothing is initialized: what the board has learned stays as it is until `initialize`,
    `write_state` or `load`.

    Args:
        wire: the line; closed with the device.
        program: the model, scheme and classes that the firmware must hold, for whatever target.
        name: of the device, for messages.
        hint: said where what comes makes no sense, such as "is its baud rate 9600".
        patience: how long to wait for answers.
        clock: seconds, as of `time.monotonic`.

    Attributes:
        has_row_input: whether the firmware takes samples in rows, and holds none.
        has_storage: whether it can `save` and `load`.
        keeps_samples: whether it has room for a memory of samples.

    Raises:
        DeviceError: nothing answers, something else does, or a firmware of another model.
    """

    def __init__(
        self,
        wire: Wire,
        program: Program,
        *,
        name: str = "serial",
        hint: str = "is its baud rate right",
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.name = name
        self._wire = wire
        try:
            self._link = Link(wire, name, patience or Patience(), clock)
            self._meet(self._link.hello(VERSION, hint).data, program)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, name: str, program: Program) -> SerialDevice:
        """The board of this name.

        Args:
            name: such as serial:/dev/ttyACM0@115200; see `SerialAddress`.
            program: as above.

        Raises:
            DeviceError: as above; or the port is not there or in use, or pyserial is missing.
        """
        address = SerialAddress.parse(name)
        return cls(address.open(), program, name=name, hint=address.hint, patience=address.patience)

    def _meet(self, about: bytes, program: Program) -> None:
        version = _WORD.unpack_from(about)[0] if len(about) >= _WORD.size else 0
        if version != VERSION:
            age = "newer" if version > VERSION else "older"
            raise DeviceError(
                f"the firmware speaks version {version} of the protocol, and this kilograd "
                f"version {VERSION}",
                where=self.name,
                hint=f"the firmware is {age}: use one version of kilograd for both",
            )
        if len(about) < _ABOUT.size:
            raise DeviceError("the firmware says too little about itself", where=self.name)
        (
            _,
            model,
            self.input_bytes,
            self.class_count,
            self.state_bytes,
            self.arena_bytes,
            flags,
            (self._ticks_per_second),
        ) = _ABOUT.unpack_from(about)
        if model != program.model_id:
            theirs = about[_ABOUT.size :].decode("utf-8", "replace")
            ours = f"{program.graph.name}, {program.scheme.name}"
            raise DeviceError(
                f"the firmware holds another model: {theirs} (id {model:08x}), "
                f"not {ours} (id {program.model_id:08x})",
                where=self.name,
                hint="name the model, the scheme and the number of classes that the firmware was "
                "compiled with, or compile these into the firmware",
            )
        self.label_kind = _KINDS.get(flags & sum(_KINDS), LabelKind.CLASS)
        self.has_row_input = bool(flags & _HAS_ROW_INPUT)
        self.has_storage = bool(flags & _HAS_STORAGE)
        self.keeps_samples = bool(flags & _HAS_MEMORY)
        self._has_ticks = bool(flags & _HAS_TICKS and self._ticks_per_second)
        self.active_classes = self.class_count

    def exchange(self, command: int, payload: bytes = b"") -> bytes:
        """As of every device with commands, in as many requests as it takes."""
        if command in _SHORT:
            return self._ask(_SHORT[command], *_split(payload))
        if command in _SAMPLES:
            kind, before = _SAMPLES[command]
            self._give(Kind.SAMPLE, payload[before:])
            return self._logits(self._ask(kind, *_split(payload[:before])))
        match command:
            case Command.READ_STATE:
                return self._state()
            case Command.WRITE_STATE:
                self._ask(Kind.WRITE_BEGIN)
                self._give(Kind.WRITE_STATE, payload)
                return self._ask(Kind.WRITE_END, zlib.crc32(payload))
            case Command.MEMORY_COUNT:
                return self._counts()
            case _:
                raise DeviceError(f"a serial line knows no command {command}", where=self.name)

    def counters(self) -> Counters:
        """What training has met; a serial line tells neither the stack nor instructions."""
        counted = self._ask(Kind.COUNTERS)
        return Counters(TrainingCounters(*COUNTERS.unpack_from(counted)), None, None)

    def seconds_last_call(self) -> float | None:
        """How long the board took for the last prediction or step, by its own clock.

        Without the sample and the answers on the line; modulo 2^32 ticks of that clock. With
        samples in rows, without what ran while the rows came.

        Returns:
            Seconds; None where the firmware has no clock.
        """
        if not self._has_ticks:
            return None
        ticks = _WORD.unpack_from(self._ask(Kind.COUNTERS), COUNTERS.size)[0]
        return ticks / self._ticks_per_second

    def save(self) -> None:
        """Has the board save what it has learned, as `kg_storage_save` does.

        Raises:
            DeviceError: the firmware has nowhere to save to, or saving failed.
        """
        self._need_storage()
        self._ask(Kind.SAVE)

    def load(self, back: int = 0) -> None:
        """Has the board take back what it saved, as `kg_storage_load` does.

        Args:
            back: 0 for the newest save, 1 for the one before it, and so on.

        Raises:
            DeviceError: there is no such save.
        """
        self._need_storage()
        self._ask(Kind.LOAD, back)
        self.active_classes = state_classes(self._ask(Kind.READ_STATE))

    def rollback(self) -> None:
        """Has the board go back to the save before the newest one; see `load`."""
        self.load(1)

    def self_test(self) -> None:
        """Has the board compare one step with kilograd's reference; what it has learned is lost.

        Afterwards it has to be initialized.

        Raises:
            DeviceError: it computes something else.
        """
        self._ask(Kind.SELFTEST)

    def _need_storage(self) -> None:
        if not self.has_storage:
            raise DeviceError(
                "the firmware saves nothing",
                where=self.name,
                hint="name a flash in its kg_serial_port",
            )

    def _ask(self, kind: Kind, value: int = 0, data: bytes = b"") -> bytes:
        """The data of an answer.

        Raises:
            DeviceError: the request was refused, or the link failed; then the device is closed.
        """
        return self._accepted(kind, self._request(kind, value, data))

    def _accepted(self, kind: Kind, answer: Frame) -> bytes:
        if answer.status:
            why = reason(answer.status)
            raise DeviceError(f"the firmware refused {kind.name}: {why}", where=self.name)
        return answer.data

    def _request(self, kind: Kind, value: int, data: bytes) -> Frame:
        self._check_open()
        try:
            return self._link.request(kind, value, data)
        except DeviceError:
            self.close()
            raise

    def _check_keeps_samples(self) -> None:
        if not self.keeps_samples:
            raise DeviceError(
                "the firmware keeps no samples",
                where=self.name,
                hint="name kg_serial_ram_memory and room for them in its kg_serial_port",
            )

    def _drawn(self, step: bytes) -> bytes | None:
        answer = self._request(Kind.MEMORY_REPLAY, *_split(step))
        if answer.status == NO_SAMPLE:
            return None
        return self._accepted(Kind.MEMORY_REPLAY, answer)

    def _counts(self) -> bytes:
        """Of all classes, of which an answer holds some."""
        found = b""
        while len(found) < self.class_count * _WORD.size:
            more = self._ask(Kind.MEMORY_COUNT, len(found) // _WORD.size)
            if not more:
                raise DeviceError("MEMORY_COUNT ended too early", where=self.name)
            found += more
        return found

    def _give(self, kind: Kind, data: bytes) -> None:
        for start in range(0, len(data), MOST_DATA):
            self._ask(kind, start, data[start : start + MOST_DATA])

    def _logits(self, first: bytes) -> bytes:
        """All logits, of which an answer holds the first."""
        return self._rest(Kind.READ_LOGITS, first, self.class_count * _WORD.size)

    def _rest(self, kind: Kind, first: bytes, count: int) -> bytes:
        found = bytearray(first)
        while len(found) < count:
            more = self._ask(kind, len(found))
            if not more:
                raise DeviceError(f"{kind.name} ended after {len(found)} bytes", where=self.name)
            found += more
        return bytes(found)

    def _state(self) -> bytes:
        for _ in range(_READS):
            state = self._rest(Kind.READ_STATE, b"", self.state_bytes)
            if _WORD.unpack(self._ask(Kind.STATE_CRC))[0] == zlib.crc32(state):
                return state
        raise DeviceError(
            "the state changes while it is read",
            where=self.name,
            hint="the firmware must leave the network alone while a PC uses it",
        )

    def _disconnect(self) -> None:
        self._wire.close()


def _split(payload: bytes) -> tuple[int, bytes]:
    """The value of a request, 0 where there is none, and its data."""
    value = int.from_bytes(payload[: _WORD.size], "little")
    return value, payload[_WORD.size :]
