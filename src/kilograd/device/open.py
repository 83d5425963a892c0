"""Builds a program for a device and opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kilograd.device.host import HostDevice
from kilograd.device.qemu import QemuDevice, qemu_available
from kilograd.device.reference import ReferenceDevice
from kilograd.device.serial import SerialDevice
from kilograd.device.serial_port import SCHEME, SPELLING, SerialAddress
from kilograd.device.unicorn import UnicornDevice
from kilograd.errors import DeviceError
from kilograd.targets import get_target, target_names
from kilograd.toolchain import build_firmware, build_host_library, compiler_version

if TYPE_CHECKING:
    from kilograd.compiler import Program
    from kilograd.device.firmware import FirmwareDevice
    from kilograd.device.protocol import Device
    from kilograd.targets import Target
    from kilograd.toolchain import Compiler

#: Devices that run any program: in NumPy, on this computer, or on an emulator of its target.
DEVICES = ("reference", "host", "unicorn", "qemu")

#: Devices that run a firmware, and so measure memory and instructions.
EMULATORS = ("unicorn", "qemu")


def device_names() -> tuple[str, ...]:
    """All devices; the name of a target that can be emulated means an emulator of it."""
    emulated = (name for name in target_names() if get_target(name).memory)
    return (*DEVICES, *emulated)


def check_device(name: str) -> None:
    """Refuse a name that is no device; whether a board is there is seen when it is opened.

    Raises:
        DeviceError: the hint lists all.
    """
    if name.startswith(SCHEME):
        SerialAddress.parse(name)
    elif name not in device_names():
        known = ", ".join((*device_names(), SPELLING))
        raise DeviceError(f"there is no device {name!r}", hint=f"devices: {known}")


def is_emulated(name: str) -> bool:
    """Whether a device of this name runs a firmware on an emulator."""
    return name not in ("reference", "host") and not name.startswith(SCHEME)


def target_of(program: Program, name: str) -> Target:
    """The target whose firmware or library a device of this name runs."""
    if name == "host":
        return get_target("host")
    return program.target if name in DEVICES or name.startswith(SCHEME) else get_target(name)


def compiler_of(program: Program, name: str) -> str | None:
    """What compiles a program for a device of this name, with its version.

    None where nothing does: for the reference, and for a board, whose firmware is there already.

    Raises:
        ToolchainError: the compiler is missing.
    """
    if name == "reference" or name.startswith(SCHEME):
        return None
    return compiler_version("zig", target_of(program, name))


def open_device(program: Program, name: str, *, compiler: Compiler = "zig") -> Device:
    """A device that runs the program, initialized with seed 0.

    Where a device is of another target than the program's, the model is compiled anew for it; the
    bits are the same.

    Args:
        program: the compiled model.
        name: one of ``DEVICES``, or of a target that can be emulated, or
            ``serial:PORT[@BAUD]`` for a board whose firmware holds the program.
        compiler: for everything but the reference; gcc is the system's on the host.

    Raises:
        DeviceError: for an unknown name, or a board that does not answer.
        ToolchainError: when a compiler or an emulator is missing.
        BudgetError: when the firmware cannot be linked.
    """
    check_device(name)
    device = _open(program, name, compiler)
    device.initialize(0)
    return device


def _open(program: Program, name: str, compiler: Compiler) -> Device:
    if name == "reference":
        return ReferenceDevice(program)
    if name.startswith(SCHEME):
        return SerialDevice.open(name, program)
    program = program.for_target(target_of(program, name))
    if name == "host":
        return HostDevice(build_host_library(program.sources, compiler=compiler).path)
    if not program.target.memory:
        raise DeviceError(
            f"target {program.target.name} has no memories, so there is no firmware to run",
            where=name,
            hint="compile for a target that can be emulated, such as cortex-m7",
        )
    build = build_firmware(program.sources, program.target, compiler=compiler)
    return emulator(program.target, name)(build.path, build.target)


def emulator(target: Target, name: str) -> type[FirmwareDevice]:
    """What runs firmwares of a target: the emulator of this name, or QEMU where it can."""
    if name == "unicorn":
        return UnicornDevice
    if name == "qemu":
        return QemuDevice
    return QemuDevice if qemu_available(target) else UnicornDevice
