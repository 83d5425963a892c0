"""The picture of bench/results/memory.json: what each part of the compiler saves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memory_tables import TINY_ENGINE_BYTES

from kilograd.report.svg import element, label, line, rectangle, text_width
from kilograd.report.waterfall import LEVER_TEXT, STEP, Bar, Scale, bars, signed

Ledger = Mapping[str, Any]
Row = Mapping[str, Any]

_NAMES = {
    "none" if optimization is None else optimization.value: text
    for optimization, text in LEVER_TEXT.items()
}
_WIDTH, _LEFT, _RIGHT = 860.0, 212.0, 640.0
_ALONE = 845.0
_TOP, _HEAD, _GAP = 84.0, 34.0, 22.0
_TOP_BYTES, _TICK = 280_000, 50_000
_NOTES = (
    "Planned bytes of a training step, arena and trained state; parts are put in one after the",
    "other. Left out alone: what a step takes more with all parts but this one (first layers in",
    "rows: nor a streamed sample). While the first layers are held whole, they set the peak and",
    "hide what the other parts save. Dashed: all of SRAM of Tiny Training Engine, measured, with",
    "its stack. Published for MCUNet: 3,650 KB for a full update, 560 sparse, 173 reordered.",
)
_STYLE = """
.bg { fill: #ffffff; } text { fill: #1b2026; } .title { font-size: 15px; font-weight: 600; }
.panel { font-weight: 600; } .note { fill: #5c6670; font-size: 11px; } .grid { stroke: #eaecef; }
.p-arena { fill: #3b82c4; } .p-trainable { fill: #d9822b; }
.w-saved { fill: #3b82c4; opacity: 0.2; }
.other { stroke: #c0392b; stroke-dasharray: 4 3; } .other-name { fill: #c0392b; font-size: 11px; }
.last { font-weight: 600; }
@media (prefers-color-scheme: dark) { .bg { fill: #181c21; } text { fill: #e7eaee; }
.note { fill: #a3adb8; } .grid { stroke: #262b32; } .p-arena { fill: #6aa9e6; }
.p-trainable { fill: #eda763; }
.w-saved { fill: #6aa9e6; } .other { stroke: #ff7b6b; }
.other-name { fill: #ff7b6b; } }
"""


def optimizations(ledger: Ledger) -> str:
    """The picture as SVG."""
    found = ledger["optimizations"]
    panel = _HEAD + STEP * len(_NAMES) + _GAP
    height = _TOP + panel * len(found) + 18 * len(_NOTES) + 10
    parts = [
        element("style", {}, _STYLE),
        element("rect", {"class": "bg", "width": _WIDTH, "height": height, "rx": 8}),
        label(20, 30, "What each part of the compiler saves of SRAM", "title"),
        *_key(20, 54),
    ]
    for index, (scheme, rows) in enumerate(found.items()):
        other = TINY_ENGINE_BYTES if scheme == "mcunet-5fps/49kb" else None
        parts += _panel(scheme, rows, _TOP + panel * index, other)
    bottom = _TOP + panel * len(found) + 8
    parts += [label(20, bottom + 18 * row, note, "note") for row, note in enumerate(_NOTES)]
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {_WIDTH:g} {height:g}",
        "font-family": "system-ui, sans-serif",
        "font-size": 12.5,
        "role": "img",
        "aria-label": "Planned bytes of a training step with one part of the compiler more a bar",
    }
    return element("svg", attributes, *(f"\n{part}" for part in parts)) + "\n"


def _x(count: float) -> float:
    return Scale(20, _LEFT, _RIGHT, _TOP_BYTES).x(count)


def _key(x: float, y: float) -> list[str]:
    parts: list[str] = []
    texts = {
        "p-arena": "arena: sample, activations, saved tensors, gradients, scratch",
        "p-trainable": "trained state",
        "w-saved": "saved by the part",
    }
    for css, text in texts.items():
        parts += [rectangle(x, y - 10, 14, 11, css), label(x + 20, y, text, "note")]
        x += 38 + text_width(text, 10.5)
    return parts


def _panel(scheme: str, rows: Mapping[str, list[Row]], top: float, other: int | None) -> list[str]:
    first = top + _HEAD
    bottom = first + STEP * len(_NAMES)
    full = _planned(rows["added"][-1])
    alone = {row["name"]: _planned(row) - full for row in rows["left_out"]}
    parts = [
        label(20, top + 14, scheme, "panel"),
        label(_ALONE, top + 14, "left out alone", "note", "end"),
    ]
    for tick in range(0, _TOP_BYTES + 1, _TICK):
        parts.append(line(_x(tick), first - 8, _x(tick), bottom, "grid"))
        parts.append(label(_x(tick), first - 12, f"{tick // 1000} KB", "note", "middle"))
    if other is not None:
        parts.append(line(_x(other), first - 8, _x(other), first + 3 * STEP - 8, "other"))
        parts.append(
            label(_x(other) + 6, first + 13, f"Tiny Training Engine {other:,}", "other-name")
        )
    parts += bars(
        [Bar(_NAMES[row["name"]], row["arena"], row["trainable"]) for row in rows["added"]],
        Scale(20, _LEFT, _RIGHT, _TOP_BYTES),
        first,
    )
    for index, row in enumerate(rows["added"]):
        if row["name"] in alone:
            text = signed(alone[row["name"]])
            parts.append(label(_ALONE, first + STEP * index + 13, text, "note", "end"))
    return parts


def _planned(row: Row) -> int:
    return row["arena"] + row["trainable"]
