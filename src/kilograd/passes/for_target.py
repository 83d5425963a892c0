"""Tells the graph what its target's processor can."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from kilograd.ir import Graph


@dataclass(frozen=True)
class ForTarget:
    """Let kernels use the features of a target: each node then runs in its best variant.

    Runs before everything that looks at memory, since variants differ in scratch.

    Attributes:
        features: of the target's processor.
    """

    features: frozenset[str]
    name: ClassVar[str] = "target"

    def apply(self, graph: Graph) -> Graph:
        """The same graph for that target."""
        return replace(graph, target_features=self.features)
