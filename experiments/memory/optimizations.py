"""What each part of the compiler saves, and what is lost where one alone is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kilograd.compiler import Optimization
from kilograd.ir import Graph
from kilograd.measuring.ablation import Planned, planned, steps
from kilograd.scheme import Scheme
from kilograd.targets import Target


def optimizations(graph: Graph, scheme: Scheme, target: Target) -> dict[str, list[dict[str, Any]]]:
    """Planned bytes with one part more at a time, and with all parts but one.

    Args:
        graph: a forward graph.
        scheme: what is trained.
        target: what it is planned for.

    Returns:
        ``added`` and ``left_out``: rows of ``name``, ``arena``, ``trainable``, ``lower_bound`` of
        the arena, ``peak``, the node during which most bytes are live, and ``recomputed_macs``.
    """
    added = [
        row_of(step.optimization, step) for step in steps(graph, scheme, target, row_input=True)
    ]
    left_out = [
        row_of(optimization, planned(graph, scheme, target, _others(optimization)))
        for optimization in Optimization
    ]
    return {"added": added, "left_out": left_out}


def _others(optimization: Optimization) -> Sequence[Optimization]:
    """All parts but one, and but those that need it."""
    gone = (
        {Optimization.ROWS, Optimization.ROW_INPUT}
        if optimization is Optimization.ROWS
        else {optimization}
    )
    return [other for other in Optimization if other not in gone]


def row_of(optimization: Optimization | None, step: Planned) -> dict[str, Any]:
    """A row of ``optimizations``."""
    return {
        "name": "none" if optimization is None else optimization.value,
        "arena": step.arena,
        "trainable": step.trainable,
        "lower_bound": step.lower_bound,
        "peak": step.peak,
        "recomputed_macs": step.recomputed_macs,
    }
