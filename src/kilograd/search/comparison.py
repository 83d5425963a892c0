"""Whole schemes compared: each is trained on the same samples, and judged by the same others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import Graph
from kilograd.search.choice import Choice, Key
from kilograd.search.cluster import Cluster
from kilograd.search.measured import make_runs
from kilograd.search.runs import Outcome, RunStore
from kilograd.search.tasks import FOLDS, CrossValidation

Array = NDArray[np.float64]

#: Of a run: as many as a training has that is meant to last. With fewer samples that come more
#: often, schemes that reach far back catch up, which they do not where samples are many.
_STEPS = 8000
#: Rounds at least, and runs that each scheme has at least, where there are folds enough.
_LEAST_ROUNDS, _LEAST_RUNS = 2, 8


@dataclass(frozen=True, eq=False)
class Comparison:
    """What some schemes reached.

    Attributes:
        weights: of the runs that each scheme has, in the order of its outcomes; they sum to 1.
        outcomes: of each scheme's runs.
    """

    weights: Array
    outcomes: Mapping[Key, Sequence[Outcome]]

    def reached(self, choice: Choice) -> float:
        """The mean of accuracy and calibrated probability, in [0, 1].

        The first is what is wanted, and is known from some hundred samples only; the second is less
        noisy, but rises with early weights where accuracy does not.
        """
        return float(self.weights @ self._reached(choice))

    def accuracy(self, choice: Choice) -> float:
        """The mean of accuracy alone."""
        return float(self.weights @ [one.accuracy for one in self.outcomes[choice.key]])

    def lead(self, choice: Choice, other: Choice) -> tuple[float, float]:
        """How much more a scheme reached than another, and the standard error of that.

        The error is that of a weighted mean of the runs' differences; infinite for a single run.
        """
        differences = self._reached(choice) - self._reached(other)
        mean = float(self.weights @ differences)
        runs = len(differences)
        if runs == 1:
            return mean, float("inf")
        square = float(np.square(self.weights * (differences - mean)).sum())
        return mean, (square * runs / (runs - 1)) ** 0.5

    def _reached(self, choice: Choice) -> Array:
        return np.array([(one.accuracy + one.calibrated) / 2 for one in self.outcomes[choice.key]])


def compare(
    graph: Graph,
    choices: Sequence[Choice],
    validations: Sequence[CrossValidation],
    number: int,
    cluster: Cluster,
    progress: Callable[[int], None],
) -> Comparison:
    """Train some schemes, once on each part of each data set that is held back in a round.

    Args:
        graph: the forward graph, with as many classes as the data set with the most.
        choices: what is trained.
        validations: what is learned; data sets count alike, whatever number of parts they have.
        number: of the round, and the seed of its runs.
        cluster: where runs are made.
        progress: told how many schemes are done.
    """
    learned = [validation.tasks(number) for validation in validations]
    tasks = [task for several in learned for task in several]
    weights = [1 / len(several) / len(learned) for several in learned for _ in several]
    store = RunStore(graph, steps=_STEPS)
    outcomes = make_runs(graph, choices, tasks, cluster, store, number, progress)
    return Comparison(np.array(weights), outcomes)


def joined(rounds: Sequence[Comparison]) -> Comparison:
    """All runs of several rounds with the same schemes; rounds count alike."""
    weights = np.concatenate([one.weights for one in rounds]) / len(rounds)
    outcomes = {
        key: [outcome for one in rounds for outcome in one.outcomes[key]]
        for key in rounds[0].outcomes
    }
    return Comparison(weights, outcomes)


def compare_in_rounds(
    graph: Graph,
    choices: Sequence[Choice],
    validations: Sequence[CrossValidation],
    first: int,
    cluster: Cluster,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare some schemes by as many runs as a decision between them takes.

    Args:
        graph: the forward graph, with as many classes as the data set with the most.
        choices: what is trained; equal ones are trained once.
        validations: what is learned.
        first: number of the first round: behind those of trials, so that seeds are others.
        cluster: where runs are made.
        progress: told how many runs of a scheme through a round there were.
    """
    different = list({choice.key: choice for choice in choices}.values())
    a_round = sum(len(validation.tasks(0)) for validation in validations)
    rounds = min(FOLDS, max(_LEAST_ROUNDS, -(-_LEAST_RUNS // a_round)))

    def told(before: int) -> Callable[[int], None]:
        return lambda done: (
            progress(before * len(different) + done, rounds * len(different)) if progress else None
        )

    return joined(
        [
            compare(graph, different, validations, first + number, cluster, told(number))
            for number in range(rounds)
        ]
    )
