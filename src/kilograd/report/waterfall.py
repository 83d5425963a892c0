"""What each part of the compiler saves of SRAM, as bars below each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kilograd.compiler import Optimization
from kilograd.measuring.ablation import Planned
from kilograd.report.svg import (
    byte_ticks,
    drawing,
    element,
    escape,
    kibibytes,
    label,
    line,
    rectangle,
)

_WIDTH, _LEFT, _RIGHT = 1120.0, 250.0, 900.0
_TOP, _FONT_DROP, _BAR, STEP = 26.0, 13.0, 17.0, 27.0

#: What is put in with each part, in words.
LEVER_TEXT = {
    None: "none of the parts below",
    Optimization.IN_PLACE: "+ results in place",
    Optimization.REORDERED: "+ reordered",
    Optimization.ROWS: "+ first layers in rows",
    Optimization.ROW_INPUT: "+ sample streamed in rows",
    Optimization.SLICES: "+ weights in slices",
    Optimization.RECOMPUTED: "+ masks made again",
}


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        name: what it stands for.
        arena: bytes.
        trainable: bytes.
    """

    name: str
    arena: int
    trainable: int

    @property
    def total(self) -> int:
        """Its length in bytes."""
        return self.arena + self.trainable


@dataclass(frozen=True)
class Scale:
    """Where bars are drawn.

    Attributes:
        name_x: pixels; the names begin there.
        left: pixels of zero bytes.
        right: pixels of ``most`` bytes.
        most: bytes.
    """

    name_x: float
    left: float
    right: float
    most: int

    def x(self, count: float) -> float:
        """Pixels of a number of bytes."""
        return self.left + (self.right - self.left) * count / max(1, self.most)


def bars(rows: Sequence[Bar], scale: Scale, top: float) -> list[str]:
    """Markup of the bars, ``STEP`` pixels apart: trained state, arena, what was saved."""
    parts: list[str] = []
    before = 0
    for index, row in enumerate(rows):
        y = top + STEP * index
        css = "last" if index == len(rows) - 1 else ""
        state, end = scale.x(row.trainable), scale.x(row.total)
        parts.append(label(scale.name_x, y + _FONT_DROP, row.name, css))
        parts.append(rectangle(scale.left, y, state - scale.left, _BAR, "p-trainable"))
        parts.append(rectangle(state, y, end - state, _BAR, "p-arena"))
        if before > row.total:
            parts.append(rectangle(end, y, scale.x(before) - end, _BAR, "w-saved"))
        change = f"  ({signed(row.total - before)})" if before not in (0, row.total) else ""
        at = scale.x(max(row.total, before)) + 8
        parts.append(label(at, y + _FONT_DROP, f"{row.total:,}{change}", css))
        before = row.total
    return parts


def signed(count: int) -> str:
    """A difference with its sign, as a minus that is as wide as the plus."""
    return f"{count:+,}".replace("-", "−")


def waterfall(steps: Sequence[Planned]) -> str:
    """The figure of a report.

    Args:
        steps: one part of the compiler more at a time.
    """
    rows = [Bar(LEVER_TEXT[step.optimization], step.arena, step.trainable) for step in steps]
    most = max(row.total for row in rows)
    scale = Scale(0.0, _LEFT, _RIGHT, most)
    bottom = _TOP + STEP * len(rows)
    parts = [element("title", {}, escape("What each part of the compiler saves"))]
    for tick in byte_ticks(most):
        parts.append(line(scale.x(tick), _TOP - 6, scale.x(tick), bottom, "grid"))
        parts.append(label(scale.x(tick), _TOP - 11, kibibytes(tick), "tick", "middle"))
    parts += bars(rows, scale, _TOP)
    return drawing(_WIDTH, bottom + 4, "Planned bytes with one part of the compiler more", parts)
