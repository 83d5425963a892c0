"""Write SVG as strings: escaped texts, elements, axis ticks, and room for texts."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from kilograd.report.units import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: An attribute's value; None leaves the attribute out.
AttributeValue = str | int | float | None

#: The width of a wide character, relative to the font size.
_CHARACTER_WIDTH = 0.62


def legible(text: str) -> str:
    """Put a replacement character in the place of each character that XML forbids."""
    return "".join(c if _is_allowed(c) else "\N{REPLACEMENT CHARACTER}" for c in text)


def escape(text: str) -> str:
    """Escape a text for markup, and replace the characters that XML forbids."""
    return html.escape(legible(text))


def element(name: str, attributes: Mapping[str, AttributeValue], *children: str) -> str:
    """Write one element.

    Args:
        name: Name of the element.
        attributes: Values, which are escaped here; None leaves one out.
        children: Markup.
    """
    written = [
        f' {key}="{_attribute(value)}"' for key, value in attributes.items() if value is not None
    ]
    opening = f"<{name}{''.join(written)}"
    return f"{opening}>{''.join(children)}</{name}>" if children else f"{opening} />"


def label(
    x: float, y: float, text: str, css: str = "", anchor: str | None = None, *, turn: float = 0
) -> str:
    """Write a text whose baseline is at y.

    Args:
        x: Pixels from the left.
        y: Pixels from the top.
        text: The text, which is escaped here.
        css: Classes.
        anchor: The part of the text that is at x: start, middle or end.
        turn: Degrees clockwise around (x, y).
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
    """Write a straight line."""
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": css})


def rectangle(
    x: float, y: float, width: float, height: float, css: str, *, title: str | None = None
) -> str:
    """Write a rectangle, with a tooltip if it has a title."""
    attributes = {"x": x, "y": y, "width": width, "height": height, "class": css}
    children = [element("title", {}, escape(title))] if title else []
    return element("rect", attributes, *children)


def drawing(
    width: float,
    height: float,
    description: str,
    children: Sequence[str],
    *,
    most: float | None = None,
) -> str:
    """Write an inline SVG that fills its container's width, but is never smaller than its view box.

    Args:
        width: Pixels of the view box.
        height: Pixels of the view box.
        description: A text for readers who cannot see the drawing.
        children: Markup.
        most: Pixels that it is wide at most; None if it has no limit.
    """
    limit = "" if most is None else f"; --most: {number(most)}px"
    attributes = {
        "style": f"--least: {number(width)}px{limit}",
        "viewBox": f"0 0 {number(width)} {number(height)}",
        "role": "img",
        "aria-label": description,
    }
    return element("svg", attributes, *children)


def path(points: Sequence[tuple[float, float]]) -> str:
    """Write path data for straight lines through points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of a staircase: each height holds until the next point."""
    corners: list[tuple[float, float]] = []
    for x, y in points:
        if corners:
            corners.append((x, corners[-1][1]))
        corners.append((x, y))
    return corners


def text_width(text: str, size: float) -> float:
    """Estimate the pixels that a text takes at most; its font is not known.

    Args:
        text: One line.
        size: Size of the font in pixels.
    """
    return len(text) * size * _CHARACTER_WIDTH


def shortened(text: str, width: float, size: float) -> str:
    """Cut out the middle of a text that is wider than ``width`` pixels at a font size."""
    room = max(3, int(width / (size * _CHARACTER_WIDTH)))
    if len(text) <= room:
        return text
    tail = (room - 1) // 2
    return f"{text[: room - 1 - tail]}…{text[len(text) - tail :]}"


def byte_ticks(top: int, count: int = 5) -> list[int]:
    """Return round addresses from 0 up to ``top``; their distance is a power of two."""
    step = 1
    while top / step > count:
        step *= 2
    return list(range(0, top + 1, step))


def decimal_ticks(top: float, count: int = 5) -> list[float]:
    """Return round values from 0 up to ``top``, 1, 2 or 5 times a power of ten apart."""
    if top <= 0:
        return [0.0]
    exponent = 10.0 ** math.floor(math.log10(top / count))
    step = next(m * exponent for m in (1, 2, 5, 10) if top / (m * exponent) <= count)
    return [index * step for index in range(int(top / step + 1e-9) + 1)]


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions as little as needed to be ``gap`` apart, in order, within bounds.

    Args:
        positions: Pixels, ascending.
        gap: Least distance of neighbours in pixels.
        low: Least position, unless the bounds are too narrow.
        high: Largest position.
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
    surrogate = 0xD800 <= code <= 0xDFFF  # noqa: PLR2004 - the variable names the range
    forbidden = surrogate or code in {0xFFFE, 0xFFFF}
    return character in "\n\t" or (character >= " " and not forbidden)
