"""Draw the schemes of a front: what they take of SRAM and how much they gain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kilograd.report.svg import (
    byte_ticks,
    decimal_ticks,
    drawing,
    element,
    escape,
    label,
    line,
    path,
    steps,
    text_width,
)
from kilograd.report.units import kibibytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.report.searched import Searched

# Pixels of the view box.
_WIDTH, _WIDEST, _LEFT, _RIGHT = 560.0, 760.0, 54.0, 540.0
_TOP, _BOTTOM = 34.0, 250.0
_RADIUS, _FONT = 5.0, 10.5
#: Where a name may stand beside its point: pixels to the right and down, and its anchor.
_SIDES = ((-8.0, -9.0, "end"), (9.0, 15.0, "start"), (-8.0, 17.0, "end"), (9.0, -9.0, "start"))


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
    places = [(x(point.sram_total_bytes), y(point.gain)) for point in points]
    for point, (across, down) in zip(points, places, strict=True):
        title = escape(f"{point.name}: {point.sram_total_bytes:,} bytes")
        circle = {"cx": across, "cy": down, "r": _RADIUS, "class": "mark"}
        parts.append(element("circle", circle, element("title", {}, title)))
    parts += _names([point.name for point in points], places)
    text = f"The best of {len(points)} budgets, from {points[0].name} to {points[-1].name}"
    return drawing(_WIDTH, _BOTTOM + 28, text, parts, most=_WIDEST)


def _names(names: Sequence[str], places: Sequence[tuple[float, float]]) -> list[str]:
    """Write names beside their points, except where they would cover other names or points."""
    taken = [(x - _RADIUS, x + _RADIUS, y - _RADIUS, y + _RADIUS) for x, y in places]
    parts: list[str] = []
    for name, (x, y) in zip(names, places, strict=True):
        width = text_width(name, _FONT)
        for right, down, anchor in _SIDES:
            left = x + right - (width if anchor == "end" else 0)
            box = (left, left + width, y + down - _FONT, y + down + 3)
            if _is_free(box, taken):
                parts.append(label(x + right, y + down, name, "mark-note", anchor))
                taken.append(box)
                break
    return parts


def _is_free(
    box: tuple[float, float, float, float], taken: Sequence[tuple[float, float, float, float]]
) -> bool:
    """Tell whether a box (left, right, top, bottom) is in the drawing and covers no other."""
    left, right, top, bottom = box
    return (
        left >= 0
        and right <= _WIDTH
        and not any(
            left < other[1] and other[0] < right and top < other[3] and other[2] < bottom
            for other in taken
        )
    )
