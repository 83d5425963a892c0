"""Draw the network and what a scheme trains in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilograd.report.analysis import Layer, layers
from kilograd.report.svg import (
    byte_ticks,
    drawing,
    element,
    escape,
    label,
    line,
    rectangle,
    shortened,
)
from kilograd.report.units import kibibytes, number, shape_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.compiler import Program

# Pixels of the view box.
_WIDTH = 1080.0
_TOP, _ROW = 46.0, 21.0
#: Room for the name of the line below the frozen prefix.
_CUT_GAP = 18.0
_SPINE, _NAME, _OPERATOR, _SHAPE, _TRAINS = 74.0, 96.0, 338.0, 520.0, 536.0
_BAR, _BAR_RIGHT = 704.0, 1000.0
_FONT = 12.0
_DOT = 5.0

#: Residual arcs reach at most so far to the left.
_REACH = 58.0


@dataclass(frozen=True)
class _Axes:
    """Map rows and bytes of weights to pixels.

    Attributes:
        rows: Number of rows.
        cut: Number of rows in the frozen prefix.
        top: Bytes of the longest bar.
    """

    rows: int
    cut: int
    top: int

    def edge(self, index: int) -> float:
        """Return the upper edge of a row; the first row below the prefix has a gap above it."""
        gap = _CUT_GAP if 0 < self.cut <= index and self.cut < self.rows else 0
        return _TOP + _ROW * index + gap

    def middle(self, index: int) -> float:
        return self.edge(index) + _ROW / 2

    @property
    def bottom(self) -> float:
        return self.edge(self.rows)

    def width(self, size: int) -> float:
        return (_BAR_RIGHT - _BAR) * size / max(1, self.top)


def network(program: Program) -> str:
    """Draw a row for each layer in forward order, marked with what is trained in it."""
    rows = layers(program)
    axes = _Axes(
        rows=len(rows),
        cut=sum(row.frozen_prefix for row in rows),
        top=max((row.weight_bytes for row in rows), default=0),
    )
    children = [*_cut(axes), *_heads(axes), *_arcs(rows, axes)]
    children.append(line(_SPINE, axes.middle(0), _SPINE, axes.middle(len(rows) - 1), "spine"))
    for index, row in enumerate(rows):
        children += _layer(row, axes.middle(index), axes)
    trained = sum(row.bias_trained or row.weight_share > 0 for row in rows)
    text = (
        f"{len(rows)} layers of {program.graph.name}, {trained} of them trained; "
        f"the frozen prefix has {axes.cut} layers"
    )
    return drawing(_WIDTH, axes.bottom + 8, text, children)


def _heads(axes: _Axes) -> list[str]:
    y = _TOP - 12
    parts = [
        label(_NAME, y, "layer", "head"),
        label(_OPERATOR, y, "operator", "head"),
        label(_SHAPE, y, "output", "head", "end"),
        label(_TRAINS, y, "trained", "head"),
        label(_BAR, _TOP - 26, "weights", "head"),
    ]
    for size in byte_ticks(axes.top, 4):
        x = _BAR + axes.width(size)
        parts += [
            line(x, _TOP - 6, x, axes.bottom, "grid"),
            label(x, y, kibibytes(size), "tick", "middle"),
        ]
    return parts


def _cut(axes: _Axes) -> list[str]:
    """Tint the layers that the backward pass may reach, and draw the line where it ends."""
    y = axes.edge(axes.cut)
    parts = [rectangle(8, y, _WIDTH - 16, axes.bottom - y, "reach")]
    if 0 < axes.cut < axes.rows:
        text = f"frozen prefix: no gradient for {axes.cut} of {axes.rows} layers"
        parts += [
            line(8, y, _WIDTH - 8, y, "cut"),
            label(_WIDTH - 10, y - 5, text, "cut-name halo", "end"),
        ]
    return parts


def _arcs(rows: Sequence[Layer], axes: _Axes) -> list[str]:
    """Draw the connections that skip rows."""
    parts: list[str] = []
    for index, row in enumerate(rows):
        for source in row.inputs:
            span = index - source
            if span > 1:
                x = _SPINE - min(_REACH, 16 + 7 * span)
                start, end = axes.middle(source), axes.middle(index)
                d = f"M{number(_SPINE)} {number(start)}C{number(x)} {number(start)} "
                d += f"{number(x)} {number(end)} {number(_SPINE)} {number(end)}"
                title = element("title", {}, escape(f"{rows[source].name} to {row.name}"))
                parts.append(element("path", {"d": d, "class": "arc"}, title))
    return parts


def _layer(row: Layer, y: float, axes: _Axes) -> list[str]:
    muted = " muted" if row.frozen_prefix else ""
    base = y + 4
    parts = [
        _dot(row, y),
        label(_NAME, base, shortened(row.name, _OPERATOR - _NAME - 12, _FONT), f"layer{muted}"),
        label(_OPERATOR, base, shortened(row.operator, 90, _FONT), f"operator{muted}"),
        label(_SHAPE, base, shape_text(row.shape), f"shape{muted}", "end"),
    ]
    if row.has_weights:
        trained = row.bias_trained or row.weight_share > 0
        parts.append(label(_TRAINS, base, _what(row), "trains" if trained else "trains none"))
        parts += _weights(row, y, axes)
    return parts


def _what(row: Layer) -> str:
    """Name the trained parameters: ``bias + 25% of weights``."""
    weights = ""
    if row.weight_share >= 1:
        weights = "all weights"
    elif row.weight_share > 0:
        weights = f"{number(round(100 * row.weight_share, 1))}% of weights"
    bias = "bias" if row.bias_trained else ""
    return " + ".join(part for part in (bias, weights) if part) or "frozen"


def _dot(row: Layer, y: float) -> str:
    if not row.has_weights:
        return element("circle", {"cx": _SPINE, "cy": y, "r": 3.0, "class": "dot plain"})
    css = "frozen"
    if row.weight_share > 0:
        css = "weights"
    elif row.bias_trained:
        css = "bias"
    title = element("title", {}, escape(f"{row.name}: {_what(row)}"))
    return element("circle", {"cx": _SPINE, "cy": y, "r": _DOT, "class": f"dot {css}"}, title)


def _weights(row: Layer, y: float, axes: _Axes) -> list[str]:
    full = max(axes.width(row.weight_bytes), 1.0)
    part = full * row.weight_share
    height = _ROW - 9
    title = f"{row.name}: {row.weight_bytes:,} bytes of weights; {_what(row)}"
    parts = [rectangle(_BAR, y - height / 2, full, height, "w-frozen", title=title)]
    if part:
        parts.append(rectangle(_BAR, y - height / 2, part, height, "w-trained", title=title))
    parts.append(label(_BAR + full + 6, y + 3.5, f"{row.weight_bytes:,}", "size halo"))
    return parts
