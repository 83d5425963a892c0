"""The firmware on a board emulated by QEMU, in another process, through two named pipes."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from kilograd.arch import architecture_of
from kilograd.device.commands import Command
from kilograd.device.firmware import FirmwareDevice
from kilograd.errors import DeviceError, ToolchainError

if TYPE_CHECKING:
    from kilograd.targets import Target

_CHUNK = 65536
_GOODBYE_SECONDS = 2.0


def qemu_available(target: Target) -> bool:
    """Whether QEMU can run firmwares of a target on this computer: it is there, with the board."""
    program = shutil.which(architecture_of(target).qemu or "")
    if program is None or target.qemu_machine is None or not hasattr(os, "mkfifo"):
        return False
    return not _lacks(program, target.qemu_machine)


def _lacks(program: str, machine: str) -> bool:
    """Whether this version has no such board; a QEMU that cannot tell is left to fail later."""
    known = _machines(program)
    return bool(known) and machine not in known


@cache
def _machines(program: str) -> frozenset[str]:
    """Names of the boards that a version of QEMU has."""
    command = [program, "-M", "help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return frozenset(line.split()[0] for line in done.stdout.splitlines()[1:] if line.strip())


class QemuDevice(FirmwareDevice):
    """A firmware built with `build_firmware`, on a board of its architecture's QEMU.

    Args:
        elf: the firmware.
        target: what it was built for.
        timeout_seconds: silence after which the firmware counts as hanging.

    Raises:
        ToolchainError: QEMU is not installed, or has no board for the target.
        DeviceError: the firmware does not start.
    """

    name = "qemu"

    def __init__(self, elf: Path, target: Target, *, timeout_seconds: float = 600.0) -> None:
        super().__init__(elf, target)
        architecture = architecture_of(target)
        if target.qemu_machine is None or architecture.qemu is None:
            raise ToolchainError(f"QEMU has no board for target {target.name}")
        if not hasattr(os, "mkfifo"):
            raise ToolchainError("this system has no named pipes, which the QEMU device needs")
        program = shutil.which(architecture.qemu)
        if program is None:
            raise ToolchainError(
                f"{architecture.qemu} is not installed",
                hint=f"install the package {architecture.qemu_package}, or use the device unicorn",
            )
        if _lacks(program, target.qemu_machine):
            raise ToolchainError(
                f"this version of {architecture.qemu} has no board {target.qemu_machine}",
                hint="install a later version, or use the device unicorn",
            )
        self._timeout = timeout_seconds
        self._folder = tempfile.TemporaryDirectory(prefix="kilograd-qemu-")
        self._errors = bytearray()
        self._hangs = False
        # Opened for both directions, neither end waits for the other; QEMU's death is seen on
        # its error stream instead.
        self._to, self._from = (
            _open_pipe(Path(self._folder.name, name)) for name in ("kg_in", "kg_out")
        )
        self._process = subprocess.Popen(
            [
                program,
                *("-M", target.qemu_machine, "-nographic", "-monitor", "none", "-serial", "none"),
                *architecture.qemu_arguments,
                *("-semihosting-config", "enable=on,target=native"),
                *("-kernel", str(elf.resolve())),
            ],
            cwd=self._folder.name,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this program alone
        )
        self._connect()

    def _send(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            self._wait(reading=False)
            left = left[os.write(self._to, left[:_CHUNK]) :]

    def _receive(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            self._wait(reading=True)
            data += os.read(self._from, count - len(data))
        return bytes(data)

    def _wait(self, *, reading: bool) -> None:
        """Waits until a pipe is ready; sees the end of QEMU and a firmware that hangs."""
        stream = self._process.stderr
        errors = [stream.fileno()] if stream else []
        deadline = time.monotonic() + self._timeout
        while True:
            seconds = max(0.0, deadline - time.monotonic())
            readable, writable, _ = select.select(
                [*errors, *([self._from] if reading else [])],
                [] if reading else [self._to],
                [],
                seconds,
            )
            if self._from in readable or writable:
                return
            if not readable:
                self._hangs = True
                raise DeviceError(
                    f"no reply within {self._timeout:g} seconds",
                    where=self.name,
                    hint="the network may be large: raise timeout_seconds; else it is endless",
                )
            text = os.read(errors[0], _CHUNK)
            self._errors += text
            if not text:
                code = self._process.wait()
                said = self._errors.decode("utf-8", "replace").strip() or "no error text"
                raise DeviceError(f"QEMU ended with code {code}: {said}", where=self.name)

    def _disconnect(self) -> None:
        process = self._process
        try:
            if not self._hangs and process.poll() is None:
                os.write(self._to, bytes((Command.EXIT, 0, 0, 0, 0)))
            process.wait(0 if self._hangs else _GOODBYE_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
        if process.stderr:
            process.stderr.close()
        os.close(self._to)
        os.close(self._from)
        self._folder.cleanup()


def _open_pipe(path: Path) -> int:
    os.mkfifo(path)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)
