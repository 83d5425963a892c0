"""Requests over a line that may lose, change or repeat bytes: each is executed once, or fails."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kilograd.device.serial_frames import Frame, FrameDecoder, Kind
from kilograd.errors import DeviceError

_MASK = 0xFFFF_FFFF

#: While the other end works, requests are repeated no more often than this.
_BUSY_RETRY_SECONDS = 1.0

#: Each repeat waits twice as long as the one before it, up to so many times the first, since a slow
#: line only gets more to do by them (Jacobson, "Congestion Avoidance and Control", 1988).
_BACK_OFF = 4.0

#: Where the note that it works is lost, it has so many times the time that it ever took.
_SLACK = 3.0


class Wire(Protocol):
    """Carries bytes in both directions; the methods raise DeviceError once it is gone."""

    def write(self, data: bytes) -> None:
        """Sends bytes."""
        ...

    def read(self, seconds: float) -> bytes:
        """What has arrived. Waits at most so long for the first byte; b"" where none comes."""
        ...

    def close(self) -> None:
        """Lets go of the line."""
        ...


@dataclass(frozen=True)
class Patience:
    """How long a link waits.

    Attributes:
        retry_seconds: for an answer, before the request is sent again; repeats wait longer.
        answer_seconds: for any answer to a request, before the other end counts as gone.
        work_seconds: for the answer, once the other end has said that it works on it.
    """

    retry_seconds: float = 0.3
    answer_seconds: float = 5.0
    work_seconds: float = 120.0


class Link:
    """The PC's end of the line. After an error it cannot be used.

    A session begins with `hello`, at a random sequence number. The other end executes the request
    that follows the last one, and answers a repeated one with the answer that it has.

    Args:
        wire: carries the bytes.
        name: of the device, for messages.
        patience: how long to wait.
        clock: seconds, as of `time.monotonic`.
    """

    def __init__(
        self,
        wire: Wire,
        name: str,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wire = wire
        self._name = name
        self._patience = patience
        self._clock = clock
        self._decoder = FrameDecoder()
        self._sequence = secrets.randbits(32)
        self._longest = 0.0
        self._hint = ""
        self.repeats = 0

    def hello(self, version: int, baud_hint: str) -> Frame:
        """Begins a session; the answer says what is at the other end.

        Args:
            version: of the protocol that is spoken here.
            baud_hint: said where what comes makes no sense.

        Raises:
            DeviceError: nothing answers in time, or something that does not speak the protocol.
        """
        self._hint = baud_hint
        return self.request(Kind.HELLO, version)

    def request(self, kind: Kind, value: int = 0, data: bytes = b"") -> Frame:
        """Has a request executed once, and returns its answer, whatever its status.

        Raises:
            DeviceError: no answer in time, or the board was reset; the wire is gone.
        """
        self._sequence = (self._sequence + 1) & _MASK
        sent = Frame(kind, self._sequence, value, data).encode()
        began = self._clock()
        until = began + max(self._patience.answer_seconds, _SLACK * self._longest)
        retry, again, is_busy = self._patience.retry_seconds, began, False
        most = _BACK_OFF * retry
        while (now := self._clock()) < until:
            if now >= again:
                if again > began:
                    self.repeats += 1
                    retry = min(2 * retry, most)
                self._wire.write(sent)
                again = now + retry
            came = self._wire.read(max(0.0, min(again, until) - now))
            for frame in self._decoder.feed(came):
                if frame.sequence != self._sequence:
                    continue
                if frame.kind == kind.answer:
                    self._longest = max(self._longest, self._clock() - began)
                    return frame
                if frame.kind == Kind.NO_SESSION:
                    raise self._lost_session()
                if frame.kind == Kind.BUSY and not is_busy:
                    is_busy = True
                    now = self._clock()
                    until = max(until, now + self._patience.work_seconds)
                    retry = max(retry, _BUSY_RETRY_SECONDS)
                    most = max(most, retry)
                    again = now + retry
        raise self._silence(kind, until - began)

    def _lost_session(self) -> DeviceError:
        return DeviceError(
            "the board does not know this session any more: it was reset, or another program "
            "has spoken to it",
            where=self._name,
            hint="what it learned since its last save may be lost: begin anew or from a save",
        )

    def _silence(self, kind: Kind, seconds: float) -> DeviceError:
        decoder = self._decoder
        if kind != Kind.HELLO:
            return DeviceError(
                f"no answer within {seconds:.3g} seconds, in the middle of a session",
                where=self._name,
                hint="is the board still powered and connected, and does its firmware still call "
                "kg_serial_poll?",
            )
        if decoder.frames_seen:
            return DeviceError(
                f"no answer within {seconds:.3g} seconds, but answers to someone else",
                where=self._name,
                hint="does another program use the same board?",
            )
        if decoder.bytes_seen:
            return DeviceError(
                f"{decoder.bytes_seen:,} bytes came, and none of kilograd's protocol",
                where=self._name,
                hint=f"another firmware runs there, or {self._hint}",
            )
        return DeviceError(
            f"no answer within {seconds:.3g} seconds",
            where=self._name,
            hint="is the board powered and connected, does its firmware call kg_serial_poll, and "
            f"{self._hint}?",
        )
