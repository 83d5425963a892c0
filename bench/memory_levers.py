"""What each part of the compiler saves: a training step planned again and again, one part more.

Bytes are planned, arena and trained state; nothing here is emitted or run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from kilograd.ir import Graph
from kilograd.memory import plan_memory
from kilograd.ops.pointwise.op import Pointwise
from kilograd.passes import Differentiate, Fuse, Order, Pass, Prune, Select, run_passes
from kilograd.scheme import Scheme

IN_PLACE, REORDERED, ROWS, STREAMED, SLICES = (
    "in place",
    "reordered",
    "row groups",
    "streamed input",
    "weights in slices",
)
#: In the order in which they are put in. A streamed input needs row groups.
LEVERS = (IN_PLACE, REORDERED, ROWS, STREAMED, SLICES)


def levers(graph: Graph, scheme: Scheme) -> dict[str, list[dict[str, Any]]]:
    """Planned bytes with one part more at a time, and with all parts but one.

    Without all of them every tensor has memory of its own from the node that makes it to the last
    that reads it; the nodes run in the order in which they were written down: forward, backward,
    then the steps of what the forward pass reads; a clamp mask is made when it is needed; and a
    trained weight is summed whole.

    Args:
        graph: a forward graph.
        scheme: what is trained.

    Returns:
        ``added`` and ``left_out``: rows of ``name``, ``arena``, ``trainable``, ``lower_bound`` of
        the arena, and ``peak``, the node during which most bytes are live.
    """
    added = [planned(graph, scheme, LEVERS[:count]) for count in range(len(LEVERS) + 1)]
    left_out: list[dict[str, Any]] = []
    for lever in LEVERS:
        gone = (ROWS, STREAMED) if lever == ROWS else (lever,)
        rest = tuple(other for other in LEVERS if other not in gone)
        left_out.append({**planned(graph, scheme, rest), "name": lever})
    return {"added": added, "left_out": left_out}


def planned(graph: Graph, scheme: Scheme, parts: tuple[str, ...]) -> dict[str, Any]:
    """A row of ``levers``: planned with these parts, and named after the last."""
    with _without(*(lever for lever in LEVERS if lever not in parts)):
        trained = run_passes(graph, _passes(scheme, parts))
        plan = plan_memory(trained)
    return {
        "name": parts[-1] if parts else "none",
        "arena": plan.arena_bytes,
        "trainable": plan.state_bytes,
        "lower_bound": plan.lower_bound_bytes,
        "peak": trained.nodes[min(plan.peak_index, len(trained.nodes) - 1)].name,
    }


def _passes(scheme: Scheme, parts: tuple[str, ...]) -> list[Pass]:
    passes: list[Pass] = [
        Select(frozenset(scheme.biases), dict(scheme.weights)),
        Differentiate(),
        Prune(),
    ]
    if REORDERED in parts:
        passes.append(Order())
    if ROWS in parts:
        passes.append(Fuse(STREAMED in parts))
    return passes


@contextmanager
def _without(*parts: str) -> Iterator[None]:
    """Switches off what is no pass: memory taken over in place, and weights moved in slices."""
    with ExitStack() as stack:
        if IN_PLACE in parts:
            stack.enter_context(mock.patch("kilograd.memory.lifetimes._reused", return_value=None))
        if SLICES in parts:
            stack.enter_context(mock.patch.object(Pointwise, "takes_delta", new=False))
        yield
