"""A fault of the firmware in words: the function, the address, the likely reason."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kilograd.errors import DeviceError

if TYPE_CHECKING:
    from kilograd.targets import Target
    from kilograd.toolchain.elf import Symbols

# Bits of the Configurable Fault Status Register, in the order in which they explain most.
_CAUSES = (
    (1 << 16, "undefined instruction"),
    (1 << 24, "unaligned access"),
    (1 << 25, "division by zero"),
    (1 << 0, "jump to an address that holds no code"),
    (1 << 17, "jump to an address that holds no code"),
    (1 << 8, "jump to an address that holds no code"),
    (1 << 1, "bad access"),
    (1 << 9, "bad access"),
    (1 << 10, "bad access (late)"),
)
_ADDRESS_KNOWN = (1 << 7) | (1 << 15)
_STACKING_FAILED = (1 << 4) | (1 << 12)
_FAR = 64 * 1024


@dataclass(frozen=True)
class FaultReport:
    """Where the processor stood when it faulted.

    Attributes:
        pc: address of the instruction; 0 if the processor could not save it.
        lr: link register; after a stack overflow a return address found on the stack, or 0.
        sp: stack pointer.
        status: Configurable Fault Status Register; 0 on cores that have none.
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

    @property
    def cause(self) -> str:
        """The reason in words."""
        text = next((text for bit, text in _CAUSES if self.status & bit), "fault")
        known = self.status & _ADDRESS_KNOWN
        return f"{text} at address {self.address:#010x}" if known else text


def fault_error(
    device: str, target: Target, symbols: Symbols, report: FaultReport, cause: str | None = None
) -> DeviceError:
    """The error that a user reads.

    Args:
        device: name of the device.
        target: what the firmware was built for.
        symbols: of the firmware.
        report: where it stopped.
        cause: the reason in words, if known better than from the report.
    """
    function = symbols.function_at(report.pc)
    # After a call that never returns, the return address is already in the next function.
    caller = symbols.function_at(report.lr - 2)
    place = f"`{function}`" if function else f"the code at {report.pc:#010x}"
    if not report.pc:
        place = f"a callee of `{caller}`" if caller else "an unknown function"
    called = f", called from `{caller}`" if caller and caller != function and function else ""
    where = f" (near pc {report.pc:#010x})" if report.pc else ""
    if _is_overflow(target, report):
        what = "stack overflow"
        hint = "the stack is too small: build the firmware with a larger stack_bytes"
    else:
        what = cause or report.cause
        hint = "the generated code or the memory plan is wrong; please report it with the model"
    return DeviceError(f"fault in {place}{called}{where}: {what}", where=device, hint=hint)


def _is_overflow(target: Target, report: FaultReport) -> bool:
    bottom = target.stack_region.origin
    if report.status & _STACKING_FAILED or report.sp < bottom:
        return True
    return bool(report.status & _ADDRESS_KNOWN) and bottom - _FAR <= report.address < bottom
