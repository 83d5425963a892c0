"""Contributions by training: each part of a network trained beside its head, and what it gains.

As in MCUNetV3, section 2.2: the gain of the biases of the last k layers for every k, of each
layer's own bias, and of a weight at each share of its channels on top of the biases from its layer
on. All runs are short, use the arithmetic that ships, and are judged by validation samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kilograd.data import Samples
from kilograd.ir import Graph
from kilograd.search.choice import Choice, Key
from kilograd.search.cluster import Cluster
from kilograd.search.contributions import Contributions
from kilograd.search.options import LayerOptions
from kilograd.search.prefix import Boundary, boundaries, build_stages, run_stages, suffix
from kilograd.search.runs import Material, Outcome, RunStore, short_run
from kilograd.search.tasks import Task

#: A boundary is used where its tensor is no larger than this multiple of the smallest before it.
_GROWTH = 1.5


@dataclass(frozen=True)
class Analysis:
    """All runs of an analysis.

    Attributes:
        alone: run of the head alone.
        own: layer -> run of its bias, in forward order, without the head.
        last: layer -> run of all biases from it on.
        weights: layer -> share -> run of its weight and all biases from it on.
    """

    alone: Choice
    own: Mapping[str, Choice]
    last: Mapping[str, Choice]
    weights: Mapping[str, Mapping[float, Choice]]

    def choices(self) -> list[Choice]:
        """Each run once, in an order that does not change."""
        weights = (choice for shares in self.weights.values() for choice in shares.values())
        return [self.alone, *self.own.values(), *self.last.values(), *weights]


def plan_analysis(options: Sequence[LayerOptions]) -> Analysis:
    """The runs that tell what each option is worth; the head comes last in the options."""
    names = tuple(option.layer for option in options[:-1])
    last = {name: Choice(names[i:]) for i, name in enumerate(names)}
    return Analysis(
        Choice(),
        {name: Choice((name,)) for name in names},
        last,
        {
            option.layer: {
                w.share: Choice(last[option.layer].biases, {option.layer: w.share})
                for w in option.weights
            }
            for option in options[:-1]
        },
    )


def measured_contributions(
    graph: Graph,
    options: Sequence[LayerOptions],
    tasks: Sequence[Task],
    *,
    cluster: Cluster,
    store: RunStore,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Contributions]:
    """The contributions of every option on each task.

    Args:
        graph: the forward graph, with as many classes as the task with the most.
        options: of all its layers.
        tasks: what is learned.
        cluster: where runs are made.
        store: of finished runs; what is in it is not run again.
        seed: of all runs.
        progress: told how many runs are done.
    """
    analysis = plan_analysis(options)
    runs = _Runs(graph, options[-1].layer, tasks, cluster, store, seed)
    outcomes = runs.make(analysis.choices(), progress)
    return [
        contributions_of(analysis, {key: found[number] for key, found in outcomes.items()})
        for number in range(len(tasks))
    ]


def contributions_of(analysis: Analysis, outcomes: Mapping[Key, Outcome]) -> Contributions:
    """Gains from the outcomes of all runs on one task.

    What biases gain together is less than the sum of what each gains alone; each one's own gain is
    scaled so that they sum to the most that the biases of the last layers gained.
    """
    alone = outcomes[analysis.alone.key].expected
    last = {name: outcomes[choice.key].expected for name, choice in analysis.last.items()}
    own = {
        name: max(0.0, outcomes[choice.key].expected - alone)
        for name, choice in analysis.own.items()
    }
    most, total = max(0.0, max(last.values()) - alone), sum(own.values())
    scale = most / total if total else 0.0
    return Contributions(
        "measured",
        "expected accuracy",
        {name: gain * scale for name, gain in own.items()},
        {
            name: {
                share: outcomes[choice.key].expected - last[name]
                for share, choice in shares.items()
            }
            for name, shares in analysis.weights.items()
        },
    )


class _Runs:
    """Makes runs: those that are not in the store, each from the boundary before its layers."""

    def __init__(
        self,
        graph: Graph,
        head: str,
        tasks: Sequence[Task],
        cluster: Cluster,
        store: RunStore,
        seed: int,
    ) -> None:
        self._graph = graph
        self._head = head
        self._tasks = tasks
        self._cluster = cluster
        self._store = store
        self._seed = seed
        self._digests = [task.digest for task in tasks]
        self._boundaries = _useful(graph)

    def make(
        self, choices: Sequence[Choice], progress: Callable[[int, int], None] | None
    ) -> dict[Key, list[Outcome]]:
        """The outcomes of every choice, one a task."""
        found: dict[Key, list[Outcome]] = {}
        missing: list[Choice] = []
        for choice in choices:
            kept = [self._store.find(choice, digest, self._seed) for digest in self._digests]
            whole = [outcome for outcome in kept if outcome is not None]
            if len(whole) == len(kept):
                found[choice.key] = whole
            else:
                missing.append(choice)
        done = len(found)
        if progress is not None:
            progress(done, len(choices))
        for choice, outcomes in self._run(missing):
            for digest, outcome in zip(self._digests, outcomes, strict=True):
                self._store.keep(choice, digest, self._seed, outcome)
            found[choice.key] = outcomes
            done += 1
            if progress is not None:
                progress(done, len(choices))
        return found

    def _run(self, choices: Sequence[Choice]) -> Iterable[tuple[Choice, list[Outcome]]]:
        if not choices:
            return
        places = {choice.key: self._boundary(choice) for choice in choices}
        materials = self._materials(set(places.values()))
        graphs = {place: suffix(self._graph, place) for place in set(places.values())}
        jobs = [
            (choice, graphs[places[choice.key]], materials[places[choice.key]])
            for choice in choices
        ]
        yield from self._cluster.run(
            [
                (_run_one, (graph, self._head, choice, given, self._seed))
                for choice, graph, given in jobs
            ]
        )

    def _boundary(self, choice: Choice) -> Boundary:
        trained = {*choice.biases, *choice.weights, self._head}
        first = min(i for i, node in enumerate(self._graph.nodes) if node.layer in trained)
        return [boundary for boundary in self._boundaries if boundary.index <= first][-1]

    def _materials(self, wanted: set[Boundary]) -> dict[Boundary, list[Material]]:
        """Each task's samples at every boundary."""
        stages = build_stages(self._graph, wanted, self._cluster.workers)
        found: dict[Boundary, list[Material]] = {place: [] for place in wanted}
        for task in self._tasks:
            fit, validation = (
                run_stages(self._graph, stages, samples.inputs)
                for samples in (task.fit, task.validation)
            )
            for place, materials in found.items():
                materials.append(
                    Material(
                        Samples(fit[place], task.fit.labels),
                        Samples(validation[place], task.validation.labels),
                        task.classes,
                    )
                )
        return found


def _run_one(
    graph: Graph, head: str, choice: Choice, materials: Sequence[Material], seed: int
) -> tuple[Choice, list[Outcome]]:
    """What a worker does."""
    return choice, short_run(graph, head, choice, materials, seed)


def _useful(graph: Graph) -> list[Boundary]:
    """Boundaries whose tensors are small, in forward order; the input is always one."""
    found: list[Boundary] = []
    smallest = float("inf")
    for boundary in boundaries(graph):
        size = graph.type_of(boundary.value).nbytes
        if not found or size <= _GROWTH * smallest:
            found.append(boundary)
            smallest = min(smallest, size)
    return found
