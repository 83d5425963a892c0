"""Draw what training each layer gains: biases of the last layers, own biases, shares of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilograd.report.svg import (
    decimal_ticks,
    drawing,
    element,
    label,
    line,
    path,
    rectangle,
    shortened,
    steps,
    text_width,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.report.searched import InCompany, Searched, Worth

# Pixels of the view box.
_WIDTH, _LEFT, _RIGHT = 1080.0, 54.0, 1076.0
_TOP, _PANEL, _GAP = 30.0, 130.0, 46.0
_NAME_ROOM, _NAME_FONT = 150.0, 10.5
#: Of the room of a layer, for its bars.
_FILLED = 0.8


@dataclass(frozen=True)
class _Axes:
    """Map layers and gains to pixels.

    Attributes:
        layers: Number of layers.
        top: Upper edge in pixels.
        low: Gain at the lower edge.
        high: Gain at the upper edge.
    """

    layers: int
    top: float
    low: float
    high: float

    @property
    def step(self) -> float:
        return (_RIGHT - _LEFT) / self.layers

    def x(self, layer: float) -> float:
        return _LEFT + self.step * layer

    def y(self, gain: float) -> float:
        return self.top + _PANEL * (self.high - gain) / (self.high - self.low)

    @property
    def bottom(self) -> float:
        return self.top + _PANEL


def worth(found: Searched) -> str:
    """Draw the panels below each other, with the names of layers below the last."""
    layers = found.layers
    panels: list[list[str]] = []
    if all(layer.last is not None for layer in layers):
        axes = _axes(layers, len(panels), [layer.last or 0.0 for layer in layers])
        panels.append(
            [*_frame(axes, "biases of all layers from this one on"), *_last(axes, layers)]
        )
    axes = _axes(layers, len(panels), [layer.bias for layer in layers])
    panels.append([*_frame(axes, "own bias"), *_biases(axes, layers)])
    gains = [gain for layer in layers for gain in layer.weights.values()]
    axes = _axes(layers, len(panels), gains)
    shares = "1/8, 1/4, 1/2 and all of its weights, where it has so many channels"
    panels.append([*_frame(axes, shares), *_weights(axes, layers)])
    if found.in_company is not None:
        company = found.in_company
        axes = _axes(layers, len(panels), [*company.biases, *company.weights])
        title = "in company of others: own bias, and all of its weights"
        panels.append([*_frame(axes, title), *_in_company(axes, layers, company)])
    panels.append(_names(axes, layers))
    text = f"What training each of {len(layers)} layers gains, as {found.unit}"
    parts = [part for panel in panels for part in panel]
    room = min(_NAME_ROOM, max(text_width(layer.layer, _NAME_FONT) for layer in layers))
    return drawing(_WIDTH, axes.bottom + room + 12, text, parts)


def _axes(layers: Sequence[Worth], number: int, gains: Sequence[float]) -> _Axes:
    high = max([*gains, 0.0]) or 1.0
    # What is below zero is shown down to a third of what is above.
    low = max(min([*gains, 0.0]), -high / 3)
    return _Axes(len(layers), _TOP + number * (_PANEL + _GAP), low, high)


def _frame(axes: _Axes, title: str) -> list[str]:
    parts = [label(0, axes.top - 12, title, "panel-title")]
    for tick in decimal_ticks(axes.high, 4):
        y = axes.y(tick)
        parts += [
            line(_LEFT, y, _RIGHT, y, "grid"),
            label(_LEFT - 6, y + 4, f"{tick:g}", "tick", "end"),
        ]
    return parts


def _last(axes: _Axes, layers: Sequence[Worth]) -> list[str]:
    points = [
        (axes.x(index), axes.y(_cut(axes, layer.last or 0))) for index, layer in enumerate(layers)
    ]
    d = path([*steps(points), (axes.x(axes.layers), points[-1][1])])
    return [element("path", {"d": d, "class": "curve loss"})]


def _biases(axes: _Axes, layers: Sequence[Worth]) -> list[str]:
    return [
        _bar(axes, index, 1, 0, layer.bias, f"{layer.layer}: bias", is_chosen=layer.is_bias_chosen)
        for index, layer in enumerate(layers)
    ]


def _weights(axes: _Axes, layers: Sequence[Worth]) -> list[str]:
    return [
        _bar(
            axes,
            index,
            len(layer.weights),
            place,
            gain,
            f"{layer.layer}: {share:g} of its weights",
            is_chosen=share == layer.chosen_share,
        )
        for index, layer in enumerate(layers)
        for place, (share, gain) in enumerate(sorted(layer.weights.items()))
    ]


def _in_company(axes: _Axes, layers: Sequence[Worth], company: InCompany) -> list[str]:
    parts: list[str] = []
    for index, layer in enumerate(layers):
        bias = f"{layer.layer}: bias, in company"
        gain = company.biases[index]
        parts.append(_bar(axes, index, 2, 0, gain, bias, is_chosen=layer.is_bias_chosen))
        weight = f"{layer.layer}: all of its weights, in company"
        is_chosen = layer.chosen_share > 0
        parts.append(_bar(axes, index, 2, 1, company.weights[index], weight, is_chosen=is_chosen))
    return parts


def _bar(
    axes: _Axes, layer: int, count: int, place: int, gain: float, title: str, *, is_chosen: bool
) -> str:
    """Draw one of several bars of a layer."""
    width = _FILLED * axes.step / count
    x = axes.x(layer + (1 - _FILLED) / 2) + width * place
    ends = sorted((axes.y(0.0), axes.y(_cut(axes, gain))))
    css = "w-trained" if is_chosen else "w-frozen"
    height = max(ends[1] - ends[0], 0.5)
    return rectangle(x, ends[0], max(width - 0.4, 0.6), height, css, title=f"{title}: {gain:.4f}")


def _cut(axes: _Axes, gain: float) -> float:
    return min(max(gain, axes.low), axes.high)


def _names(axes: _Axes, layers: Sequence[Worth]) -> list[str]:
    """Write them upwards, each below its bars."""
    y = axes.bottom + 8
    return [
        label(
            axes.x(index + 0.5) + 4,
            y,
            shortened(layer.layer, _NAME_ROOM - 10, _NAME_FONT),
            "tick",
            "end",
            turn=-90,
        )
        for index, layer in enumerate(layers)
    ]
