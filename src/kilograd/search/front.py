"""A front of schemes: what takes more memory learns more, beyond doubt.

By estimates, every byte gains something. So the schemes that were found for several budgets are
compared by runs of their own, and a larger one stands on the front only where it leads the one
before it by more than two standard errors: as the "1 SE rule" of Breiman et al. ("Classification
and Regression Trees", 1984, section 3.4.3), with the two errors that are usual in a test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kilograd.ir import Graph
from kilograd.search.calibration import Found
from kilograd.search.choice import Choice
from kilograd.search.cluster import Cluster
from kilograd.search.comparison import Comparison, compare, joined
from kilograd.search.tasks import FOLDS, CrossValidation
from kilograd.search.trials import ROUNDS

#: Standard errors by which a larger scheme must lead.
DOUBTS = 2.0
#: Rounds at least, and runs that each scheme has at least, where there are folds enough.
_LEAST_ROUNDS, _LEAST_RUNS = 2, 8


def compare_for_front(
    graph: Graph,
    choices: Sequence[Choice],
    validations: Sequence[CrossValidation],
    cluster: Cluster,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Train the schemes of a front for its decisions, with other seeds than trials had.

    Args:
        graph: the forward graph, with as many classes as the data set with the most.
        choices: what is trained; equal ones are trained once.
        validations: what is learned.
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
            compare(graph, different, validations, ROUNDS + number, cluster, told(number))
            for number in range(rounds)
        ]
    )


def choose_front(choices: Sequence[Choice], comparison: Comparison) -> list[int]:
    """For each budget, which of the schemes stands there: its own, or one for less.

    Args:
        choices: the best by estimates, one a budget, in ascending order.
        comparison: of all of them.
    """
    chosen: list[int] = []
    for place in range(len(choices)):
        best = max(range(place + 1), key=lambda i: comparison.reached(choices[i]))
        if chosen:
            lead, error = comparison.lead(choices[best], choices[chosen[-1]])
            if lead <= DOUBTS * error:
                best = chosen[-1]
        chosen.append(best)
    return chosen


def settle_front(found: Sequence[Found], comparison: Comparison) -> list[Found]:
    """For each budget what stands there, as what was found for it.

    Args:
        found: the best by estimates, one a budget in ascending order, all with samples of one kind.
        comparison: of all of them.
    """
    places = choose_front([one.choice for one in found], comparison)
    return [_as(found[place], one) for place, one in zip(places, found, strict=True)]


def _as(chosen: Found, goal: Found) -> Found:
    """A scheme under the name and the budgets of what was found for them."""
    bound = max(chosen.solution.gain, goal.solution.bound)
    return replace(
        chosen,
        scheme=replace(chosen.scheme, name=goal.scheme.name),
        budgets=goal.budgets,
        solution=replace(chosen.solution, bound=bound),
        limits=goal.limits,
    )
