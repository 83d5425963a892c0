"""Removes what nothing needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kilograd.ir import Graph, Node


@dataclass(frozen=True)
class Prune:
    """Keep the nodes that outputs and state updates depend on."""

    name: ClassVar[str] = "prune"

    def apply(self, graph: Graph) -> Graph:
        """Walk backwards from what is needed."""
        needed = set(graph.outputs) | set(graph.updates.values())
        kept: list[Node] = []
        for node in reversed(graph.nodes):
            if needed.intersection(node.outputs):
                kept.append(node)
                needed.update(node.inputs)
        return graph.with_nodes(reversed(kept))
