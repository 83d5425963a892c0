"""The picture of bench/results/personalization.json: a panel a task, a line a scheme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from personalization_tables import TASKS, rows_of, schemes

from kilograd.report.svg import element, label, line, path, spread

Ledger = Mapping[str, Any]

_WIDTH, _HEIGHT = 900.0, 560.0
_LEFTS, _TOPS = (62.0, 502.0), (72.0, 316.0)
_PANEL_WIDTH, _PANEL_HEIGHT = 270.0, 160.0
#: Where an axis may begin: at the highest of these that no person is below.
_FLOORS = (0.0, 0.5, 0.8, 0.9)
_INTERVALS = 5
_PANELS = ("speakers", "digits", "motion", "turned")
_PLACES = ("before", "5", "10", "20")
#: Schemes by colour; the backbone's own one comes after them.
_KINDS = ("head", "bias", "last")
_LABEL_GAP = 15.0
_STYLE = """
.bg { fill: #fbfcfe; } text { fill: #17202f; } .note { fill: #53617a; font-size: 11px; }
.title { font-weight: 600; } .grid { stroke: #d5dbe6; stroke-width: 1; }
path { fill: none; stroke-width: 2; } .bar { stroke-width: 1.2; opacity: .55; }
.c0 { stroke: #3b82c4; } .c1 { stroke: #8a63c9; } .c2 { stroke: #3f9d63; } .c3 { stroke: #d9822b; }
.n0 { fill: #2a6aa5; } .n1 { fill: #7148b5; } .n2 { fill: #2d7a4b; } .n3 { fill: #b3661a; }
@media (prefers-color-scheme: dark) {
  .bg { fill: #10151e; } text { fill: #e8edf5; } .note { fill: #a9b6cb; }
  .grid { stroke: #2b3648; } .n0 { fill: #6fb0ea; } .n1 { fill: #b295ea; }
  .n2 { fill: #6fc793; } .n3 { fill: #eda763; }
}
"""


@dataclass(frozen=True)
class _Panel:
    """Places on the line and accuracies, from ``floor`` to 1, to pixels."""

    left: float
    top: float
    floor: float

    def x(self, place: float) -> float:
        return self.left + 18 + (_PANEL_WIDTH - 36) * place / (len(_PLACES) - 1)

    def y(self, accuracy: float) -> float:
        return self.top + _PANEL_HEIGHT * (1 - accuracy) / (1 - self.floor)


def personalization(ledger: Ledger) -> str:
    """The picture as SVG."""
    corners = [(left, top) for top in _TOPS for left in _LEFTS]
    parts = [
        element("style", {}, _STYLE),
        element("rect", {"class": "bg", "width": _WIDTH, "height": _HEIGHT, "rx": 8}),
        label(_LEFTS[0] - 36, 28, "Accuracy on people that the backbone never met", "title"),
    ]
    for task, corner in zip(_PANELS, corners, strict=True):
        panel = _Panel(*corner, _floor(ledger, task))
        parts += _frame(panel, TASKS[task]) + _lines(panel, ledger, task)
    notes = (
        "Mean over people and three seeds; thin bars reach down to the worst person.",
        "Axes begin at different accuracies; voice and person are the backbones' own schemes.",
    )
    for index, note in enumerate(notes):
        parts.append(label(_LEFTS[0] - 36, _HEIGHT - 28 + 16 * index, note, "note"))
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        "font-family": "system-ui, sans-serif",
        "font-size": 13,
        "role": "img",
        "aria-label": "Accuracy before and after 5, 10 and 20 samples a class, by task and scheme",
    }
    return element("svg", attributes, *(f"\n{part}" for part in parts)) + "\n"


def _floor(ledger: Ledger, task: str) -> float:
    rows = [row for name in schemes(ledger, task) for row in rows_of(ledger, task, name).values()]
    lowest = min(min(row["before_lowest"], row["after_lowest"]) for row in rows)
    return max(floor for floor in _FLOORS if floor <= lowest)


def _frame(panel: _Panel, title: str) -> list[str]:
    parts = [label(panel.left, panel.top - 12, title)]
    for index in range(_INTERVALS + 1):
        accuracy = panel.floor + (1 - panel.floor) * index / _INTERVALS
        y = panel.y(accuracy)
        parts += [
            line(panel.left, y, panel.left + _PANEL_WIDTH, y, "grid"),
            label(panel.left - 6, y + 4, f"{accuracy:.0%}", "note", "end"),
        ]
    bottom = panel.top + _PANEL_HEIGHT + 16
    parts += [
        label(panel.x(place), bottom, text, "note", "middle") for place, text in enumerate(_PLACES)
    ]
    middle = panel.left + _PANEL_WIDTH / 2
    return [*parts, label(middle, bottom + 16, "samples a class", "note", "middle")]


def _lines(panel: _Panel, ledger: Ledger, task: str) -> list[str]:
    parts: list[str] = []
    ends: list[tuple[float, str, int]] = []
    shown = schemes(ledger, task)
    for rank, scheme in enumerate(shown):
        colour = _KINDS.index(scheme.partition(":")[0]) if "/" not in scheme else len(_KINDS)
        found = rows_of(ledger, task, scheme)
        first = found[min(found)]
        values = [(first["before"], first["before_lowest"])]
        values += [(found[int(s)]["after"], found[int(s)]["after_lowest"]) for s in _PLACES[1:]]
        shift = 0.045 * (rank - (len(shown) - 1) / 2)
        points = [(panel.x(i + shift), panel.y(mean)) for i, (mean, _) in enumerate(values)]
        parts += [
            line(x, y, x, panel.y(lowest), f"bar c{colour}")
            for (x, y), (_, lowest) in zip(points, values, strict=True)
        ]
        parts.append(element("path", {"d": path(points), "class": f"c{colour}"}))
        parts += [
            element("circle", {"cx": x, "cy": y, "r": 2.6, "class": f"n{colour}"})
            for x, y in points
        ]
        name = scheme.rpartition("/")[2]
        ends.append((points[-1][1], f"{name} {values[-1][0]:.1%}", colour))
    ends.sort()
    low, high = panel.top + 4, panel.top + _PANEL_HEIGHT
    places = spread([y + 4 for y, _, _ in ends], _LABEL_GAP, low, high)
    x = panel.left + _PANEL_WIDTH + 6
    return parts + [
        label(x, y, text, f"n{colour}") for y, (_, text, colour) in zip(places, ends, strict=True)
    ]
