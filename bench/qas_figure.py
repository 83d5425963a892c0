"""Draws docs/qas.svg from bench/results/qas.json: what quantization-aware scaling does.

python bench/qas_figure.py
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from kilograd.report.svg import element, label, line, number, path, rectangle

ROOT = Path(__file__).parents[1]
LEDGER = ROOT / "bench" / "results" / "qas.json"
FIGURE = ROOT / "docs" / "qas.svg"

WIDTH, HEIGHT = 800, 548
#: The plot of norms: left, top, right, bottom.
NORMS = (62, 78, 784, 268)
#: The plots of accuracies: left of the first, top, right of the last, bottom.
ACCURACIES = (150, 392, 784, 516)
GAP = 36

#: Data set whose norms are drawn; the others look the same.
SHOWN = "cifar10"
TITLES = {"cifar10": "CIFAR-10", "flowers17": "17 flowers"}
SERIES = {"fp32": "float", "int8": "plain", "int8 with QAS": "scaled"}
LABELS = {"fp32": "float32", "int8": "int8", "int8 with QAS": "int8 with QAS"}
CSS = {
    "fp32-sgd": "float",
    "int8-sgd": "plain",
    "int8-adam": "plain",
    "int8-lars": "plain",
    "int8-sgd-qas": "scaled",
}

STYLE = """
.bg { fill: #fbfcfe; } text { fill: #17202f; } .h { font-weight: 600; font-size: 14px; }
.s { fill: #53617a; font-size: 12px; } .axis { stroke: #8a95a8; } .grid { stroke: #e3e8f0; }
.band { fill: #eef2f8; } path { fill: none; stroke-width: 1.8; }
path.float, .key.float { stroke: #17202f; } .dot.float { fill: #17202f; }
path.plain, .key.plain { stroke: #d9822b; } .dot.plain { fill: #d9822b; }
path.scaled, .key.scaled { stroke: #3b82c4; stroke-dasharray: 6 3; } .dot.scaled { fill: #3b82c4; }
.key { stroke-width: 1.8; } .dot { stroke: #fbfcfe; stroke-width: 0.8; }
@media (prefers-color-scheme: dark) {
.bg { fill: #10151e; } text { fill: #e8edf5; } .s { fill: #a9b6cb; } .axis { stroke: #66738a; }
.grid { stroke: #232d3d; } .band { fill: #161d29; } .dot { stroke: #10151e; }
path.float, .key.float { stroke: #e8edf5; } .dot.float { fill: #e8edf5; }
}
"""


def dot(x: float, y: float, css: str, *, square: bool = False, title: str = "") -> str:
    """A mark with a tooltip; square for weights."""
    tip = element("title", {}, title)
    if square:
        corner = {"x": x - 4, "y": y - 4, "width": 8, "height": 8, "class": f"dot {css}"}
        return element("rect", corner, tip)
    return element("circle", {"cx": x, "cy": y, "r": 3.4, "class": f"dot {css}"}, tip)


def block(tensor: str) -> str:
    """The part of the network that a tensor belongs to: ``7`` of blocks.7.pointwise1.bias."""
    return tensor.split(".")[1] if tensor.startswith("blocks.") else tensor.split(".", 1)[0]


def norm_plot(norms: dict[str, list[Any]], steps: int) -> Iterator[str]:
    """log10(‖W‖ / ‖G‖) of every trained tensor, in forward order."""
    left, top, right, bottom = NORMS
    tensors = norms["tensors"]
    values = [value for name in SERIES for value in norms[name]]
    low, high = 2 * math.floor(min(values) / 2), 2 * math.ceil(max(values) / 2)
    width = (right - left) / len(tensors)

    def x(index: float) -> float:
        return left + (index + 0.5) * width

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - top)

    yield label(18, 26, "The size of a weight over the size of its gradient", "h")
    note = f"log₁₀(‖W‖ / ‖G‖) of every trained tensor, mean over the first {steps} steps"
    yield label(18, 44, f"{note}, {TITLES[SHOWN]}", "s")
    starts = [i for i, t in enumerate(tensors) if not i or block(t) != block(tensors[i - 1])]
    for turn, (start, end) in enumerate(pairwise([*starts, len(tensors)])):
        edge = left + start * width
        if turn % 2:
            yield rectangle(edge, top, (end - start) * width, bottom - top, "band")
        middle = left + (start + end) / 2 * width
        yield label(middle, bottom + 17, block(tensors[start]), "s", "middle")
    yield label((left + right) / 2, bottom + 36, "block of the network", "s", "middle")
    for tick in range(low, high + 1, 2):
        yield line(left, y(tick), right, y(tick), "grid")
        yield label(left - 8, y(tick) + 4, str(tick).replace("-", "−"), "s", "end")
    yield line(left, bottom, right, bottom, "axis")
    for name, css in SERIES.items():
        points = [(x(i), y(value)) for i, value in enumerate(norms[name])]
        yield element("path", {"d": path(points), "class": css})
        for (px, py), tensor, value in zip(points, tensors, norms[name], strict=True):
            title = f"{LABELS[name]}, {tensor}: {value:.1f}"
            yield dot(px, py, css, square=tensor.endswith(".weight"), title=title)
    yield from _legend(62)


def _legend(y: float) -> Iterator[str]:
    x = NORMS[0]
    for name, css in SERIES.items():
        yield line(x, y, x + 26, y, f"key {css}")
        yield label(x + 32, y + 4, LABELS[name], "s")
        x += 52 + 7 * len(LABELS[name])
    yield dot(x + 10, y, "float")
    yield label(x + 20, y + 4, "bias", "s")
    yield dot(x + 68, y, "float", square=True)
    yield label(x + 79, y + 4, "weight", "s")


def accuracy_plot(ledger: dict[str, Any]) -> Iterator[str]:
    """What every method learns at its own best rate: a dot a seed, the mean as a figure."""
    left, top, right, bottom = ACCURACIES
    methods = ledger["settings"]["methods"]
    seeds = len(ledger["settings"]["seeds"])
    shown = [name for name in TITLES if name in ledger["summary"]]
    width = (right - left - GAP * (len(shown) - 1)) / len(shown)
    row = (bottom - top) / len(CSS)
    yield label(18, top - 42, "What each learns at its own best rate", "h")
    yield label(18, top - 24, f"test accuracy in %, {seeds} seeds", "s")
    for turn, method in enumerate(CSS):
        text = methods[method]["label"]
        yield label(left - 14, top + (turn + 0.5) * row + 4, text, "s", "end")
    for turn, name in enumerate(shown):
        start = left + turn * (width + GAP)
        yield label(start + width / 2, top - 10, TITLES[name], "s", "middle")
        yield from _accuracies(ledger["summary"][name], start, width, row)


def _accuracies(summary: dict[str, Any], left: float, width: float, row: float) -> Iterator[str]:
    _, top, _, bottom = ACCURACIES
    found = [100 * a for method in CSS for a in summary[method]["accuracies"]]
    low, high = math.floor(min(found) - 0.5), math.ceil(max(found) + 0.5)
    room = width - 44  # the figures stand behind the dots

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * room

    step = 1 if high - low <= 6 else 2 if high - low <= 12 else 5  # noqa: PLR2004 - ticks apart
    for tick in range(-(-low // step) * step, high + 1, step):
        yield line(x(tick), top, x(tick), bottom, "grid")
        yield label(x(tick), bottom + 17, f"{tick}", "s", "middle")
    yield line(left, bottom, left + room, bottom, "axis")
    for turn, (method, css) in enumerate(CSS.items()):
        accuracies = [100 * a for a in summary[method]["accuracies"]]
        y = top + (turn + 0.5) * row
        for seed, accuracy in enumerate(accuracies):
            yield dot(x(accuracy), y, css, title=f"seed {seed}: {accuracy:.1f}%")
        mean = sum(accuracies) / len(accuracies)
        yield label(left + width, y + 4, f"{mean:.1f}", "", "end")


def draw(ledger: dict[str, Any]) -> str:
    """The whole figure."""
    described = (
        "Weight to gradient norm ratios of trained tensors in float32, int8 and int8 with "
        "quantization-aware scaling; test accuracies of five ways of training."
    )
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {number(WIDTH)} {number(HEIGHT)}",
        "font-family": "system-ui, sans-serif",
        "font-size": "13",
        "role": "img",
        "aria-label": described,
    }
    children = [
        f"<style>{STYLE}</style>",
        element("rect", {"width": WIDTH, "height": HEIGHT, "rx": 8, "class": "bg"}),
        *norm_plot(ledger["norms"][SHOWN], ledger["settings"]["observed_steps"]),
        *accuracy_plot(ledger),
    ]
    return element("svg", attributes, *(f"\n{child}" for child in children), "\n") + "\n"


def main() -> None:
    """Draw."""
    FIGURE.write_text(draw(json.loads(LEDGER.read_text())), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
