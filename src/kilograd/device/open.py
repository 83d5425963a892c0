"""Builds a program for a device and opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kilograd.device.host import HostDevice
from kilograd.device.qemu import QemuDevice
from kilograd.device.reference import ReferenceDevice
from kilograd.device.unicorn import UnicornDevice
from kilograd.errors import DeviceError
from kilograd.targets import get_target
from kilograd.toolchain import build_firmware, build_host_library

if TYPE_CHECKING:
    from kilograd.compiler import Program
    from kilograd.device.protocol import Device
    from kilograd.toolchain import Compiler

DEVICES = ("reference", "host", "unicorn", "qemu")

#: Devices that run a firmware, and so measure memory and instructions.
EMULATED = ("unicorn", "qemu")


def open_device(
    program: Program, name: str, *, target: str = "cortex-m7", compiler: Compiler = "zig"
) -> Device:
    """A device that runs the program, initialized with seed 0.

    Args:
        program: the compiled model.
        name: one of DEVICES.
        target: what emulators emulate.
        compiler: for everything but the reference; gcc is the system's on the host.

    Raises:
        DeviceError: for an unknown name.
        ToolchainError: when a compiler or an emulator is missing.
        BudgetError: when the firmware cannot be linked.
    """
    device = _open(program, name, target, compiler)
    device.initialize(0)
    return device


def _open(program: Program, name: str, target: str, compiler: Compiler) -> Device:
    if name == "reference":
        return ReferenceDevice(program)
    if name == "host":
        return HostDevice(build_host_library(program.sources, compiler=compiler).path)
    if name not in EMULATED:
        raise DeviceError(f"there is no device {name!r}", hint=f"devices: {', '.join(DEVICES)}")
    build = build_firmware(program.sources, get_target(target), compiler=compiler)
    if name == "unicorn":
        return UnicornDevice(build.path, build.target)
    return QemuDevice(build.path, build.target)
