"""Draw the schemes of a front: what they take of SRAM and how much they gain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kilograd.report.svg import (
    byte_ticks,
    decimal_ticks,
    drawing,
    element,
    label,
    line,
    path,
    steps,
)
from kilograd.report.units import kibibytes

if TYPE_CHECKING:
    from kilograd.report.searched import Searched

# Pixels of the view box.
_WIDTH, _WIDEST, _LEFT, _RIGHT = 560.0, 760.0, 54.0, 540.0
_TOP, _BOTTOM = 34.0, 250.0
_RADIUS = 5.0


def front(found: Searched) -> str:
    """Draw a point a scheme, and the staircase of the best sum of gains for each size."""
    points = found.points
    most = max(point.sram_total_bytes for point in points)
    high = max(point.gain for point in points) or 1.0

    def x(size: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * size / most

    def y(gain: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * gain / high

    parts = [label(0, _TOP - 16, f"sum of gains ({found.unit})", "panel-title")]
    for tick in decimal_ticks(high, 4):
        parts.append(line(_LEFT, y(tick), _RIGHT, y(tick), "grid"))
        parts.append(label(_LEFT - 6, y(tick) + 4, f"{tick:g}", "tick", "end"))
    parts += [
        label(x(size), _BOTTOM + 18, kibibytes(size), "tick", "middle")
        for size in byte_ticks(most, 8)
    ]
    corners = steps([(x(point.sram_total_bytes), y(point.gain)) for point in points])
    parts.append(element("path", {"d": path(corners), "class": "curve loss"}))
    for point in points:
        place = x(point.sram_total_bytes), y(point.gain)
        circle = {"cx": place[0], "cy": place[1], "r": _RADIUS, "class": "mark"}
        title = f"{point.name}: {point.sram_total_bytes:,} bytes"
        parts.append(element("circle", circle, element("title", {}, title)))
        parts.append(label(place[0] - 8, place[1] - 9, point.name, "mark-note", "end"))
    text = f"The best of {len(points)} budgets, from {points[0].name} to {points[-1].name}"
    return drawing(_WIDTH, _BOTTOM + 28, text, parts, most=_WIDEST)
