"""The order in which nodes are read: each behind those whose results it reads."""

from __future__ import annotations

from dataclasses import replace

from kilograd.frontend.onnx.graph import Node, OnnxGraph


def in_order(graph: OnnxGraph) -> OnnxGraph:
    """A graph with its nodes in an order in which they can run.

    The file's order stays where it is one. A graph that goes in circles, or in which two nodes make
    one value, is left as it is.
    """
    makers: dict[str, int] = {}
    for number, node in enumerate(graph.nodes):
        for name in node.outputs:
            if name and makers.setdefault(name, number) != number:
                return graph
    order = _order([_reads(node, makers) for node in graph.nodes])
    return graph if order is None else replace(graph, nodes=tuple(graph.nodes[n] for n in order))


def _reads(node: Node, makers: dict[str, int]) -> list[int]:
    """Numbers of the nodes that must come before one."""
    return [makers[name] for name in node.inputs if name in makers]


def _order(reads: list[list[int]]) -> list[int] | None:
    """Numbers of nodes, each behind those that it reads from; None if they go in circles."""
    order: list[int] = []
    done: set[int] = set()
    for first in range(len(reads)):
        open_, path = [first], set[int]()
        while open_:
            number = open_[-1]
            missing = [maker for maker in reads[number] if maker not in done]
            if number in done or not missing:
                if number not in done:
                    done.add(number)
                    order.append(number)
                open_.pop()
            elif number in path:
                return None
            else:
                path.add(number)
                open_ += missing
    return order
