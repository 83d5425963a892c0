"""Chooses a better order of execution where list scheduling is not proven to be the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kilograd.ir import Graph
from kilograd.liveness import TRIES, improve, problem_of


@dataclass(frozen=True)
class Reorder:
    """Lower the most bytes that are live at one time, down to a bound over all orders.

    Runs after the groups of rows are chosen; each moves as a whole. Inference nodes keep their
    order. Nothing that is computed depends on the order, so no result changes.

    Attributes:
        tries: units that a search under one limit may try; more find more, and take longer.
    """

    tries: int = TRIES

    name: ClassVar[str] = "reorder"

    def apply(self, graph: Graph) -> Graph:
        """The same nodes in the best order that is found."""
        nodes = {node.name: node for node in graph.nodes}
        problem = problem_of(graph)
        names = (
            name for unit in improve(problem, self.tries) for name in problem.units[unit].nodes
        )
        return graph.with_nodes(nodes[name] for name in names)
