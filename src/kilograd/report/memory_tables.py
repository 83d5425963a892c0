"""Make the tables below the memory map: kinds of buffers, and buffers at the peak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilograd.report.analysis import (
    KIND_TEXT,
    BufferKind,
    buffer_type,
    live_bytes,
    peak_index,
    placed_buffers,
    shown_name,
)

if TYPE_CHECKING:
    from kilograd.compiler import Program

_SHOWN_AT_PEAK = 8


@dataclass(frozen=True)
class KindRow:
    """One kind of buffers in the arena.

    Attributes:
        kind: Name for style sheets.
        name: Name for readers.
        meaning: Description of such buffers.
        most: The most bytes that are live at once.
        at_peak: Bytes that are live at the peak of the whole arena.
    """

    kind: str
    name: str
    meaning: str
    most: int
    at_peak: int


@dataclass(frozen=True)
class PeakRow:
    """One buffer that is live at the peak.

    Attributes:
        kind: Name of its kind for style sheets.
        name: Name for readers.
        type: Shape and data type of its first tensor; empty for scratch.
        size: Bytes.
        share: Share of all bytes that are live at the peak, in [0, 1].
    """

    kind: str
    name: str
    type: str
    size: int
    share: float


@dataclass(frozen=True)
class Peak:
    """The buffers that are live at the peak.

    Attributes:
        node: Name of the node that runs at the peak.
        rows: The largest buffers.
        others: Number of buffers that are not among the rows.
        others_size: Bytes of these other buffers.
        total: Bytes of all buffers.
    """

    node: str
    rows: tuple[PeakRow, ...]
    others: int
    others_size: int
    total: int


def buffer_kinds(program: Program) -> tuple[KindRow, ...]:
    """Return the kinds of buffers that occur in a program."""
    live = live_bytes(placed_buffers(program), len(program.graph.nodes))
    at_peak = peak_index(program)
    return tuple(
        KindRow(kind.value, *KIND_TEXT[kind], most=max(live[kind]), at_peak=live[kind][at_peak])
        for kind in BufferKind
        if any(live[kind])
    )


def peak_buffers(program: Program) -> Peak:
    """Return the buffers that are live at the peak, the largest ones by name."""
    graph, index = program.graph, peak_index(program)
    kind = {placed.buffer.name: placed.kind for placed in placed_buffers(program)}
    live = program.plan.live_at(index)
    total = sum(buffer.size for buffer in live)
    rows = tuple(
        PeakRow(
            kind=kind[buffer.name].value,
            name=shown_name(buffer, graph),
            type=buffer_type(buffer, graph),
            size=buffer.size,
            share=buffer.size / total,
        )
        for buffer in live[:_SHOWN_AT_PEAK]
    )
    others = live[_SHOWN_AT_PEAK:]
    others_size = sum(buffer.size for buffer in others)
    return Peak(graph.nodes[index].name, rows, len(others), others_size, total)
