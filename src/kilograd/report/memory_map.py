"""Draw the arena over the nodes of a training step, beside the whole SRAM."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from kilograd.report.analysis import (
    KIND_TEXT,
    BufferKind,
    PlacedBuffer,
    buffer_type,
    live_bytes,
    loss_index,
    peak_index,
    placed_buffers,
    shown_name,
    sram_parts,
)
from kilograd.report.map_axes import MAP_LEFT, MAP_RIGHT, TOP, WIDTH, Axes
from kilograd.report.sram_bar import sram_bar
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
    steps,
    text_width,
)
from kilograd.report.units import kibibytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.compiler import Program
    from kilograd.ir import Graph
    from kilograd.measuring.firmware import Measurement

_FONT = 10.0
#: Pixels between texts beside each other.
_TEXT_GAP = 12.0

#: Rectangles of at least this height get an outline that separates them from neighbours.
_OUTLINED = 4.0


def memory_map(program: Program, measurement: Measurement | None, budget: int | None) -> str:
    """Draw the SRAM bar, the map of the arena, and the bytes that are live at each node.

    Args:
        program: The compiled program.
        measurement: The measured firmware, or None.
        budget: Bytes of SRAM, or None.
    """
    buffers = placed_buffers(program)
    nodes = len(program.graph.nodes)
    axes = Axes(nodes, program.plan.arena_bytes)
    live = live_bytes(buffers, nodes)
    children = [
        *sram_bar(sram_parts(program, measurement), budget, axes),
        *_regions(program, axes),
        *_places(program, axes),
        *_grid(axes),
        *(_buffer(placed, program, axes) for placed in sorted(buffers, key=_drawing_order)),
        *_live_profile(live, axes),
        *_peak(program, axes),
        *_limits(program, axes),
    ]
    text = f"Memory map of {program.graph.name}: {len(buffers)} buffers over {nodes} nodes"
    return drawing(WIDTH, axes.bottom + 36, text, children)


def _drawing_order(placed: PlacedBuffer) -> tuple[int, int]:
    return placed.buffer.first, placed.offset


def _buffer(placed: PlacedBuffer, program: Program, axes: Axes) -> str:
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
    pieces = _pieces(x, right, program, axes)
    return shape + _name_inside(name, f"in on-{placed.kind.value}", pieces, y, height)


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


def _name_inside(
    name: str, css: str, pieces: Sequence[tuple[float, float]], y: float, height: float
) -> str:
    """Write a name into the first piece (left, right) of a rectangle that has room, or upright."""
    room = text_width(name, _FONT) + 6
    for left, right in pieces:
        if right - left >= room and height >= _FONT + 2:
            return label(left + 4, y + min(height / 2, 9) + 3.5, name, css)
    for left, right in pieces:
        if height >= room and right - left >= _FONT + 2:
            return label((left + right) / 2 + 3.5, y + height - 4, name, css, turn=-90)
    return ""


def _pieces(left: float, right: float, program: Program, axes: Axes) -> list[tuple[float, float]]:
    """Cut a span of pixels where the lines around the peak cross it."""
    index = peak_index(program)
    lines = [axes.x(end) for end in (index, index + 1) if left < axes.x(end) < right]
    return list(itertools.pairwise([left, *lines, right]))


def _regions(program: Program, axes: Axes) -> list[str]:
    """Draw bands for the forward and the backward pass, with their names, above the map."""
    loss, nodes = loss_index(program.graph), axes.nodes
    backward = ("backward and update", "backward")
    spans = [(("forward",), 0, loss), (backward, min(loss + 1, nodes), nodes)]
    parts: list[str] = []
    for names, first, end in spans:
        if end > first:
            x, right = axes.x(first), axes.x(end)
            parts.append(rectangle(x, TOP - 42, right - x, 18, f"region r-{names[-1]}"))
            fitting = (name for name in names if text_width(name, 11) <= right - x)
            text = next(fitting, shortened(names[-1], right - x, 11))
            parts.append(label((x + right) / 2, TOP - 29, text, "region-name", "middle"))
    return parts


def _places(program: Program, axes: Axes) -> list[str]:
    """Mark the loss and the end of the frozen prefix, with their names between band and map."""
    loss, cut, nodes = loss_index(program.graph), program.frozen_prefix, axes.nodes
    parts: list[str] = []
    right = MAP_RIGHT
    if loss < nodes:
        x, room = axes.x(loss), text_width("loss", 11)
        width = max(axes.x(loss + 1) - x, 1.5)
        middle = min(x + width / 2, right - room / 2)
        parts += [rectangle(x, top, width, high, "r-loss") for top, high in _plots(axes)]
        parts.append(label(middle, TOP - 9, "loss", "region-name", "middle"))
        right = middle - room / 2 - _TEXT_GAP
    if 0 < cut < nodes:
        x, text = axes.x(cut), "end of the frozen prefix"
        middle = min(x, right - text_width(text, 11) / 2)
        parts += [line(x, top, x, top + high, "cut") for top, high in _plots(axes)]
        parts.append(label(middle, TOP - 9, text, "cut-name", "middle"))
    return parts


def _plots(axes: Axes) -> list[tuple[float, float]]:
    """Return upper edge and height of the map and of the live bytes below it."""
    return [
        (TOP, axes.map_bottom - TOP),
        (axes.live_top, axes.bottom - axes.live_top),
    ]


def _grid(axes: Axes) -> list[str]:
    parts: list[str] = []
    for address in byte_ticks(axes.top):
        y = axes.y(address)
        parts += [
            line(MAP_LEFT, y, MAP_RIGHT, y, "grid"),
            label(MAP_LEFT - 6, y + 3.5, kibibytes(address), "tick", "end"),
        ]
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**6) if axes.nodes / s <= 20)  # noqa: PLR2004
    for index in range(0, axes.nodes, step):
        parts.append(label(axes.x(index + 0.5), axes.bottom + 14, str(index), "tick", "middle"))
    middle = (MAP_LEFT + MAP_RIGHT) / 2
    parts.append(label(middle, axes.bottom + 31, "nodes in execution order", "axis", "middle"))
    return parts


def _limits(program: Program, axes: Axes) -> list[str]:
    """Draw the arena's end and the lower bound as lines, with their sizes at the top."""
    plan = program.plan
    excess = plan.arena_bytes - plan.lower_bound_bytes
    text = f"Upper edge: arena of {plan.arena_bytes:,} bytes"
    if excess:
        text += f". Dashed line: lower bound of {plan.lower_bound_bytes:,} bytes, {excess:,} less"
    else:
        text += ", which is the lower bound: no order or placement needs less"
    lines = [("limit", plan.arena_bytes), *([("bound", plan.lower_bound_bytes)] if excess else [])]
    return [
        *(line(MAP_LEFT, axes.y(at), MAP_RIGHT, axes.y(at), css) for css, at in lines),
        label(MAP_LEFT, TOP - 51, text, "limit-name"),
    ]


def _live_profile(live: dict[BufferKind, list[int]], axes: Axes) -> list[str]:
    """Draw the bytes that are live during each node, stacked by kind."""
    base = [0] * axes.nodes
    parts = [
        label(MAP_LEFT - 6, axes.live_y(axes.top) + 8, kibibytes(axes.top), "tick", "end"),
        label(MAP_LEFT - 6, axes.bottom, "0", "tick", "end"),
        label(MAP_LEFT, axes.live_top - 8, "live bytes by kind", "axis"),
        line(MAP_LEFT, axes.bottom, MAP_RIGHT, axes.bottom, "grid"),
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


def _staircase(sizes: Sequence[int], axes: Axes) -> list[tuple[float, float]]:
    points = [(axes.x(index), axes.live_y(size)) for index, size in enumerate(sizes)]
    return steps([*points, (axes.x(len(sizes)), axes.live_y(sizes[-1]))])


def _peak(program: Program, axes: Axes) -> list[str]:
    index = peak_index(program)
    live = sum(buffer.size for buffer in program.plan.live_at(index))
    x, right = axes.x(index), axes.x(index + 1)
    text = f"peak {live:,} bytes at {program.graph.nodes[index].name}"
    half = text_width(text, 13) / 2
    middle = min(max((x + right) / 2, MAP_LEFT + half), MAP_RIGHT - half)
    return [
        *(rectangle(x, top, right - x, high, "peak-band") for top, high in _plots(axes)),
        label(middle, axes.map_bottom + 18, text, "peak-name", "middle"),
    ]
