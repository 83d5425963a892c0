"""Markup as strings: escaped text, elements, figures in bytes and per cent, axis ticks."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What an attribute may hold; None leaves it out.
AttributeValue = str | int | float | None

#: Width of an average character relative to the font size, on the safe side.
_CHARACTER_WIDTH = 0.56

_KIB = 1024
_SPACE = "\N{NO-BREAK SPACE}"


def escape(text: str) -> str:
    """Text for markup: quoted, and without the control characters that XML forbids."""
    return html.escape("".join(c if _is_allowed(c) else "\N{REPLACEMENT CHARACTER}" for c in text))


def element(name: str, attributes: Mapping[str, AttributeValue], *children: str) -> str:
    """One element.

    Args:
        name: of the element.
        attributes: escaped here; None leaves one out; floats get two decimals.
        children: markup.
    """
    written = [
        f' {key}="{_attribute(value)}"' for key, value in attributes.items() if value is not None
    ]
    opening = f"<{name}{''.join(written)}"
    return f"{opening}>{''.join(children)}</{name}>" if children else f"{opening} />"


def label(
    x: float, y: float, text: str, css: str = "", anchor: str | None = None, *, turn: float = 0
) -> str:
    """Text in an SVG, its baseline at y.

    Args:
        x: pixels from the left.
        y: pixels from the top.
        text: not escaped yet.
        css: classes.
        anchor: start, middle or end of the text stands at x.
        turn: degrees clockwise around (x, y).
    """
    attributes: dict[str, AttributeValue] = {
        "x": x,
        "y": y,
        "class": css or None,
        "text-anchor": anchor,
        "transform": f"rotate({number(turn)} {number(x)} {number(y)})" if turn else None,
    }
    return element("text", attributes, escape(text))


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": css})


def rectangle(
    x: float, y: float, width: float, height: float, css: str, *, title: str | None = None
) -> str:
    """A rectangle, with a tooltip if it has a title."""
    attributes = {"x": x, "y": y, "width": width, "height": height, "class": css}
    children = [element("title", {}, escape(title))] if title else []
    return element("rect", attributes, *children)


def drawing(width: float, height: float, description: str, children: Sequence[str]) -> str:
    """An inline SVG that fills its container's width.

    Args:
        width: pixels of the view box.
        height: pixels of the view box.
        description: for those who cannot see it.
        children: markup.
    """
    attributes = {
        "viewBox": f"0 0 {number(width)} {number(height)}",
        "role": "img",
        "aria-label": description,
    }
    return element("svg", attributes, *children)


def path(points: Sequence[tuple[float, float]]) -> str:
    """Path data of straight lines through points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points of a staircase: each height holds until the next point."""
    corners: list[tuple[float, float]] = []
    for x, y in points:
        if corners:
            corners.append((x, corners[-1][1]))
        corners.append((x, y))
    return corners


def number(value: float) -> str:
    """At most two decimals, none for whole numbers."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def kibibytes(count: float) -> str:
    """Bytes for a reader: ``28 B``, ``29.5 KiB``, ``256 KiB``."""
    if count < _KIB:
        return f"{count:.0f}{_SPACE}B"
    return f"{number(round(count / _KIB, 1))}{_SPACE}KiB"


def percent(share: float) -> str:
    """A share of 1 with one decimal."""
    return f"{100 * share:.1f}%"


def millions(count: int) -> str:
    """Large counts with three or more digits: ``92.2 M``, ``640 k``."""
    for unit, suffix in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.1f}{_SPACE}{suffix}"
    return str(count)


def shape_text(shape: Sequence[int]) -> str:
    """Extents with crosses between them."""
    return "\N{MULTIPLICATION SIGN}".join(str(extent) for extent in shape)


def text_width(text: str, size: float) -> float:
    """Pixels that a text takes at most, as far as one can tell without its font.

    Args:
        text: one line.
        size: of the font, in pixels.
    """
    return len(text) * size * _CHARACTER_WIDTH


def shortened(text: str, width: float, size: float) -> str:
    """The text, its middle cut out if it is wider than ``width`` pixels at a font size."""
    room = max(3, int(width / (size * _CHARACTER_WIDTH)))
    if len(text) <= room:
        return text
    tail = (room - 1) // 2
    return f"{text[: room - 1 - tail]}…{text[len(text) - tail :]}"


def byte_ticks(top: int, count: int = 5) -> list[int]:
    """Round addresses from 0 up to ``top``: powers of two apart."""
    step = 1
    while top / step > count:
        step *= 2
    return list(range(0, top + 1, step))


def decimal_ticks(top: float, count: int = 5) -> list[float]:
    """Round values from 0 up to ``top``: 1, 2 or 5 times a power of ten apart."""
    if top <= 0:
        return [0.0]
    exponent = 10.0 ** math.floor(math.log10(top / count))
    step = next(m * exponent for m in (1, 2, 5, 10) if top / (m * exponent) <= count)
    return [index * step for index in range(int(top / step + 1e-9) + 1)]


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions moved as little as needed to stand ``gap`` apart, in order, within bounds.

    Args:
        positions: ascending, in pixels.
        gap: least distance of neighbours, in pixels.
        low: least position.
        high: largest position; kept unless the bounds are too narrow.
    """
    moved: list[float] = []
    for position in positions:
        moved.append(max(position, low, moved[-1] + gap if moved else low))
    limit = high
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - gap
    return moved


def _attribute(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else number(value)


def _is_allowed(character: str) -> bool:
    code = ord(character)
    surrogate = 0xD800 <= code <= 0xDFFF  # noqa: PLR2004 - the range's name says it
    forbidden = surrogate or code in {0xFFFE, 0xFFFF}
    return character in "\n\t" or (character >= " " and not forbidden)
