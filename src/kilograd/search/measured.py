"""Contributions by training: each part of a network trained beside its head, and what it gains.

As in MCUNetV3, section 2.2: the gain of the biases of the last k layers for every k, of each
layer's own bias, and of a weight at each share of its channels on top of biases. These are the same
for all weights behind them: on top of the biases from its own layer on, a late weight would seem to
gain what the biases before it gain as well. All runs are short, use the arithmetic that ships, and
are judged by validation samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from kilograd.data import Samples
from kilograd.ir import Graph
from kilograd.search.choice import Choice, Key
from kilograd.search.cluster import Cluster
from kilograd.search.contributions import PROBABILITY, Contributions
from kilograd.search.options import LayerOptions, layer_options
from kilograd.search.prefix import Boundary, boundaries, build_stages, run_stages, suffix
from kilograd.search.runs import Material, Outcome, RunStore, short_run
from kilograd.search.tasks import Task

#: A boundary is used where its tensor is no larger than this multiple of the smallest before it.
_GROWTH = 1.5
#: The biases that weights are measured on top of gain this share of what all can gain.
_BASE_SHARE = 0.85


#: What a choice of each run gave on one task.
Outcomes = Mapping[Key, Outcome]


@dataclass(frozen=True)
class Analysis:
    """The runs of an analysis, those of biases first.

    Attributes:
        options: of all layers but the head, in forward order.
    """

    options: tuple[LayerOptions, ...]

    @cached_property
    def alone(self) -> Choice:
        """The head alone."""
        return Choice()

    @cached_property
    def own(self) -> dict[str, Choice]:
        """Layer -> its bias."""
        return {option.layer: Choice((option.layer,)) for option in self.options}

    @cached_property
    def last(self) -> dict[str, Choice]:
        """Layer -> all biases from it on."""
        names = tuple(option.layer for option in self.options)
        return {name: Choice(names[i:]) for i, name in enumerate(names)}

    @property
    def biases(self) -> list[Choice]:
        """The first runs."""
        return [self.alone, *self.own.values(), *self.last.values()]

    @property
    def runs(self) -> int:
        """How many there are in all."""
        return len(self.biases) + sum(len(option.weights) for option in self.options)

    def base(self, tasks: Sequence[Outcomes]) -> str:
        """The layer whose biases from it on are what weights are measured on top of.

        The last one that gains most of what any number of biases gains, over all tasks.
        """
        gained = {
            name: sum(
                found[choice.key].calibrated - found[self.alone.key].calibrated for found in tasks
            )
            for name, choice in self.last.items()
        }
        most = max(gained.values())
        wanted = most - (1 - _BASE_SHARE) * abs(most)
        return [name for name, gain in gained.items() if gain >= wanted][-1]

    def below(self, layer: str, base: str) -> Choice:
        """The biases that a layer's weight is measured on top of: never fewer than from it on."""
        names = list(self.last)
        return self.last[names[min(names.index(layer), names.index(base))]]

    def weights(self, base: str) -> dict[str, dict[float, Choice]]:
        """Layer -> share -> its weight, and the biases that it is measured on top of."""
        return {
            option.layer: {
                w.share: Choice(self.below(option.layer, base).biases, {option.layer: w.share})
                for w in option.weights
            }
            for option in self.options
        }


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
    analysis = Analysis(tuple(options[:-1]))
    runs = _Runs(graph, options[-1].layer, tasks, cluster, store, seed)
    counted = _counted(progress, analysis.runs)
    first = runs.make(analysis.biases, counted(0))
    base = analysis.base(_by_task(first, len(tasks)))
    choices = [c for shares in analysis.weights(base).values() for c in shares.values()]
    outcomes = {**first, **runs.make(choices, counted(len(analysis.biases)))}
    return [contributions_of(analysis, base, one) for one in _by_task(outcomes, len(tasks))]


def make_runs(
    graph: Graph,
    choices: Sequence[Choice],
    tasks: Sequence[Task],
    cluster: Cluster,
    store: RunStore,
    seed: int,
    progress: Callable[[int], None],
) -> dict[Key, list[Outcome]]:
    """The outcomes of some choices, one a task.

    Args:
        graph: the forward graph, with as many classes as the task with the most.
        choices: what is trained.
        tasks: what is learned.
        cluster: where runs are made.
        store: of finished runs; what is in it is not run again.
        seed: of all runs.
        progress: told how many runs are done.
    """
    head = layer_options(graph)[-1].layer
    return _Runs(graph, head, tasks, cluster, store, seed).make(choices, progress)


def _by_task(outcomes: Mapping[Key, Sequence[Outcome]], tasks: int) -> list[Outcomes]:
    return [{key: found[task] for key, found in outcomes.items()} for task in range(tasks)]


def _counted(
    progress: Callable[[int, int], None] | None, total: int
) -> Callable[[int], Callable[[int], None]]:
    """Progress of all runs, from that of a part of them and how many were before it."""

    def count(before: int) -> Callable[[int], None]:
        return lambda done: progress(before + done, total) if progress else None

    return count


def contributions_of(analysis: Analysis, base: str, outcomes: Outcomes) -> Contributions:
    """Gains from the outcomes of all runs on one task.

    What biases gain together is less than the sum of what each gains alone; each one's own gain is
    scaled so that they sum to the most that the biases of the last layers gained.
    """
    alone = outcomes[analysis.alone.key].calibrated
    last = {name: outcomes[choice.key].calibrated for name, choice in analysis.last.items()}
    own = {
        name: max(0.0, outcomes[choice.key].calibrated - alone)
        for name, choice in analysis.own.items()
    }
    most, total = max(0.0, max(last.values()) - alone), sum(own.values())
    scale = most / total if total else 0.0
    return Contributions(
        "measured",
        PROBABILITY,
        {name: gain * scale for name, gain in own.items()},
        {
            name: {
                share: outcomes[choice.key].calibrated
                - outcomes[analysis.below(name, base).key].calibrated
                for share, choice in shares.items()
            }
            for name, shares in analysis.weights(base).items()
        },
        {name: reached - alone for name, reached in last.items()},
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
        self, choices: Sequence[Choice], progress: Callable[[int], None]
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
        done = len(choices) - len(missing)
        progress(done)
        for choice, outcomes in self._run(missing):
            for digest, outcome in zip(self._digests, outcomes, strict=True):
                self._store.keep(choice, digest, self._seed, outcome)
            found[choice.key] = outcomes
            done += 1
            progress(done)
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
                (_run_one, (graph, self._head, choice, given, self._seed, self._store.steps))
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
    graph: Graph, head: str, choice: Choice, materials: Sequence[Material], seed: int, steps: int
) -> tuple[Choice, list[Outcome]]:
    """What a worker does."""
    return choice, short_run(graph, head, choice, materials, seed, steps)


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
