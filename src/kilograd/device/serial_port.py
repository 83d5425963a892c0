"""What a serial device is called, and the lines that bytes go through: ports and TCP."""

from __future__ import annotations

import errno
import os
import select
import socket
from dataclasses import dataclass
from typing import Any

from kilograd.device.serial_frames import FRAME_BYTES, package
from kilograd.device.serial_link import Patience, Wire
from kilograd.errors import DeviceError

#: What the names of serial devices begin with.
SCHEME = "serial:"
#: How they are spelled.
SPELLING = "serial:PORT[@BAUD] or serial:tcp://HOST:PORT"

DEFAULT_BAUD = 115_200
_HIGHEST_BAUD = 20_000_000
_TCP = "tcp://"
_HIGHEST_PORT = 65_535
_BITS_OF_A_BYTE = 10  # with start and stop

_POLL_SECONDS = 0.05
_WRITE_SECONDS = 5.0
_CHUNK = 4096


@dataclass(frozen=True)
class SerialAddress:
    """Where a board is.

    Attributes:
        name: of the device, as it was given.
        port: of this computer, or an URL that pyserial knows; the host's name for TCP.
        baud: of a port, in bits a second.
        tcp_port: None for what is no TCP connection.
    """

    name: str
    port: str
    baud: int = DEFAULT_BAUD
    tcp_port: int | None = None

    @classmethod
    def parse(cls, name: str) -> SerialAddress:
        """What the name of a device says.

        Args:
            name: such as serial:/dev/ttyACM0, serial:COM3@921600 or serial:tcp://localhost:5555.

        Raises:
            DeviceError: it is no such name.
        """
        rest = name.removeprefix(SCHEME)
        if not name.startswith(SCHEME) or not rest.strip():
            raise DeviceError(f"{name!r} names no board", hint=f"write {SPELLING}")
        if rest.startswith(_TCP):
            return cls._tcp(name, rest.removeprefix(_TCP))
        port, at, baud = rest.rpartition("@")
        if not at:
            return cls(name, rest)
        if not (baud.isascii() and baud.isdigit() and 0 < int(baud) <= _HIGHEST_BAUD and port):
            raise DeviceError(
                f"{baud!r} is no baud rate", where=name, hint="write a number, such as @115200"
            )
        return cls(name, port, int(baud))

    @classmethod
    def _tcp(cls, name: str, rest: str) -> SerialAddress:
        host, _, port = rest.rpartition(":")
        if not host or not (port.isascii() and port.isdigit() and int(port) <= _HIGHEST_PORT):
            raise DeviceError(
                f"{rest!r} is no host with a port",
                where=name,
                hint="write serial:tcp://HOST:PORT, such as serial:tcp://localhost:5555",
            )
        return cls(name, host.strip("[]"), tcp_port=int(port))

    @property
    def hint(self) -> str:
        """What to ask where nothing sensible comes."""
        if self.tcp_port is not None:
            return "does something else listen there"
        return f"is its baud rate {self.baud}"

    @property
    def patience(self) -> Patience:
        """A retry waits for the longest frames in both directions, and then a little."""
        if self.tcp_port is not None:
            return Patience()
        frames = 2 * FRAME_BYTES * _BITS_OF_A_BYTE / self.baud
        return Patience(0.25 + 1.5 * frames, max(5.0, 12 * frames))

    def open(self) -> Wire:
        """The line.

        Raises:
            DeviceError: there is no such port, or it cannot be used.
        """
        return _TcpWire(self) if self.tcp_port is not None else _PortWire(self)


class _PortWire:
    """A port of this computer, by pyserial."""

    def __init__(self, address: SerialAddress) -> None:
        serial = package("serial")
        self._name = address.name
        self._error: Any = serial.SerialException
        try:
            self._port: Any = serial.serial_for_url(
                address.port,
                baudrate=address.baud,
                timeout=_POLL_SECONDS,
                write_timeout=_WRITE_SECONDS,
                exclusive=True if os.name == "posix" else None,  # elsewhere ports are anyway
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise _not_opened(address, error) from error

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except (self._error, OSError) as error:
            raise _gone(self._name, error) from error

    def read(self, seconds: float) -> bytes:
        del seconds  # of its own timeout, and asked again
        try:
            return self._port.read(max(1, self._port.in_waiting))
        except (self._error, OSError, TypeError) as error:  # TypeError: closed meanwhile
            raise _gone(self._name, error) from error

    def close(self) -> None:
        try:
            self._port.close()
        except (self._error, OSError):
            return


class _TcpWire:
    """A TCP connection, such as to an emulator or to a server of serial ports."""

    def __init__(self, address: SerialAddress) -> None:
        self._name = address.name
        try:
            self._socket = socket.create_connection(
                (address.port, address.tcp_port or 0), timeout=_WRITE_SECONDS
            )
        except OSError as error:
            raise DeviceError(
                f"cannot connect: {error.strerror or error}",
                where=address.name,
                hint="does something listen there, such as the emulator or a server of the port?",
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise _gone(self._name, error) from error

    def read(self, seconds: float) -> bytes:
        try:
            if not select.select([self._socket], [], [], seconds)[0]:
                return b""
            data = self._socket.recv(_CHUNK)
        except OSError as error:
            raise _gone(self._name, error) from error
        if not data:
            raise _gone(self._name, "the connection was closed")
        return data

    def close(self) -> None:
        self._socket.close()


def _gone(name: str, why: object) -> DeviceError:
    return DeviceError(
        f"the board is gone: {why}",
        where=name,
        hint="was it unplugged, or reset? what it learned since its last save may be lost",
    )


def _not_opened(address: SerialAddress, error: Exception) -> DeviceError:
    number = getattr(error, "errno", None)
    text = str(error)
    port, name = address.port, address.name
    if number == errno.ENOENT or "FileNotFoundError" in text:
        return DeviceError(f"there is no port {port}", where=name, hint=_known_ports())
    if number in (errno.EBUSY, errno.EWOULDBLOCK) or "PermissionError" in text:
        return DeviceError(
            f"another program uses {port}", where=name, hint="close its connection to the board"
        )
    if number in (errno.EACCES, errno.EPERM):
        return DeviceError(
            f"{port} may not be opened",
            where=name,
            hint="on Linux, its users are those of the group that `ls -l` names, often dialout",
        )
    if isinstance(error, ValueError) and "baud" in text.lower():
        return DeviceError(f"{port} cannot be used at {address.baud} baud", where=name)
    return DeviceError(f"{port} cannot be used as a serial port: {text}", where=name)


def _known_ports() -> str:
    ports = sorted(port.device for port in package("serial.tools.list_ports").comports())
    return f"ports of this computer: {', '.join(ports) or 'none'}"
