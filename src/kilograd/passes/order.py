"""Chooses the order of execution: what frees memory runs as soon as it can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kilograd.ir import Graph, Node, Phase
from kilograd.liveness import ScheduleProblem, schedule_problem


@dataclass(frozen=True)
class Order:
    """List scheduling in program order, with memory-freeing training nodes moved up.

    A weight update overwrites its weight, so it waits for every other reader of it, and then runs
    at once, since it frees the gradient and the saved activation (MCUNetV3, section 3.2,
    "reordering"). A clamp mask is made right after its activation where that frees the
    activation, and only when its turn comes where the activation is kept anyway.
    """

    name: ClassVar[str] = "order"

    def apply(self, graph: Graph) -> Graph:
        """Repeatedly run the best ready node."""
        problem = schedule_problem(graph)
        nodes = {node.name: node for node in graph.nodes}
        waiting = list(range(len(problem.items)))
        order: list[Node] = []
        done = 0
        while waiting:
            chosen = _choose(problem, waiting, done)
            waiting.remove(chosen)
            order += (nodes[name] for name in problem.items[chosen].nodes)
            done |= 1 << chosen
        return graph.with_nodes(order)


def _choose(problem: ScheduleProblem, waiting: Sequence[int], done: int) -> int:
    """The next node: what frees most, or else the first that is ready."""
    ready = [item for item in waiting if not problem.items[item].before & ~done]
    growth = {
        item: problem.growth(item, done)
        for item in ready
        if problem.items[item].phase is Phase.TRAINING
    }
    freeing = [item for item, grown in growth.items() if grown <= 0]
    return min(freeing, key=growth.__getitem__) if freeing else ready[0]
