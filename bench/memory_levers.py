"""What each part of the compiler saves, and what is lost where one alone is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kilograd.compiler import Lever
from kilograd.ir import Graph
from kilograd.levers import Planned, planned, steps
from kilograd.scheme import Scheme


def levers(graph: Graph, scheme: Scheme) -> dict[str, list[dict[str, Any]]]:
    """Planned bytes with one part more at a time, and with all parts but one.

    Args:
        graph: a forward graph.
        scheme: what is trained.

    Returns:
        ``added`` and ``left_out``: rows of ``name``, ``arena``, ``trainable``, ``lower_bound`` of
        the arena, ``peak``, the node during which most bytes are live, and ``recomputed_macs``.
    """
    added = [row_of(step.lever, step) for step in steps(graph, scheme, stream_input=True)]
    left_out = [row_of(lever, planned(graph, scheme, _others(lever))) for lever in Lever]
    return {"added": added, "left_out": left_out}


def _others(lever: Lever) -> Sequence[Lever]:
    """All parts but one, and but those that need it."""
    gone = {Lever.ROWS, Lever.STREAMED} if lever is Lever.ROWS else {lever}
    return [other for other in Lever if other not in gone]


def row_of(lever: Lever | None, step: Planned) -> dict[str, Any]:
    """A row of ``levers``."""
    return {
        "name": "none" if lever is None else lever.value,
        "arena": step.arena,
        "trainable": step.trainable,
        "lower_bound": step.lower_bound,
        "peak": step.peak,
        "recomputed_macs": step.recomputed_macs,
    }
