"""Tables and the picture of bench/results/stream.json, for bench/tables.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from markdown import table

from kilograd.report.svg import element, label, line, path

Ledger = Mapping[str, Any]
Row = Mapping[str, Any]

_DRIFTS = ("brightness:80", "noise:40")
_NEW_CLASS, _REPEATED = "new class", "new class, 4 steps a sample"


def _cells(ledger: Ledger, scenarios: Iterable[str]) -> dict[tuple[str, str, str], list[Row]]:
    """(pack, scheme, scenario) -> a row a seed."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for key, row in sorted(ledger["runs"].items()):
        data, scheme, scenario, _ = key.split(" | ")
        if scenario in scenarios:
            found.setdefault((data, scheme, scenario), []).append(row)
    return found


def _shown(values: Iterable[float]) -> str:
    """Mean, and half the distance between the best and the worst."""
    percents = [100 * value for value in values]
    return f"{np.mean(percents):.1f} ± {(max(percents) - min(percents)) / 2:.1f}"


def _column(rows: list[Row], name: str) -> str:
    return _shown(row[name] for row in rows)


def _plain_end(ledger: Ledger, data: str, scheme: str) -> str:
    return _column(_cells(ledger, ["plain"])[data, scheme, "plain"], "end")


def _largest_fall(rows: list[Row]) -> str:
    """Points that the first class that lost most lost from the change to the end."""
    pairs = [(np.array(row["classes_before"]), np.array(row["classes_end"])) for row in rows]
    return _shown(float((before - end).max()) for before, end in pairs)


def plain(ledger: Ledger) -> str:
    """Every sample once, nothing changes."""
    body = [
        [data, scheme, f"{rows[0]['samples']:,}", _column(rows, "start"), _column(rows, "end")]
        for (data, scheme, _), rows in _cells(ledger, ["plain"]).items()
    ]
    return table(["pack", "scheme", "samples", "before the first", "after the last"], body)


def new_class(ledger: Ledger) -> str:
    """All classes, the new one, and the others."""
    body = [
        [
            data,
            scheme,
            *(_column(rows, name) for name in ("right_after", "end", "not_learned", "new_class")),
            f"{_column(rows, 'before')} → {_column(rows, 'unchanged')}",
            _largest_fall(rows),
            _plain_end(ledger, data, scheme),
        ]
        for (data, scheme, _), rows in _cells(ledger, [_NEW_CLASS]).items()
    ]
    header = ["pack", "scheme", "right after", "at the end", "had it not learned", "new class, end"]
    header += ["first classes, before → end", "class that fell most, points"]
    header.append("all at the end, had none come late")
    return table(header, body)


def drift(ledger: Ledger) -> str:
    """Drifted samples, and undrifted ones at the end."""
    body = [
        [
            data,
            scheme,
            scenario,
            *(_column(rows, name) for name in ("before", "not_learned", "end", "unchanged")),
            _plain_end(ledger, data, scheme),
        ]
        for (data, scheme, scenario), rows in _cells(ledger, _DRIFTS).items()
    ]
    header = ["pack", "scheme", "drift", "before", "right after, or had it not learned"]
    header += ["at the end", "undrifted samples, at the end", "had nothing drifted"]
    return table(header, body)


def repeats(ledger: Ledger) -> str:
    """One and four steps on each sample, with a new class."""
    body: list[list[str]] = []
    for (data, scheme, scenario), rows in _cells(ledger, [_NEW_CLASS, _REPEATED]).items():
        if (data, scheme, _REPEATED) in _cells(ledger, [_REPEATED]):
            steps = "1" if scenario == _NEW_CLASS else "4"
            figures = [_column(rows, name) for name in ("end", "new_class", "unchanged")]
            body.append([data, scheme, steps, *figures])
    return table(
        ["pack", "scheme", "steps a sample", "all classes", "new class", "first classes"], body
    )


# The picture

_SCENARIOS = {
    _NEW_CLASS: "a new class",
    "brightness:80": "brighter by 80 of 255",
    "noise:40": "noise, σ = 40 of 255",
}
_STYLE = """
.bg { fill: #ffffff; } text { fill: #1b2026; } .h { font-size: 13px; font-weight: 600; }
.s { fill: #5c6670; font-size: 10.5px; } .grid { stroke: #eaecef; } .cut { stroke: #1b2026;
stroke-dasharray: 2 3; } .curve { fill: none; stroke: #2d6fb0; stroke-width: 2; }
.plain { fill: none; stroke: #b9c0c8; stroke-width: 1.5; } .frozen { stroke: #c0392b;
stroke-width: 1.3; stroke-dasharray: 3 3; } .mark { fill: #2c9157; } .hollow { fill: #ffffff;
stroke: #2c9157; stroke-width: 2; }
@media (prefers-color-scheme: dark) { .bg { fill: #181c21; } text { fill: #e7eaee; }
.s { fill: #a3adb8; } .grid { stroke: #262b32; } .cut { stroke: #e7eaee; }
.curve { stroke: #6aa9e6; } .plain { stroke: #525c67; } .frozen { stroke: #ff7b6b; }
.mark { fill: #4cc07e; } .hollow { fill: #181c21; stroke: #4cc07e; } }
"""
_LEFT, _TOP, _WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 104.0, 52.0, 218.0, 122.0, 26.0, 40.0
_SCHEME = "mcunet-5fps/99kb"


def picture(ledger: Ledger) -> str:
    """Test-then-train accuracy of every pack and change, as a self-contained SVG."""
    packs = sorted({key.split(" | ")[0] for key in ledger["curves"]})
    width = _LEFT + len(_SCENARIOS) * (_WIDTH + _GAP_X)
    height = _TOP + len(packs) * (_HEIGHT + _GAP_Y) + 36
    children = [element("style", {}, _STYLE)]
    children.append(
        element("rect", {"class": "bg", "width": width, "height": height, "rx": 8}),
    )
    for column, (scenario, title) in enumerate(_SCENARIOS.items()):
        left = _LEFT + column * (_WIDTH + _GAP_X)
        children.append(label(left, 30, title, "h"))
        for place, data in enumerate(packs):
            top = _TOP + place * (_HEIGHT + _GAP_Y)
            if column == 0:
                children.append(label(14, top + _HEIGHT / 4, data, "h"))
            children += _panel(ledger, data, scenario, left, top)
    children += _key(height - 32)
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width:g} {height:g}",
        "font-family": "system-ui, sans-serif",
        "font-size": 12,
        "role": "img",
        "aria-label": "Test-then-train accuracy over a stream, with a change in its middle",
    }
    return element("svg", attributes, *children) + "\n"


def _panel(ledger: Ledger, data: str, scenario: str, left: float, top: float) -> list[str]:
    rows = _cells(ledger, [scenario])[data, _SCHEME, scenario]
    samples = rows[0]["samples"]

    def x(sample: float) -> float:
        return left + _WIDTH * sample / samples

    def y(share: float) -> float:
        return top + _HEIGHT * (1 - share)

    def mean(name: str) -> float:
        return float(np.mean([row[name] for row in rows]))

    parts: list[str] = []
    for share in (0.0, 0.5, 1.0):
        parts.append(line(left, y(share), left + _WIDTH, y(share), "grid"))
        if left == _LEFT:
            parts.append(label(left - 5, y(share) + 3.5, f"{share:.0%}", "s", "end"))
    for sample in (0, samples):
        anchor = "start" if not sample else "end"
        parts.append(label(x(sample), top + _HEIGHT + 14, f"{sample:,}", "s", anchor))
    change = rows[0]["change"]
    parts.append(line(x(change), top - 4, x(change), top + _HEIGHT, "cut"))
    frozen = y(mean("not_learned"))
    parts.append(line(x(change), frozen, left + _WIDTH, frozen, "frozen"))
    for name, css in (("plain", "plain"), (scenario, "curve")):
        curve = ledger["curves"][f"{data} | {_SCHEME} | {name}"]
        places = [samples * (index + 1) / len(curve) for index in range(len(curve))]
        points = [(x(at), y(share)) for at, share in zip(places, curve, strict=True)]
        parts.append(element("path", {"d": path(points), "class": css}))
    marks = (
        (change, "before", "mark"),
        (change, "right_after", "hollow"),
        (samples, "end", "mark"),
    )
    for sample, name, css in marks:
        at = {"cx": x(sample), "cy": y(mean(name)), "r": 4}
        parts.append(element("circle", {**at, "class": css}))
    return parts


def _key(top: float) -> list[str]:
    parts: list[str] = []
    entries = (
        ("curve", "training samples, each predicted before it is learned from, last 100"),
        ("plain", "the same of a stream without a change"),
        ("mark", "test samples: before the change, right after it (hollow), at the end"),
        ("frozen", "test samples, had it not learned from the change"),
    )
    for index, (css, text) in enumerate(entries):
        x, y = _LEFT + 425 * (index % 2), top + 18 * (index // 2)
        if css == "mark":
            parts.append(element("circle", {"cx": x + 8, "cy": y - 4, "r": 4, "class": css}))
        else:
            parts.append(line(x, y - 4, x + 16, y - 4, css))
        parts.append(label(x + 22, y, text, "s"))
    return parts
