"""Chooses the order of execution: what frees memory runs as soon as it can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kilograd.ir import Graph, Kind, Node, Phase
from kilograd.ops import REGISTRY


@dataclass(frozen=True)
class Order:
    """List scheduling in program order, with memory-freeing training nodes moved up.

    A weight step overwrites its weight, so it waits for every other reader of it, and then runs
    at once, since it frees the gradient and the saved activation (MCUNetV3, section 3.2,
    "reordering"). A clamp mask is made right after its activation where that frees the
    activation, and only when its turn comes where the activation is kept anyway.
    """

    name: ClassVar[str] = "order"

    def apply(self, graph: Graph) -> Graph:
        """Repeatedly run the best ready node."""
        scheduler = _Scheduler(graph)
        while scheduler.waiting:
            scheduler.run(scheduler.choose())
        return graph.with_nodes(scheduler.done)


class _Scheduler:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.waiting = list(graph.nodes)
        self.done: list[Node] = []
        self._made = {
            name for name, value in graph.values.items() if value.kind is not Kind.ACTIVATION
        }
        self._readers = {
            name: {node.name for node in nodes} for name, nodes in graph.readers().items()
        }
        self._kept = set(graph.outputs)

    def choose(self) -> Node:
        ready = [node for node in self.waiting if self._is_ready(node)]
        freeing = [
            node for node in ready if node.phase is Phase.TRAINING and self._growth(node) <= 0
        ]
        return min(freeing, key=self._growth) if freeing else ready[0]

    def run(self, node: Node) -> None:
        self.waiting.remove(node)
        self.done.append(node)
        self._made.update(node.outputs)
        for name in node.inputs:
            self._readers[name].discard(node.name)

    def _is_ready(self, node: Node) -> bool:
        if not self._made.issuperset(node.inputs):
            return False
        overwritten = REGISTRY[node.operator].overwritten(node).values()
        return all(self._readers[state] == {node.name} for state in overwritten)

    def _growth(self, node: Node) -> int:
        """Bytes of the arena after the node less before."""
        overwritten = REGISTRY[node.operator].overwritten(node)
        made = sum(
            self._graph.type_of(output).nbytes
            for output in node.outputs
            if output not in overwritten
        )
        freed = sum(
            self._graph.type_of(name).nbytes
            for name in set(node.inputs)
            if self._readers[name] == {node.name}
            and name not in self._kept
            and self._graph.values[name].kind in (Kind.ACTIVATION, Kind.INPUT)
        )
        return made - freed
