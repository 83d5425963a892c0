"""A fault of the firmware in words: the function, the address, the likely reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kilograd.arch import architecture_of
from kilograd.errors import DeviceError

if TYPE_CHECKING:
    from kilograd.arch import FaultReport
    from kilograd.targets import Target
    from kilograd.toolchain.elf import Symbols

_FAR = 64 * 1024


def fault_error(
    device: str,
    target: Target,
    symbols: Symbols,
    report: FaultReport,
    cause: str | None = None,
    *,
    knows_address: bool = False,
) -> DeviceError:
    """The error that a user reads.

    Args:
        device: name of the device.
        target: what the firmware was built for.
        symbols: of the firmware.
        report: where it stopped.
        cause: the reason in words, if known better than from the report.
        knows_address: whether the address is known, whatever the report's status says.
    """
    function = symbols.function_at(report.pc)
    # After a call that never returns, the return address is already in the next function.
    caller = symbols.function_at(report.lr - 2)
    place = f"`{function}`" if function else f"the code at {report.pc:#010x}"
    if not report.pc:
        place = f"a callee of `{caller}`" if caller else "an unknown function"
    called = f", called from `{caller}`" if caller and caller != function and function else ""
    where = f" (near pc {report.pc:#010x})" if report.pc else ""
    if _is_overflow(target, report, knows_address=knows_address):
        what = "stack overflow"
        hint = "the stack is too small: build the firmware with a larger stack_bytes"
    else:
        what = cause or architecture_of(target).cause(report)
        hint = "the generated code or the memory plan is wrong; please report it with the model"
    return DeviceError(f"fault in {place}{called}{where}: {what}", where=device, hint=hint)


def _is_overflow(target: Target, report: FaultReport, *, knows_address: bool) -> bool:
    bottom = target.stack_region.origin
    architecture = architecture_of(target)
    if architecture.overflowed(report) or report.sp < bottom:
        return True
    knows_address = knows_address or architecture.knows_address(report)
    return knows_address and bottom - _FAR <= report.address < bottom
