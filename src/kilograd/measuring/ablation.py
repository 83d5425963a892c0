"""What each part of the compiler saves: a training step planned again and again, one part more.

Bytes are planned, arena and trained state; nothing here is emitted or run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kilograd.compiler import Optimization, plan_step
from kilograd.ir import Graph
from kilograd.passes import recomputed_macs
from kilograd.scheme import Scheme
from kilograd.targets import Target


@dataclass(frozen=True)
class Planned:
    """A training step planned with some parts of the compiler.

    Attributes:
        optimization: the part that was put in last; None where there is none.
        arena: bytes.
        trainable: bytes of the trained state.
        lower_bound: of the arena, over all orders and placements of the same nodes.
        peak: name of the node during which most bytes are live.
        recomputed_macs: multiply-accumulates that are done twice.
    """

    optimization: Optimization | None
    arena: int
    trainable: int
    lower_bound: int
    peak: str
    recomputed_macs: int

    @property
    def total(self) -> int:
        """Bytes of SRAM, without stack and other variables."""
        return self.arena + self.trainable


def steps(graph: Graph, scheme: Scheme, target: Target, *, row_input: bool) -> list[Planned]:
    """Planned without any of them, and with one part more at a time.

    Without all of them every tensor has memory of its own from the node that makes it to the last
    that reads it; the nodes run in the order in which they were written down: forward, backward,
    then the steps of what the forward pass reads; a clamp mask is made when it is needed; and a
    trained weight is summed whole.

    Args:
        graph: a forward graph.
        scheme: what is trained.
        target: what it is planned for.
        row_input: whether the sample arrives in rows.
    """
    used = [
        optimization
        for optimization in Optimization
        if row_input or optimization is not Optimization.ROW_INPUT
    ]
    return [planned(graph, scheme, target, used[:count]) for count in range(len(used) + 1)]


def planned(graph: Graph, scheme: Scheme, target: Target, parts: Sequence[Optimization]) -> Planned:
    """Planned with these parts; named after the last."""
    trained, plan = plan_step(graph, scheme, target, parts)
    return Planned(
        optimization=parts[-1] if parts else None,
        arena=plan.arena_bytes,
        trainable=plan.state_bytes,
        lower_bound=plan.lower_bound_bytes,
        peak=trained.nodes[min(plan.peak_index, len(trained.nodes) - 1)].name,
        recomputed_macs=recomputed_macs(trained),
    )
