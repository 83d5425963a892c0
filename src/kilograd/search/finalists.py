"""Schemes that are the best of their kind, and runs that choose between them.

Gains are measured one by one, and do not add up: weights of early layers are small and gain much
for each byte, but several of them gain what one does. Of a large budget, a sum of gains therefore
makes schemes that reach too far back. So the best scheme without the earliest weight is looked for
as well, then the best without the next one, and so on, and longer runs decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from kilograd.ir import Graph
from kilograd.search.calibration import Budgets, Found, Space, find_scheme
from kilograd.search.choice import Key
from kilograd.search.cluster import Cluster
from kilograd.search.contributions import Contributions
from kilograd.search.measured import make_runs
from kilograd.search.runs import RunStore
from kilograd.search.tasks import CrossValidation

#: Schemes that are compared in each round of runs: all, then the best of them.
ROUNDS = (8, 3)
#: Of each run: as many as a training has that is meant to last. With fewer samples that come more
#: often, schemes that reach far back catch up, which they do not where samples are many.
_STEPS = 8000
#: What a weight is worth that is left out.
_NOTHING = -1.0


def find_finalists(
    space: Space,
    contributions: Contributions,
    budgets: Budgets,
    name: str,
    on_round: Callable[[str], None] | None = None,
) -> list[Found]:
    """The best scheme within the budgets, and the best that reach less far back.

    Raises:
        BudgetError: the head alone takes more; says how much.
    """
    found: list[Found] = []
    while len(found) < ROUNDS[0]:
        one = find_scheme(space, contributions, budgets, name, on_round)
        if one.choice.key not in {other.choice.key for other in found}:
            found.append(one)
        if not one.choice.weights:
            break
        contributions = _without(contributions, next(iter(one.choice.weights)))
    return found


def _without(contributions: Contributions, last: str) -> Contributions:
    """The same with no weight of a layer, or of one before it, worth anything."""
    weights = dict(contributions.weights)
    for layer, shares in contributions.weights.items():
        weights[layer] = dict.fromkeys(shares, _NOTHING)
        if layer == last:
            break
    return replace(contributions, weights=weights)


def choose_finalist(
    graph: Graph,
    finalists: Sequence[Found],
    validations: Sequence[CrossValidation],
    cluster: Cluster,
    progress: Callable[[int, int], None] | None = None,
) -> Found:
    """The one that does best on samples of all data sets that it has not learned from.

    In the first round all take part, in the next one those that did best, on other samples and with
    another seed. Accuracy and calibrated probability count alike. The first is what is wanted, and
    is known from some hundred samples only; the second is less noisy, but rises with early weights
    where accuracy does not.

    Args:
        graph: the forward graph, with as many classes as the data set with the most.
        finalists: at least one.
        validations: what is learned.
        cluster: where runs are made.
        progress: told how many runs are done.
    """
    left = list({one.choice.key: one for one in finalists}.values())
    sizes = [len(left), *(min(size, len(left)) for size in ROUNDS[1:])]
    store = RunStore(graph, steps=_STEPS)
    sums: defaultdict[Key, float] = defaultdict(float)
    done = 0
    for number, size in enumerate(sizes):
        if len(left) == 1:
            break
        left = sorted(left, key=lambda one: sums[one.choice.key], reverse=True)[:size]

        def tell(count: int, before: int = done) -> None:
            if progress is not None:
                progress(before + count, sum(sizes))

        learned = [validation.tasks(number) for validation in validations]
        tasks = [task for several in learned for task in several]
        weights = [1 / len(several) for several in learned for _ in several]
        choices = [one.choice for one in left]
        outcomes = make_runs(graph, choices, tasks, cluster, store, number, tell)
        for key, reached in outcomes.items():
            for weight, one in zip(weights, reached, strict=True):
                sums[key] += weight * (one.accuracy + one.calibrated)
        done += size
    return max(left, key=lambda one: sums[one.choice.key])


def renamed(one: Found, name: str, budgets: Budgets, head: str) -> Found:
    """A scheme of a smaller budget as that of a larger one."""
    return replace(one, scheme=one.choice.scheme(name, head), budgets=budgets)
