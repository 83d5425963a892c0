"""What an architecture must say: how its firmwares are built, stopped and emulated."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, ClassVar

from kilograd.errors import TargetError
from kilograd.targets import Target

_RUNTIME_ENDINGS = (".c", ".h")


@dataclass(frozen=True)
class FaultReport:
    """Where a processor stood when it faulted, as the firmware's fault handler sends it.

    Attributes:
        pc: address of the instruction; 0 if the processor could not save it.
        lr: return address of the caller; after a stack overflow one found on the stack, or 0.
        sp: stack pointer.
        status: why, in the architecture's own bits; 0 where it does not say.
        address: what was accessed, where `status` says it is known.
    """

    pc: int
    lr: int
    sp: int
    status: int
    address: int

    _FORMAT: ClassVar = struct.Struct("<5I")
    SIZE: ClassVar = 20

    @classmethod
    def unpack(cls, data: bytes) -> FaultReport:
        """Reads the report that the firmware's fault handler sends."""
        return cls(*cls._FORMAT.unpack(data))


@dataclass(frozen=True)
class Emulation:
    """How Unicorn emulates an architecture's cores, and how their firmwares talk.

    Attributes:
        architecture: Unicorn's constant.
        mode: Unicorn's constant.
        core: of the CPU model; None for the only one.
        pc, sp, link: Unicorn's numbers of registers; of a call's return address the last.
        operation, argument: registers of a semihosting call; the result replaces the operation.
        breakpoint_exception: what Unicorn reports when a firmware makes a semihosting call.
        breakpoint_bytes: the instruction of the call.
        code_bit: added to the address that execution starts from.
        is_wide: whether an instruction takes four bytes: bits `mask` of its first halfword are at
            least, or with `wide_is_equal` exactly, `value`.
        mapped: address and bytes of memory that firmwares may touch beside the target's.
    """

    architecture: int
    mode: int
    core: int | None
    pc: int
    sp: int
    link: int
    operation: int
    argument: int
    breakpoint_exception: int
    breakpoint_bytes: bytes
    code_bit: int
    wide_mask: int
    wide_value: int
    mapped: tuple[tuple[int, int], ...] = ()


class Architecture(ABC):
    """A kind of processors. One stateless instance of each stands in ``ARCHITECTURES``."""

    name: ClassVar[str]
    #: features that a target of this architecture may list
    features: ClassVar[frozenset[str]]
    #: names of GNU compilers for it, the first that is installed is taken
    gcc: ClassVar[tuple[str, ...]]
    #: the Debian package of such a compiler
    gcc_package: ClassVar[str]
    #: QEMU's program, where it emulates boards
    qemu: ClassVar[str | None] = None
    #: the Debian package of it
    qemu_package: ClassVar[str] = ""
    #: further arguments of QEMU
    qemu_arguments: ClassVar[tuple[str, ...]] = ()
    #: folder beside the architecture's Python with its runtime's C; None where there is none
    runtime: ClassVar[str | None] = None

    @abstractmethod
    def knows(self, core: str) -> bool:
        """Whether there is a core of this name."""

    @abstractmethod
    def zig_flags(self, target: Target) -> tuple[str, ...]:
        """Machine selection for ``zig cc``."""

    @abstractmethod
    def gcc_flags(self, target: Target) -> tuple[str, ...]:
        """Machine selection for the GNU compiler."""

    def target_header(self, target: Target) -> str:
        """The text of ``kg_target.h``: what the startup code must know of the target."""
        del target
        return _guarded("")

    def emulation(self, target: Target) -> Emulation | None:
        """How Unicorn emulates the target; None where it cannot."""
        del target
        return None

    def exception(self, number: int) -> str:
        """The reason of an exception that Unicorn reports, in words."""
        return f"processor exception {number}"

    def exception_pc(self, number: int, pc: int) -> int:
        """An address in the instruction that caused it, from where Unicorn left the counter."""
        del number
        return pc

    def cause(self, report: FaultReport) -> str:
        """The reason of a fault in words."""
        del report
        return "fault"

    def knows_address(self, report: FaultReport) -> bool:
        """Whether the report's address is that of the access which faulted."""
        del report
        return False

    def overflowed(self, report: FaultReport) -> bool:
        """Whether the report says by itself that the stack overflowed."""
        del report
        return False

    def check(self, target: Target) -> None:
        """Refuse a target that this architecture does not know.

        Raises:
            TargetError: its core or a feature is unknown.
        """
        if not self.knows(target.core):
            raise TargetError(
                f"architecture {self.name} has no core {target.core!r}", where=target.name
            )
        if unknown := target.features - self.features:
            known = ", ".join(sorted(self.features)) or "none"
            raise TargetError(
                f"unknown feature {', '.join(sorted(unknown))}",
                where=target.name,
                hint=f"features of {self.name}: {known}",
            )

    def runtime_sources(self, target: Target) -> dict[str, str]:
        """The C that starts a firmware, {file name: text}; shared files first."""
        if self.runtime is None:
            raise TargetError(
                f"kilograd builds no firmware for target {target.name}",
                hint="choose a target with memories, such as cortex-m7",
            )
        sources: dict[str, str] = {}
        for folder in (files("kilograd.arch") / "runtime", files(self.runtime) / "runtime"):
            for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
                if entry.name.endswith(_RUNTIME_ENDINGS):
                    sources[entry.name] = entry.read_text(encoding="utf-8")
        return {**sources, "kg_target.h": self.target_header(target)}


def _guarded(body: str) -> str:
    return f"#ifndef KG_TARGET_H\n#define KG_TARGET_H\n{body}#endif\n"


def defined(constants: dict[str, Any]) -> str:
    """The text of ``kg_target.h`` with these constants."""
    return _guarded("".join(f"#define {name} {value}\n" for name, value in constants.items()))
