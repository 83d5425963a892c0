"""The frame of a curve over training steps: a panel, its ticks, and notes beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kilograd.report.svg import decimal_ticks, label, line, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

# Pixels of the view box.
WIDTH, HEIGHT, WIDEST = 350.0, 268.0, 460.0
TOP, BOTTOM = 46.0, 226.0
LEFT, _PANEL = 38.0, 216.0
RIGHT = LEFT + _PANEL
_TEXT_GAP = 32.0
#: Notes beside a panel end this far above its lower edge, clear of the ticks.
_TICK_ROOM = 14.0

#: Points of a curve at most.
BINS = 240


@dataclass(frozen=True)
class Panel:
    """Map steps and values to pixels.

    Attributes:
        steps: Step at its right edge.
        top: Value at its upper edge.
    """

    steps: int
    top: float

    def x(self, step: float) -> float:
        """Pixels from the left of a step."""
        return LEFT + _PANEL * step / max(1, self.steps)

    def y(self, value: float) -> float:
        """Pixels from the top of a value, within the panel."""
        return BOTTOM - (BOTTOM - TOP) * min(max(value, 0.0), self.top) / self.top


def margin(panel: Panel, texts: Sequence[tuple[float, str, str, str]]) -> list[str]:
    """Write (value, figure, note, classes) right of a panel, each near the value's height."""
    ordered = sorted(texts, key=lambda text: -text[0])
    places = spread([panel.y(text[0]) for text in ordered], _TEXT_GAP, TOP, BOTTOM - _TICK_ROOM)
    parts: list[str] = []
    for (_, figure, note, css), y in zip(ordered, places, strict=True):
        x = RIGHT + 12
        if figure:
            parts.append(label(x, y + 3, figure, css))
        parts.append(label(x, y + (16 if figure else 3.5), note, "mark-note"))
    return parts


def frame(panel: Panel, title: str, ticks: Sequence[tuple[float, str]], axis: str) -> list[str]:
    """Draw what is around a curve: a title, lines at heights, steps, and what the steps are."""
    parts = [label(0, TOP - 32, title, "panel-title")]
    for value, text in ticks:
        y = panel.y(value)
        parts += [
            line(LEFT, y, RIGHT, y, "grid"),
            label(LEFT - 7, y + 3.5, text, "tick", "end"),
        ]
    for step in decimal_ticks(panel.steps):
        if step % 1 == 0:
            x = panel.x(step)
            parts.append(label(x, BOTTOM + 16, f"{step:,.0f}", "tick", "middle"))
    middle = (LEFT + RIGHT) / 2
    parts.append(label(middle, BOTTOM + 34, axis, "axis", "middle"))
    return parts


def ends_of(count: int, least: int) -> list[int]:
    """Return the ends of the averages: at most ``BINS``, the first after ``least`` steps."""
    if not count:
        return []
    first = min(least, count)
    places = np.linspace(first, count, min(BINS, count - first + 1))
    return [int(place) for place in np.unique(np.rint(places))]
