"""What a pass is, and how several are run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Protocol

from kilograd.ir import Graph
from kilograd.passes.verify import verify


class Pass(Protocol):
    """A named transformation: a valid graph in, a valid graph out."""

    name: ClassVar[str]
    """Shown in dumps and errors."""

    def apply(self, graph: Graph) -> Graph:
        """The transformed graph; the argument is not changed."""
        ...


def run_passes(
    graph: Graph,
    passes: Iterable[Pass],
    dump: Callable[[str, Graph], None] | None = None,
) -> Graph:
    """Apply passes in order; verify the graph, and show it to ``dump``, after each."""
    verify(graph, after="input")
    for step in passes:
        graph = step.apply(graph)
        verify(graph, after=step.name)
        if dump is not None:
            dump(step.name, graph)
    return graph
