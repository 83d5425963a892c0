"""Frames of the serial line: requests and answers as bytes, and how they are found again.

A frame is a kind (u8), a sequence number (u32), a value (u32), data and a CRC-32 of all that, in
little-endian order; COBS takes the zeros out of it, and a zero stands before and behind it.
Whatever a line does to its bytes, the next zero begins anew.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from kilograd.errors import DeviceError

#: Of the protocol; `KG_SERIAL_VERSION` of the C.
VERSION = 1

#: Most bytes of data in a frame; `KG_SERIAL_DATA` of the C.
MOST_DATA = 240

#: The longest frame on the line.
FRAME_BYTES = MOST_DATA + 16

_HEADER = struct.Struct("<BII")
_CRC = struct.Struct("<I")
_ANSWER_BIT = 0x80
_MASK = 0xFFFF_FFFF
_SIGN = 1 << 31


class Kind(IntEnum):
    """First byte of a frame: requests, as in `kg_serial.c`, and two answers of their own."""

    HELLO = 1
    INIT = 2
    SAMPLE = 3
    READ_LOGITS = 4
    READ_STATE = 5
    WRITE_BEGIN = 6
    WRITE_STATE = 7
    SET_CLASSES = 8
    COUNTERS = 9
    PREDICT = 32
    TRAIN = 33
    STATE_CRC = 34
    WRITE_END = 35
    SAVE = 36
    LOAD = 37
    SELFTEST = 38
    MEMORY_BEGIN = 39
    MEMORY_KEEP = 40
    MEMORY_STEP = 41
    MEMORY_REPLAY = 42
    MEMORY_FORGET = 43
    MEMORY_COUNT = 44
    NO_SESSION = 0xFE
    BUSY = 0xFF

    @property
    def answer(self) -> int:
        """The kind of the answer to a request."""
        return self | _ANSWER_BIT


@dataclass(frozen=True)
class Frame:
    """A request or an answer.

    Attributes:
        kind: a `Kind`, or that of an answer.
        sequence: number of the request; its answer has the same. A uint32.
        value: what is asked for; in an answer its status. A uint32.
        data: at most `MOST_DATA` bytes.
    """

    kind: int
    sequence: int
    value: int = 0
    data: bytes = b""

    @property
    def status(self) -> int:
        """The value as a signed number: 0, or why a request was refused."""
        return self.value - (self.value & _SIGN) * 2

    def encode(self) -> bytes:
        """The frame as it is sent."""
        content = _HEADER.pack(self.kind, self.sequence, self.value & _MASK) + self.data
        encoded: bytes = package("cobs.cobs").encode(content + _CRC.pack(zlib.crc32(content)))
        return b"\0" + encoded + b"\0"


class FrameDecoder:
    """Finds frames among any bytes.

    Attributes:
        bytes_seen: all that came.
        frames_seen: of them that were whole.
        damaged: how often something between two zeros was no frame.
    """

    def __init__(self) -> None:
        self.bytes_seen = 0
        self.frames_seen = 0
        self.damaged = 0
        self._cobs = package("cobs.cobs")
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that end in these bytes."""
        self.bytes_seen += len(data)
        *ended, rest = (bytes(self._pending) + data).split(b"\0")
        # What is too long is no frame; its end is still to come.
        self._pending = bytearray(rest[: FRAME_BYTES + 1])
        frames = [frame for piece in ended if piece and (frame := self._decoded(piece))]
        self.frames_seen += len(frames)
        return frames

    def _decoded(self, piece: bytes) -> Frame | None:
        content = b""
        if len(piece) <= FRAME_BYTES:
            try:
                content = self._cobs.decode(piece)
            except self._cobs.DecodeError:
                content = b""
        body, crc = content[: -_CRC.size], content[-_CRC.size :]
        if len(body) < _HEADER.size or _CRC.pack(zlib.crc32(body)) != crc:
            self.damaged += 1
            return None
        kind, sequence, value = _HEADER.unpack_from(body)
        return Frame(kind, sequence, value, body[_HEADER.size :])


def package(module: str) -> Any:
    """A module of a package that only serial lines need.

    Raises:
        DeviceError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = {"cobs.cobs": "cobs"}.get(module, "pyserial")
        raise DeviceError(
            f"a serial line needs the package {name}, which is not installed",
            hint="pip install 'kilograd[serial]'",
        ) from error
