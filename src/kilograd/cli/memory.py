"""How much is kept of samples, as people write it: 64KB, 20/class, or both."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kilograd.cli.blame import blame
from kilograd.cli.sizes import parse_size
from kilograd.compiler import Program
from kilograd.errors import UserError
from kilograd.training.stream import MemoryOptions

OPTION = "--memory"


@dataclass(frozen=True)
class MemoryRequest:
    """A memory of samples that is asked for.

    Attributes:
        room_bytes: of RAM; None for as much as ``per_class`` of every class take.
        per_class: most samples of a class; 0 for as many as there is room.
    """

    room_bytes: int | None
    per_class: int

    @classmethod
    def parse(cls, text: str | None) -> MemoryRequest | None:
        """What an option says; None without one.

        Raises:
            UserError: it is no size, no number of a class, or not one of each.
        """
        if text is None:
            return None
        room_bytes: int | None = None
        per_class = 0
        for part in text.split(","):
            if match := re.fullmatch(r"\s*(\d{1,6})\s*/\s*class\s*", part):
                if per_class:
                    raise UserError(
                        f"{text!r} limits classes twice", where=OPTION, hint="once will do"
                    )
                per_class = int(match[1])
                if not per_class:
                    raise UserError("0 samples of a class are no memory", where=OPTION)
                continue
            if room_bytes is not None:
                raise UserError(f"{text!r} names two sizes", where=OPTION, hint="write one")
            room_bytes = _room(part)
        return cls(room_bytes, per_class)

    def options(self, program: Program) -> MemoryOptions:
        """The memory of a program.

        Raises:
            UserError: there is no room for two samples, or no samples can be kept.
        """
        with blame(OPTION):
            return MemoryOptions.for_program(
                program, per_class=self.per_class, room_bytes=self.room_bytes
            )


def _room(text: str) -> int:
    size, _, place = text.partition("@")
    if place.strip().lower() not in ("", "sram"):
        raise UserError(
            f"samples are kept in SRAM here, not in {place.strip()!r}",
            where=OPTION,
            hint="kg_memory.h of the C keeps them in flash, too; write 64KB or 64KB@sram",
        )
    try:
        return parse_size(size, OPTION)
    except UserError as error:
        error.hint = "write 64KB, 20/class, or 64KB,20/class"
        raise
