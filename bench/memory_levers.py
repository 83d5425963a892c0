"""What each part of the compiler saves, and what is lost where one alone is left out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any
from unittest import mock

from kilograd.ir import Graph
from kilograd.levers import Lever, planned
from kilograd.ops.pointwise.op import Pointwise
from kilograd.scheme import Scheme

#: Trained weights are moved in slices; no pass, so it is not among the compiler's own levers.
SLICES = "weights in slices"
LEVERS: tuple[Lever | str, ...] = (
    *(lever for lever in Lever if lever is not Lever.RECOMPUTED),
    SLICES,
    Lever.RECOMPUTED,
)
NAMES = [lever.value if isinstance(lever, Lever) else lever for lever in LEVERS]


def levers(graph: Graph, scheme: Scheme) -> dict[str, list[dict[str, Any]]]:
    """Planned bytes with one part more at a time, and with all parts but one.

    Args:
        graph: a forward graph.
        scheme: what is trained.

    Returns:
        ``added`` and ``left_out``: rows of ``name``, ``arena``, ``trainable``, ``lower_bound`` of
        the arena, ``peak``, the node during which most bytes are live, and ``recomputed_macs``.
    """
    added = [planned_row(graph, scheme, LEVERS[:count]) for count in range(len(LEVERS) + 1)]
    left_out: list[dict[str, Any]] = []
    for lever in LEVERS:
        # A streamed sample needs row groups.
        gone = (Lever.ROWS, Lever.STREAMED) if lever is Lever.ROWS else (lever,)
        rest = tuple(other for other in LEVERS if other not in gone)
        left_out.append({**planned_row(graph, scheme, rest), "name": _name(lever)})
    return {"added": added, "left_out": left_out}


def planned_row(graph: Graph, scheme: Scheme, parts: Sequence[Lever | str]) -> dict[str, Any]:
    """A row of ``levers``: planned with these parts, and named after the last."""
    whole = mock.patch.object(Pointwise, "takes_delta", new=False)
    with nullcontext() if SLICES in parts else whole:
        found = planned(graph, scheme, [part for part in parts if isinstance(part, Lever)])
    return {
        "name": _name(parts[-1]) if parts else "none",
        "arena": found.arena,
        "trainable": found.trainable,
        "lower_bound": found.lower_bound,
        "peak": found.peak,
        "recomputed_macs": found.recomputed_macs,
    }


def _name(lever: Lever | str) -> str:
    return lever.value if isinstance(lever, Lever) else lever
