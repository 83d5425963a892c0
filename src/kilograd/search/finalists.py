"""Schemes that are the best of their kind, and runs that choose between them.

Gains are measured one by one, and do not add up: weights of early layers are small and gain much
for each byte, but several of them gain what one does. Of a large budget, a sum of gains therefore
makes schemes that reach too far back. So the best scheme without the earliest weight is looked for
as well, then the best without the next one, and longer runs decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kilograd.ir import Graph
from kilograd.search.calibration import Budgets, Found, Space, find_scheme
from kilograd.search.choice import Choice
from kilograd.search.cluster import Cluster
from kilograd.search.contributions import Contributions
from kilograd.search.measured import make_runs
from kilograd.search.runs import RunStore
from kilograd.search.tasks import Task

#: Runs of each scheme on every task.
SEEDS = (0, 1)
#: Schemes that are compared.
_FINALISTS = 4
#: Of each run: as many as a training has that is meant to last.
_STEPS = 12_000
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
    while len(found) < _FINALISTS:
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
    tasks: Sequence[Task],
    cluster: Cluster,
    progress: Callable[[int, int], None] | None = None,
    *,
    seeds: Sequence[int] = SEEDS,
) -> Found:
    """The one that does best on the validation samples of all tasks.

    Accuracy and calibrated probability count alike. The first is what is wanted, and is known from
    some hundred samples only; the second is less noisy, but rises with early weights where accuracy
    does not.

    Args:
        graph: the forward graph, with as many classes as the task with the most.
        finalists: at least one.
        tasks: what is learned.
        cluster: where runs are made.
        progress: told how many runs are done.
        seeds: of the runs on each task.
    """
    if len(finalists) == 1:
        return finalists[0]
    choices: list[Choice] = [one.choice for one in finalists]
    sums = [0.0] * len(choices)
    total = len(choices) * len(seeds)
    store = RunStore(graph, steps=_STEPS)
    for place, seed in enumerate(seeds):
        before = place * len(choices)

        def tell(done: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, total)

        outcomes = make_runs(graph, choices, tasks, cluster, store, seed, tell)
        for number, choice in enumerate(choices):
            sums[number] += sum(o.accuracy + o.calibrated for o in outcomes[choice.key])
    return finalists[max(range(len(sums)), key=sums.__getitem__)]


def renamed(one: Found, name: str, budgets: Budgets, head: str) -> Found:
    """A scheme of a smaller budget as that of a larger one."""
    return replace(one, scheme=one.choice.scheme(name, head), budgets=budgets)
