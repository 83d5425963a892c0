"""The scheme drawn on the network, and the table of its layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilograd.report.analysis import Layer, layers
from kilograd.report.svg import (
    byte_ticks,
    drawing,
    element,
    escape,
    kibibytes,
    label,
    line,
    number,
    rectangle,
    shape_text,
    shortened,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.compiler import Program

# Pixels of the view box.
_WIDTH = 1120.0
_TOP, _ROW = 46.0, 21.0
_SPINE, _NAME, _OPERATOR, _SHAPE, _TRAINS = 74.0, 96.0, 338.0, 520.0, 536.0
_BAR, _BAR_RIGHT = 704.0, 1040.0
_FONT = 12.0
_DOT = 5.0

#: Residual arcs reach this far left at most.
_REACH = 58.0


@dataclass(frozen=True)
class _Scale:
    """Weights in bytes to pixels.

    Attributes:
        top: bytes of the longest bar.
    """

    top: int

    def width(self, size: int) -> float:
        return (_BAR_RIGHT - _BAR) * size / max(1, self.top)


def network(program: Program) -> str:
    """The figure: a row for each layer in forward order, marked with what is trained."""
    rows = layers(program)
    scale = _Scale(max((row.weight_bytes for row in rows), default=0))
    cut = sum(row.frozen_prefix for row in rows)
    bottom = _TOP + _ROW * len(rows)
    children = [*_cut(cut, rows, bottom), *_heads(scale, bottom), *_arcs(rows)]
    children.append(line(_SPINE, _middle(0), _SPINE, _middle(len(rows) - 1), "spine"))
    for index, row in enumerate(rows):
        children += _layer(row, _middle(index), scale)
    trained = sum(row.bias_trained or row.weight_share > 0 for row in rows)
    text = f"{len(rows)} layers of {program.graph.name}; {trained} are trained, from row {cut + 1}"
    return drawing(_WIDTH, bottom + 8, text, children)


def layer_table(program: Program) -> str:
    """MACs, parameters, trained bytes and saved bytes of every layer."""
    rows = layers(program)
    columns: list[tuple[str, list[int]]] = [
        ("MACs forward", [row.macs_forward for row in rows]),
        ("MACs backward", [row.macs_backward for row in rows]),
        ("weights + bias, bytes", [row.parameter_bytes for row in rows]),
        ("trained, bytes", [row.trained_bytes for row in rows]),
        ("saved activation, bytes", [row.saved_bytes for row in rows]),
        ("clamp masks, bytes", [row.mask_bytes for row in rows]),
    ]
    heads = "".join(f'<th scope="col" class="n">{escape(name)}</th>' for name, _ in columns)
    largest = [max(values, default=0) for _, values in columns]
    body: list[str] = []
    for index, row in enumerate(rows):
        cells = "".join(
            _figure(values[index], top) for (_, values), top in zip(columns, largest, strict=True)
        )
        css = ' class="prefix"' if row.frozen_prefix else ""
        body.append(
            f'<tr{css}><th scope="row">{escape(row.name)}</th><td>{escape(row.operator)}</td>'
            f"<td>{shape_text(row.shape)}</td>{cells}</tr>"
        )
    sums = "".join(f'<td class="n">{sum(values):,}</td>' for _, values in columns)
    return (
        '<table class="data layers"><thead><tr><th scope="col">layer</th>'
        f'<th scope="col">operator</th><th scope="col">output</th>{heads}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody>"
        f'<tfoot><tr><th scope="row">{len(rows)} layers</th><td></td><td></td>{sums}</tr></tfoot>'
        "</table>"
    )


def _figure(value: int, top: int) -> str:
    if not value:
        return '<td class="n none">·</td>'
    return f'<td class="n bar" style="--w:{100 * value / top:.1f}%">{value:,}</td>'


def _middle(index: int) -> float:
    return _TOP + _ROW * (index + 0.5)


def _heads(scale: _Scale, bottom: float) -> list[str]:
    y = _TOP - 12
    parts = [
        label(_NAME, y, "layer", "head"),
        label(_OPERATOR, y, "operator", "head"),
        label(_SHAPE, y, "output", "head", "end"),
        label(_TRAINS, y, "trained", "head"),
        label(_BAR, _TOP - 26, "weights", "head"),
    ]
    for size in byte_ticks(scale.top, 4):
        x = _BAR + scale.width(size)
        parts += [
            line(x, _TOP - 6, x, bottom, "grid"),
            label(x, y, kibibytes(size), "tick", "middle"),
        ]
    return parts


def _cut(cut: int, rows: Sequence[Layer], bottom: float) -> list[str]:
    """A tint under the layers that the backward pass may reach, and the line where it stops."""
    y = _TOP + _ROW * cut
    parts = [rectangle(8, y, _WIDTH - 16, bottom - y, "reach")]
    if 0 < cut < len(rows):
        text = f"frozen prefix: {cut} of {len(rows)} layers, no gradient above this line"
        parts += [
            line(8, y, _WIDTH - 8, y, "cut"),
            label(_WIDTH - 10, y - 5, text, "cut-name halo", "end"),
        ]
    return parts


def _arcs(rows: Sequence[Layer]) -> list[str]:
    """Connections that skip rows."""
    parts: list[str] = []
    for index, row in enumerate(rows):
        for source in row.inputs:
            span = index - source
            if span > 1:
                x = _SPINE - min(_REACH, 16 + 7 * span)
                start, end = _middle(source), _middle(index)
                d = f"M{number(_SPINE)} {number(start)}C{number(x)} {number(start)} "
                d += f"{number(x)} {number(end)} {number(_SPINE)} {number(end)}"
                title = element("title", {}, escape(f"{rows[source].name} to {row.name}"))
                parts.append(element("path", {"d": d, "class": "arc"}, title))
    return parts


def _layer(row: Layer, y: float, scale: _Scale) -> list[str]:
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
        parts += _weights(row, y, scale)
    return parts


def _what(row: Layer) -> str:
    """``bias + 25% of weights``."""
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


def _weights(row: Layer, y: float, scale: _Scale) -> list[str]:
    full = max(scale.width(row.weight_bytes), 1.0)
    part = full * row.weight_share
    height = _ROW - 9
    title = f"{row.name}: {row.weight_bytes:,} bytes of weights; {_what(row)}"
    parts = [rectangle(_BAR, y - height / 2, full, height, "w-frozen", title=title)]
    if part:
        parts.append(rectangle(_BAR, y - height / 2, part, height, "w-trained", title=title))
    parts.append(label(_BAR + full + 6, y + 3.5, f"{row.weight_bytes:,}", "size halo"))
    return parts
