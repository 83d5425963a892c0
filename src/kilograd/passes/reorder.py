"""Chooses a better order of execution where list scheduling is not proven to be the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kilograd.ir import Graph
from kilograd.liveness import TRIES, improve, schedule_problem


@dataclass(frozen=True)
class Reorder:
    """Lower the most bytes that are live at one time, down to a bound over all orders.

    Runs after the groups of rows are chosen; each moves as a whole. Inference nodes keep their
    order. Nothing that is computed depends on the order, so no result changes.

    Attributes:
        tries: items that a search under one limit may try; more find more, and take longer.
    """

    tries: int = TRIES

    name: ClassVar[str] = "reorder"

    def apply(self, graph: Graph) -> Graph:
        """The same nodes in the best order that is found."""
        nodes = {node.name: node for node in graph.nodes}
        problem = schedule_problem(graph)
        names = (
            name for item in improve(problem, self.tries) for name in problem.items[item].nodes
        )
        return graph.with_nodes(nodes[name] for name in names)
