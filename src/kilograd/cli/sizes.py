"""Sizes as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kilograd.errors import UserError

_UNITS = {"": 1, "B": 1, "K": 1024, "KB": 1024, "KIB": 1024, "M": 1 << 20, "MB": 1 << 20,
          "MIB": 1 << 20}  # fmt: skip


@dataclass(frozen=True)
class Budgets:
    """What a firmware may take.

    Attributes:
        sram: bytes; None for all that the target has.
        flash: likewise.
    """

    sram: int | None = None
    flash: int | None = None

    @classmethod
    def parse(cls, sram: str | None, flash: str | None = None) -> Budgets:
        """The budgets of a command's options.

        Raises:
            UserError: names the option.
        """
        return cls(
            None if sram is None else parse_size(sram, "--sram"),
            None if flash is None else parse_size(flash, "--flash"),
        )


def parse_size(text: str, option: str) -> int:
    """Bytes of a size such as 256KB (1 KB is 1024 bytes), 1MB or 262144.

    Raises:
        UserError: names the option.
    """
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([A-Za-z]*)\s*", text)
    if match is None or match[2].upper() not in _UNITS:
        raise UserError(f"{text!r} is not a size", where=option, hint="write 256KB, 1MB or 262144")
    size = int(float(match[1]) * _UNITS[match[2].upper()])
    if size < 1:
        raise UserError("a budget must be at least one byte", where=option)
    return size
