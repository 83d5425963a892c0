"""Draw the arena over the nodes of a training step, beside the whole SRAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilograd.report.analysis import (
    KIND_TEXT,
    BufferKind,
    PlacedBuffer,
    SramPart,
    buffer_type,
    live_bytes,
    loss_index,
    peak_index,
    placed_buffers,
    shown_name,
    sram_parts,
)
from kilograd.report.svg import (
    byte_ticks,
    drawing,
    element,
    escape,
    label,
    line,
    path,
    rectangle,
    shortened,
    spread,
    steps,
    text_width,
)
from kilograd.report.units import kibibytes, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.compiler import Program
    from kilograd.ir import Graph
    from kilograd.measuring.firmware import Measurement

# Pixels of the view box.
_WIDTH = 1120.0
_BAR_X, _BAR_WIDTH = 128.0, 56.0
_MAP_X, _MAP_RIGHT = 300.0, 1116.0
_TOP, _MAP_HEIGHT = 64.0, 480.0
_LIVE_GAP, _LIVE_HEIGHT = 44.0, 96.0
_FONT = 8.5
_LABEL_GAP = 30.0

#: Rectangles of at least this height get an outline that separates them from neighbours.
_OUTLINED = 4.0


@dataclass(frozen=True)
class _Axes:
    """Map node indices and addresses to pixels.

    Attributes:
        nodes: Number of nodes.
        top: Bytes at the upper edge.
    """

    nodes: int
    top: int

    def x(self, index: float) -> float:
        return _MAP_X + (_MAP_RIGHT - _MAP_X) * index / max(1, self.nodes)

    def y(self, address: float) -> float:
        return _TOP + _MAP_HEIGHT * (1 - address / max(1, self.top))

    def live_y(self, size: float) -> float:
        bottom = _TOP + _MAP_HEIGHT + _LIVE_GAP + _LIVE_HEIGHT
        return bottom - _LIVE_HEIGHT * size / max(1, self.top)

    @property
    def map_bottom(self) -> float:
        return _TOP + _MAP_HEIGHT

    @property
    def bottom(self) -> float:
        return self.live_y(0)


def memory_map(program: Program, measurement: Measurement | None, budget: int | None) -> str:
    """Draw the SRAM bar, the map of the arena, and the bytes that are live at each node.

    Args:
        program: The compiled program.
        measurement: The measured firmware, or None.
        budget: Bytes of SRAM, or None.
    """
    buffers = placed_buffers(program)
    nodes = len(program.graph.nodes)
    axes = _Axes(nodes, program.plan.arena_bytes)
    live = live_bytes(buffers, nodes)
    children = [
        *_sram_bar(sram_parts(program, measurement), budget, axes),
        *_regions(program, axes),
        *_grid(axes),
        *(_buffer(placed, program, axes) for placed in sorted(buffers, key=_drawing_order)),
        *_live_profile(live, axes),
        *_peak(program, axes),
        *_limits(program, axes),
    ]
    text = f"Memory map of {program.graph.name}: {len(buffers)} buffers over {nodes} nodes"
    return drawing(_WIDTH, axes.bottom + 30, text, children)


def _drawing_order(placed: PlacedBuffer) -> tuple[int, int]:
    return placed.buffer.first, placed.offset


def _buffer(placed: PlacedBuffer, program: Program, axes: _Axes) -> str:
    """Draw a buffer's rectangle, with its name where there is room."""
    buffer = placed.buffer
    first, last = max(buffer.first, 0), min(buffer.last, axes.nodes - 1)
    x, right = axes.x(first), axes.x(last + 1)
    height = max(axes.y(0) - axes.y(buffer.size), 0.75)
    y = axes.y(placed.offset) - height
    outline = "" if height < _OUTLINED else " cell"
    title = _tooltip(placed, program.graph, first, last)
    shape = rectangle(x, y, right - x, height, f"k-{placed.kind.value}{outline}", title=title)
    name = shown_name(buffer, program.graph)
    return shape + _name_inside(name, f"in on-{placed.kind.value}", x, y, right - x, height)


def _tooltip(placed: PlacedBuffer, graph: Graph, first: int, last: int) -> str:
    """Tell a buffer's name, kind, place, type and lifetime."""
    buffer, nodes = placed.buffer, graph.nodes
    place = f"{buffer.size:,} bytes at address {placed.offset:,}"
    lines = [
        f"{shown_name(buffer, graph)}: {KIND_TEXT[placed.kind][0]}",
        f"{place}: {buffer_type(buffer, graph)}" if buffer.values else place,
        f"nodes {first} to {last}: {nodes[first].name} to {nodes[last].name}",
    ]
    if first == last:
        lines[-1] = f"node {first}: {nodes[first].name}"
    if len(buffer.values) > 1:
        lines.append(f"later results in place: {', '.join(buffer.values[1:])}")
    return "\n".join(lines)


def _name_inside(name: str, css: str, x: float, y: float, width: float, height: float) -> str:
    room = text_width(name, _FONT) + 6
    if width >= room and height >= _FONT:
        return label(x + 4, y + min(height / 2, 8) + 3, name, css)
    if height >= room and width >= _FONT + 0.5:
        middle = x + width / 2
        return label(middle + 3, y + height - 4, name, css, turn=-90)
    return ""


def _regions(program: Program, axes: _Axes) -> list[str]:
    """Draw bands for the forward pass, the loss and the backward pass, with their names."""
    loss, nodes = loss_index(program.graph), axes.nodes
    spans = [("forward", 0, loss), ("backward and update", min(loss + 1, nodes), nodes)]
    parts: list[str] = []
    for name, first, end in spans:
        if end > first:
            x, right = axes.x(first), axes.x(end)
            css = f"region r-{name.partition(' ')[0]}"
            parts.append(rectangle(x, _TOP - 22, right - x, 18, css))
            text = shortened(name, right - x, 11)
            parts.append(label((x + right) / 2, _TOP - 9, text, "region-name", "middle"))
    if loss < nodes:
        x = axes.x(loss)
        width = max(axes.x(loss + 1) - x, 1.5)
        parts += [
            rectangle(x, _TOP - 22, width, axes.bottom - _TOP + 22, "r-loss"),
            label(x + width / 2, _TOP - 27, "loss", "region-name", "middle"),
        ]
    cut = program.frozen_prefix
    if 0 < cut < nodes:
        x, text = axes.x(cut), "end of the frozen prefix"
        fits = axes.x(loss) - x > text_width(text, 11) + 30
        parts += [
            line(x, _TOP - 22, x, axes.bottom, "cut"),
            label(x + (3 if fits else -5), _TOP - 27, text, "cut-name", "start" if fits else "end"),
        ]
    return parts


def _grid(axes: _Axes) -> list[str]:
    parts: list[str] = []
    for address in byte_ticks(axes.top):
        y = axes.y(address)
        parts += [
            line(_MAP_X, y, _MAP_RIGHT, y, "grid"),
            label(_MAP_X - 6, y + 3.5, kibibytes(address), "tick", "end"),
        ]
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**6) if axes.nodes / s <= 20)  # noqa: PLR2004
    for index in range(0, axes.nodes, step):
        parts.append(label(axes.x(index + 0.5), axes.bottom + 13, str(index), "tick", "middle"))
    middle = (_MAP_X + _MAP_RIGHT) / 2
    parts.append(label(middle, axes.bottom + 27, "nodes in execution order", "axis", "middle"))
    return parts


def _limits(program: Program, axes: _Axes) -> list[str]:
    """Draw the arena's end and the lower bound as lines, with their sizes below the map."""
    plan = program.plan
    excess = plan.arena_bytes - plan.lower_bound_bytes
    text = f"Upper edge: arena of {plan.arena_bytes:,} bytes"
    if excess:
        text += f". Dashed line: lower bound of {plan.lower_bound_bytes:,} bytes, {excess:,} less"
    else:
        text += ", which is the lower bound: no order or placement needs less"
    lines = [("limit", plan.arena_bytes), *([("bound", plan.lower_bound_bytes)] if excess else [])]
    return [
        *(line(_MAP_X, axes.y(at), _MAP_RIGHT, axes.y(at), css) for css, at in lines),
        label(_MAP_RIGHT, axes.map_bottom + 16, text, "limit-name halo", "end"),
    ]


def _live_profile(live: dict[BufferKind, list[int]], axes: _Axes) -> list[str]:
    """Draw the bytes that are live during each node, stacked by kind."""
    base = [0] * axes.nodes
    parts = [
        label(_MAP_X - 6, axes.live_y(axes.top) + 8, kibibytes(axes.top), "tick", "end"),
        label(_MAP_X - 6, axes.bottom, "0", "tick", "end"),
        label(_MAP_RIGHT, axes.live_y(axes.top) - 6, "live bytes by kind", "axis", "end"),
        line(_MAP_X, axes.bottom, _MAP_RIGHT, axes.bottom, "grid"),
    ]
    for kind in BufferKind:
        if not any(live[kind]):
            continue
        top = [low + size for low, size in zip(base, live[kind], strict=True)]
        upper = _staircase(top, axes)
        lower = _staircase(base, axes)
        area = path([*upper, *reversed(lower)]) + "Z"
        title = element("title", {}, escape(KIND_TEXT[kind][0]))
        parts.append(element("path", {"d": area, "class": f"k-{kind.value}"}, title))
        base = top
    return parts


def _staircase(sizes: Sequence[int], axes: _Axes) -> list[tuple[float, float]]:
    points = [(axes.x(index), axes.live_y(size)) for index, size in enumerate(sizes)]
    return steps([*points, (axes.x(len(sizes)), axes.live_y(sizes[-1]))])


def _peak(program: Program, axes: _Axes) -> list[str]:
    index = peak_index(program)
    live = sum(buffer.size for buffer in program.plan.live_at(index))
    x, right = axes.x(index), axes.x(index + 1)
    middle = (x + right) / 2
    text = f"peak {live:,} bytes at {program.graph.nodes[index].name}"
    half = text_width(text, 13) / 2
    start = min(max(middle - half, _MAP_X), _MAP_RIGHT - 2 * half)
    y = _TOP - 44
    return [
        rectangle(x, _TOP, right - x, axes.bottom - _TOP, "peak-band"),
        line(middle, y + 5, middle, _TOP, "peak-line"),
        label(start, y, text, "peak-name"),
    ]


def _sram_bar(parts: Sequence[SramPart], budget: int | None, axes: _Axes) -> list[str]:
    """Draw all parts of the SRAM as one bar, joined to the map at the arena."""
    total = sum(part.size for part in parts)
    top = max(total, budget or 0, 1)
    scale = (axes.bottom - _TOP) / top
    right = _BAR_X + _BAR_WIDTH

    def height(size: float) -> float:
        return axes.bottom - size * scale

    arena = parts[0].size
    funnel = [(right, height(arena)), (_MAP_X, _TOP), (_MAP_X, axes.map_bottom), (right, height(0))]
    drawn = [element("path", {"d": path(funnel) + "Z", "class": "funnel"})]
    drawn.append(rectangle(_BAR_X, _TOP, _BAR_WIDTH, axes.bottom - _TOP, "track"))
    start = 0
    names: list[tuple[float, str, int, str]] = []
    for part in parts:
        y, bottom = height(start + part.size), height(start)
        whole = "the budget" if budget else "the total"
        title = (
            f"{part.name}: {part.size:,} bytes, {percent(part.size / (budget or total))} of {whole}"
        )
        drawn.append(
            rectangle(_BAR_X, y, _BAR_WIDTH, max(bottom - y, 0.75), f"p-{part.key}", title=title)
        )
        names.append(((y + bottom) / 2, part.name, part.size, f"p-{part.key}-text"))
        start += part.size
    if budget and budget > total:
        middle = (height(total) + height(budget)) / 2
        names.append((middle, "free", budget - total, "p-free-text"))
    elif budget and budget < total:
        names.append((height(budget), "budget", budget, "over-name"))
    drawn += _bar_labels(names, axes)
    drawn.append(label(_BAR_X + _BAR_WIDTH / 2, axes.bottom + 16, "SRAM", "axis", "middle"))
    if budget:
        drawn += _budget_line(total, budget, height(budget))
    return drawn


def _bar_labels(names: Sequence[tuple[float, str, int, str]], axes: _Axes) -> list[str]:
    """Write (height, name, bytes, classes) left of the bar, with lines to their heights."""
    ordered = sorted(names, key=lambda name: -name[0])
    heights = [-middle for middle, *_ in ordered]
    places = spread(heights, _LABEL_GAP, -axes.bottom + 8, -_TOP - 8)
    parts: list[str] = []
    for (middle, name, size, css), place in zip(ordered, places, strict=True):
        leader = path([(_BAR_X - 4, middle), (_BAR_X - 12, -place), (_BAR_X - 18, -place)])
        parts += [
            element("path", {"d": leader, "class": "leader"}),
            label(_BAR_X - 22, -place - 1.5, name, f"part {css}", "end"),
            label(_BAR_X - 22, -place + 11, f"{size:,}", "part-size", "end"),
        ]
    return parts


def _budget_line(total: int, budget: int, y: float) -> list[str]:
    """Draw the budget; where it is exceeded, its name is among the labels of the bar."""
    right = _BAR_X + _BAR_WIDTH
    if total > budget:
        return [line(_BAR_X - 6, y, right + 6, y, "over")]
    name = f"budget {kibibytes(budget)}"
    return [
        line(_BAR_X - 6, y, right + 6, y, "budget"),
        label(right + 6, y - 7, name, "budget-name", "end"),
    ]
