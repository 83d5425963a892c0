"""What a state begins with, on every device: seed, training steps, active classes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class StateHeader:
    """The first words of a state; trained values follow in the order of the graph's states.

    Attributes:
        seed: of the stochastic rounding, uint32.
        steps: training steps done, modulo 2^32.
        classes: how many classes, the first ones, are predicted and learned.
    """

    seed: int
    steps: int
    classes: int

    _FORMAT: ClassVar = struct.Struct("<3I")
    #: bytes before the first trained value
    BYTES: ClassVar = 12
    #: of each field, bytes from the start of the state
    OFFSETS: ClassVar = {"seed": 0, "steps": 4, "classes": 8}

    def pack(self) -> bytes:
        """As it stands in a state."""
        return self._FORMAT.pack(self.seed, self.steps, self.classes)

    @classmethod
    def unpack(cls, state: bytes) -> StateHeader:
        """The header at the start of a state, whose values follow it."""
        return cls(*cls._FORMAT.unpack_from(state))
