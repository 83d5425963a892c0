"""Draw all parts of the SRAM as one bar beside the memory map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kilograd.report.map_axes import MAP_LEFT, TOP
from kilograd.report.svg import element, label, line, path, rectangle, spread
from kilograd.report.units import kibibytes, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.report.analysis import SramPart
    from kilograd.report.map_axes import Axes

_BAR_X, _BAR_WIDTH = 128.0, 56.0
_LABEL_GAP = 30.0


def sram_bar(parts: Sequence[SramPart], budget: int | None, axes: Axes) -> list[str]:
    """Draw all parts of the SRAM as one bar, joined to the map at the arena."""
    total = sum(part.size for part in parts)
    top = max(total, budget or 0, 1)
    scale = (axes.bottom - TOP) / top
    right = _BAR_X + _BAR_WIDTH

    def height(size: float) -> float:
        return axes.bottom - size * scale

    arena = parts[0].size
    funnel = [
        (right, height(arena)),
        (MAP_LEFT, TOP),
        (MAP_LEFT, axes.map_bottom),
        (right, height(0)),
    ]
    drawn = [element("path", {"d": path(funnel) + "Z", "class": "funnel"})]
    drawn.append(rectangle(_BAR_X, TOP, _BAR_WIDTH, axes.bottom - TOP, "track"))
    start = 0
    names: list[tuple[float, str, int, str]] = []
    for part in parts:
        y, bottom = height(start + part.size), height(start)
        whole = "the budget" if budget else "the total"
        title = (
            f"{part.name}: {part.size:,} bytes, {percent(part.size / (budget or total))} of {whole}"
        )
        drawn.append(
            rectangle(_BAR_X, y, _BAR_WIDTH, max(bottom - y, 0.75), f"p-{part.key}", title=title)
        )
        names.append(((y + bottom) / 2, part.name, part.size, f"p-{part.key}-text"))
        start += part.size
    if budget and budget > total:
        middle = (height(total) + height(budget)) / 2
        names.append((middle, "free", budget - total, "p-free-text"))
    elif budget and budget < total:
        names.append((height(budget), "budget", budget, "over-name"))
    drawn += _bar_labels(names, axes)
    drawn.append(label(_BAR_X + _BAR_WIDTH / 2, axes.bottom + 16, "SRAM", "axis", "middle"))
    if budget:
        drawn += _budget_line(total, budget, height(budget))
    return drawn


def _bar_labels(names: Sequence[tuple[float, str, int, str]], axes: Axes) -> list[str]:
    """Write (height, name, bytes, classes) left of the bar, with lines to their heights."""
    ordered = sorted(names, key=lambda name: -name[0])
    heights = [-middle for middle, *_ in ordered]
    places = spread(heights, _LABEL_GAP, -axes.bottom + 8, -TOP - 14)
    parts: list[str] = []
    for (middle, name, size, css), place in zip(ordered, places, strict=True):
        leader = path([(_BAR_X - 4, middle), (_BAR_X - 12, -place), (_BAR_X - 18, -place)])
        parts += [
            element("path", {"d": leader, "class": "leader"}),
            label(_BAR_X - 22, -place - 3.5, name, f"part {css}", "end"),
            label(_BAR_X - 22, -place + 10.5, f"{size:,}", "part-size", "end"),
        ]
    return parts


def _budget_line(total: int, budget: int, y: float) -> list[str]:
    """Draw the budget; where it is exceeded, its name is among the labels of the bar."""
    right = _BAR_X + _BAR_WIDTH
    if total > budget:
        return [line(_BAR_X - 6, y, right + 6, y, "over")]
    name = f"budget {kibibytes(budget)}"
    return [
        line(_BAR_X - 6, y, right + 6, y, "budget"),
        label(right + 6, y - 7, name, "budget-name", "end"),
    ]
