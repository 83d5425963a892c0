"""The exception tree.

KilogradError                 a fault of kilograd itself: exit code 1
└── UserError                 the input is wrong or cannot fit: exit code 2
    ├── ModelError            a checkpoint or a graph that cannot be used
    ├── SchemeError           an update scheme that names what is not there
    ├── TargetError           a machine that is not known, or whose file is wrong
    ├── DataError             samples, labels or images that cannot be read
    ├── BudgetError           the firmware does not fit the memory it was given
    ├── ToolchainError        a compiler, an emulator or a cache that is missing or refused
    └── DeviceError           a device that stopped: fault, overflow, broken protocol
"""

from __future__ import annotations


class KilogradError(Exception):
    """A fault of kilograd itself; the command line exits with code 1."""

    exit_code = 1


class UserError(KilogradError):
    """The user's input is wrong or cannot fit; the command line exits with code 2.

    Args:
        what: one sentence that says what is wrong.
        where: file, line, layer or option that it was found in, if known.
        hint: advice that helps, if there is any.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(what)

    def __str__(self) -> str:
        location = f"{self.where}: " if self.where else ""
        advice = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{location}{self.what}{advice}"


class ModelError(UserError):
    """A checkpoint or a graph that cannot be used."""


class SchemeError(UserError):
    """An update scheme that names what is not there."""


class TargetError(UserError):
    """A machine that is not known, or whose file is wrong."""


class DataError(UserError):
    """Samples, labels or images that cannot be read."""


class BudgetError(UserError):
    """The firmware does not fit the memory it was given."""


class ToolchainError(UserError):
    """A compiler, an emulator or a cache that is missing or refused."""


class DeviceError(UserError):
    """A device that stopped: a fault, an overflow or a broken protocol."""
