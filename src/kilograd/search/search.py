"""A search from samples to schemes: contributions, then the best choice for each budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kilograd.errors import UserError
from kilograd.ir import Graph
from kilograd.search.cluster import THIS_COMPUTER, Cluster
from kilograd.search.contributions import Contributions, average
from kilograd.search.fisher import fisher_contributions
from kilograd.search.measured import measured_contributions
from kilograd.search.options import layer_options
from kilograd.search.runs import RunStore
from kilograd.search.tasks import Task

METHODS = ("measured", "fisher")


class Progress(Protocol):
    """Told how far an analysis has come."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """``what`` is being done, so many of all."""
        ...


@dataclass(frozen=True)
class Analyst:
    """How contributions are found.

    Attributes:
        method: ``measured`` by short training runs, or ``fisher`` from gradients.
        cluster: where runs are made.
        seed: of everything random.
    """

    method: str = "measured"
    cluster: Cluster = THIS_COMPUTER
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UserError(
                f"there is no method {self.method!r}", hint=f"choose {' or '.join(METHODS)}"
            )

    def analyse(
        self, graph: Graph, tasks: Sequence[Task], progress: Progress | None = None
    ) -> list[Contributions]:
        """The contributions on each task.

        Args:
            graph: the forward graph, with as many classes as the task with the most.
            tasks: what is learned.
            progress: told how far it has come.
        """
        options = layer_options(graph)
        if self.method == "fisher":
            return [
                fisher_contributions(
                    graph, options, task.fit, seed=self.seed, progress=_named(progress, task.name)
                )
                for task in tasks
            ]
        return measured_contributions(
            graph,
            options,
            tasks,
            cluster=self.cluster,
            store=RunStore(graph),
            seed=self.seed,
            progress=_named(progress, "training runs"),
        )

    def average(
        self, graph: Graph, tasks: Sequence[Task], progress: Progress | None = None
    ) -> Contributions:
        """The mean over the tasks: one scheme for all of them."""
        return average(self.analyse(graph, tasks, progress))


def _named(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None

    def tell(done: int, total: int) -> None:
        progress(what, done, total)

    return tell
