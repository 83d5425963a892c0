"""Rules for the exponents of gradients (docs/numerics.md, section 6), and programs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kilograd.compiler import Program
from kilograd.ops.gradient_scale.op import EXPONENT_LIMIT

_FILE = "kg_adapt_exponent_plain.c"


@dataclass(frozen=True)
class Rule:
    """How an exponent follows the largest magnitude of a gradient.

    Attributes:
        label: in tables.
        up: sixteenths of a power of two that it rises by where an element was too large.
        bits: of the largest magnitude at which it stays.
    """

    label: str
    up: int = 4
    bits: int = 7

    def change(self, bits: int) -> int:
        """Sixteenths, for the bit length of the largest magnitude."""
        if bits in {0, self.bits}:
            return 0
        if bits > self.bits:
            return self.up + 16 * (bits - self.bits - 1)
        return -1 if bits >= self.bits - 3 else -16

    def program(self, program: Program) -> Program:
        """A program whose C follows this rule."""
        text = program.sources[_FILE]
        for shipped, chosen in (
            ("bits > 7", f"bits > {self.bits}"),
            ("4 + 16 * (bits - 8)", f"{self.up} + 16 * (bits - {self.bits + 1})"),
            ("bits != 7", f"bits != {self.bits}"),
            ("bits >= 4", f"bits >= {self.bits - 3}"),
        ):
            if text.count(shipped) != 1:
                msg = f"{_FILE} does not say {shipped!r} once"
                raise ValueError(msg)
            text = text.replace(shipped, chosen)
        return replace(program, sources={**program.sources, _FILE: text})

    def adapted(self, exponent: int, magnitude: int) -> Sequence[Any]:
        """As ``AdaptExponent.reference``."""
        new = exponent + self.change(magnitude.bit_length())
        return (np.array([np.clip(new, -EXPONENT_LIMIT, EXPONENT_LIMIT)], np.int32),)


SHIPPED = Rule("as shipped: up a quarter of a power of two")
RULES = {
    "shipped": SHIPPED,
    "half": Rule("up a half", up=8),
    "whole": Rule("up a whole power", up=16),
    "headroom": Rule("one bit of headroom", bits=6),
}
