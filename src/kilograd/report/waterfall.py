"""Draw how much SRAM each optimization of the compiler saves, as bars below each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kilograd.compiler import Optimization
from kilograd.report.svg import byte_ticks, drawing, label, line, rectangle
from kilograd.report.units import kibibytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.measuring.ablation import Planned

# Pixels of the view box.
_WIDTH, _LEFT, _RIGHT = 1120.0, 250.0, 900.0
_TOP, _STEP, _BAR = 26.0, 27.0, 17.0
_BASELINE = 13.0

#: The optimization that each bar adds to the bar above it, in words.
OPTIMIZATION_TEXT = {
    None: "no optimization",
    Optimization.IN_PLACE: "+ results in place",
    Optimization.REORDERED: "+ nodes reordered",
    Optimization.ROWS: "+ first layers in rows",
    Optimization.ROW_INPUT: "+ sample streamed in rows",
    Optimization.SLICES: "+ weights in slices",
    Optimization.RECOMPUTED: "+ masks recomputed",
}


def waterfall(steps: Sequence[Planned]) -> str:
    """Draw the figure.

    Args:
        steps: Plans of the same step, each with one more optimization.
    """
    most = max(step.total for step in steps)
    bottom = _TOP + _STEP * len(steps)
    parts: list[str] = []
    for tick in byte_ticks(most):
        x = _x(tick, most)
        parts.append(line(x, _TOP - 6, x, bottom, "grid"))
        parts.append(label(x, _TOP - 11, kibibytes(tick), "tick", "middle"))
    before = 0
    for index, step in enumerate(steps):
        css = "last" if index == len(steps) - 1 else ""
        parts += _bar(step, before, most, _TOP + _STEP * index, css)
        before = step.total
    return drawing(_WIDTH, bottom + 4, "Planned bytes, with one more optimization per bar", parts)


def _x(count: int, most: int) -> float:
    return _LEFT + (_RIGHT - _LEFT) * count / max(1, most)


def _bar(step: Planned, before: int, most: int, y: float, css: str) -> list[str]:
    """Draw the trained state, the arena, and what is saved of the bytes of the bar above."""
    state, end = _x(step.trainable, most), _x(step.total, most)
    parts = [
        label(0, y + _BASELINE, OPTIMIZATION_TEXT[step.optimization], css),
        rectangle(_LEFT, y, state - _LEFT, _BAR, "p-trainable"),
        rectangle(state, y, end - state, _BAR, "p-arena"),
    ]
    if before > step.total:
        parts.append(rectangle(end, y, _x(before, most) - end, _BAR, "w-saved"))
    text = f"{step.total:,}"
    if before not in (0, step.total):
        text += f"  ({_signed(step.total - before)})"
    parts.append(label(_x(max(step.total, before), most) + 8, y + _BASELINE, text, css))
    return parts


def _signed(count: int) -> str:
    """Write a difference with its sign; the minus is as wide as the plus."""
    return f"{count:+,}".replace("-", "−")
