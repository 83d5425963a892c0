"""Turns what a scheme trains into states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from kilograd.ir import Graph, Node
from kilograd.ops import REGISTRY


@dataclass(frozen=True)
class Select:
    """Make the chosen biases and weights states; everything else stays constant.

    Attributes:
        biases: names of the layers whose bias is trained.
        weights: layer name -> share of its input channels whose weights are trained, in (0, 1].
        slices: whether trained weights are moved a slice at a time where operators can.
    """

    biases: frozenset[str]
    weights: Mapping[str, float]
    slices: bool = True
    name: ClassVar[str] = "select"

    def apply(self, graph: Graph) -> Graph:
        """Ask each chosen layer's operator how it is trained."""
        values = dict(graph.values)
        nodes: list[Node] = []
        for node in graph.nodes:
            bias = node.layer in self.biases
            share = self.weights.get(node.layer, 0.0)
            spec = REGISTRY[node.operator]
            if not (bias or share) or not spec.has_weights:
                nodes.append(node)
                continue
            trained = spec.trainable(node, graph, bias=bias, share=share)
            trained = spec.in_slices(trained) if self.slices else trained
            nodes += [*trained.before, trained.node]
            values.update({value.name: value for value in trained.values})
        return replace(graph, values=values).with_nodes(nodes)
