"""Trials of whole schemes, which say what parts are worth together.

Thompson sampling (Thompson, 1933; for a choice of many parts: Wen et al., "Efficient Learning in
Large-Scale Combinatorial Semi-Bandits", 2015): gains are sampled from what is known of them, the
solver finds the best scheme of the sample, and what a training run of that scheme reaches is
learned from. So schemes that may be the best are tried, and parts whose gain is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np

from kilograd.ir import Graph
from kilograd.search.calibration import Budgets, Found, Space, check_possible, find_scheme
from kilograd.search.choice import Choice
from kilograd.search.cluster import Cluster
from kilograd.search.comparison import Comparison, compare
from kilograd.search.contributions import Contributions
from kilograd.search.regression import Regression, Trial
from kilograd.search.solve import Solution, solve
from kilograd.search.tasks import CrossValidation

#: Rounds of trials, and trials in each.
ROUNDS, TRIALS = 3, 8


@dataclass(frozen=True, eq=False)
class Goal:
    """What a scheme is searched for.

    Attributes:
        space: all schemes.
        budgets: that it keeps within.
        name: of the scheme.
    """

    space: Space
    budgets: Budgets
    name: str


@dataclass(frozen=True)
class Findings:
    """What a search found.

    Attributes:
        schemes: one a goal.
        contributions: that they were chosen by: in company where there were trials.
        trials: of whole schemes; empty if there were none.
        comparison: of the schemes of a front; None for others.
    """

    schemes: Sequence[Found]
    contributions: Contributions
    trials: Sequence[Trial] = ()
    comparison: Comparison | None = None


def find_by_trials(
    graph: Graph,
    goals: Sequence[Goal],
    contributions: Contributions,
    validations: Sequence[CrossValidation],
    cluster: Cluster,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    earlier: Sequence[Trial] = (),
) -> Findings:
    """The schemes that learn the most by all that trials of any of them said.

    Args:
        graph: the forward graph, with as many classes as the data set with the most.
        goals: of one network; a scheme is found for each.
        contributions: the gain of each part alone.
        validations: what is learned.
        cluster: where runs are made.
        seed: of the samples of gains.
        progress: told how many trials there were.
        earlier: trials of the network that are known already; further rounds follow theirs.

    Raises:
        BudgetError: the head alone takes more than a goal's budgets; says how much.
    """
    for goal in goals:
        check_possible(goal.space, goal.budgets)
        goal.space.prepare()
    first = max((trial.round for trial in earlier), default=-1) + 1
    trials = _Trials(graph, goals, contributions, validations, cluster, earlier)
    for number in range(first, first + ROUNDS):
        generator = np.random.Generator(np.random.PCG64([seed, number]))
        told = _counted(progress, number - first)
        is_last = number == first + ROUNDS - 1
        if not trials.advance(number, generator, told, is_last=is_last):
            break
    return trials.best()


def _counted(progress: Callable[[int, int], None] | None, number: int) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if progress is not None:
            progress(number * TRIALS + done, ROUNDS * TRIALS)

    return tell


class _Trials:
    """What was tried so far."""

    def __init__(
        self,
        graph: Graph,
        goals: Sequence[Goal],
        contributions: Contributions,
        validations: Sequence[CrossValidation],
        cluster: Cluster,
        earlier: Sequence[Trial],
    ) -> None:
        self._graph = graph
        self._goals = goals
        self._contributions = contributions
        self._validations = validations
        self._cluster = cluster
        self._trials = list(earlier)
        # A trial need not fill its budget to the last byte: estimates within what fitted will do.
        self._limits = [found.limits for found in self._find(self._regression().expected())]

    def advance(
        self,
        number: int,
        generator: np.random.Generator,
        told: Callable[[int], None],
        *,
        is_last: bool,
    ) -> bool:
        """Make a round of trials; whether there was anything to compare."""
        regression = self._regression()
        turns = [(number * TRIALS + k) % len(self._goals) for k in range(TRIALS)]
        sure = len(self._goals) if is_last else 0
        gains = [
            regression.expected() if k < sure else regression.sample(generator)
            for k in range(TRIALS)
        ]
        choices = self._solve(turns, gains)
        if not number and len(choices) == 1:
            return False
        self._trials += self._run(number, choices, told)
        told(TRIALS)
        return True

    def _regression(self) -> Regression:
        return Regression(self._goals[0].space.parts, self._contributions, self._trials)

    def _solve(self, turns: Sequence[int], gains: Sequence[Contributions]) -> list[Choice]:
        """The best choices of some goals, each by its own gains; those that differ."""
        solutions = self._cluster.run_in_order(
            [
                (solve, (self._goals[turn].space.costs, one, self._limits[turn]))
                for turn, one in zip(turns, gains, strict=True)
            ]
        )
        return list({one.choice.key: one.choice for one in solutions}.values())

    def _find(self, gains: Contributions) -> list[Found]:
        """For every goal the best, compiled and measured."""
        return self._cluster.run_in_order(
            [(find_scheme, (goal.space, gains, goal.budgets, goal.name)) for goal in self._goals]
        )

    def _run(
        self, number: int, choices: Sequence[Choice], told: Callable[[int], None]
    ) -> Iterator[Trial]:
        """What each choice reaches."""
        compared = compare(self._graph, choices, self._validations, number, self._cluster, told)
        for choice in choices:
            yield Trial(choice, number, compared.reached(choice))

    def best(self) -> Findings:
        """For every goal the best that is known."""
        expected = self._regression().expected()
        found = [*zip(self._goals, self._find(expected), strict=True)]
        schemes = [
            _best(solved, goal, expected, [one for its, one in found if its.space is goal.space])
            for goal, solved in found
        ]
        return Findings(schemes, expected, self._trials)


def _best(solved: Found, goal: Goal, expected: Contributions, found: Sequence[Found]) -> Found:
    """Of all that keep within a goal's budgets, as what was found for it.

    What was found for a smaller budget may have used its memory better.
    """
    gains = [
        (expected.total(one.choice.biases, one.choice.weights), one)
        for one in found
        if goal.budgets.allow(one.measurement)
    ]
    gain, best = max(gains, key=itemgetter(0))
    return replace(
        best,
        scheme=best.choice.scheme(goal.name, goal.space.head),
        budgets=goal.budgets,
        solution=Solution(best.choice, gain, max(gain, solved.solution.bound)),
        limits=solved.limits,
        rounds=solved.rounds,
    )
