"""How well cheaper ways do: Fisher contributions, evolutionary and random search."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from experiments.common.ledgers import Ledger, write_ledger
from experiments.common.paths import BACKBONES, checkpoint
from experiments.common.programs import BOARD
from experiments.search import LEDGER
from experiments.search.contributions import as_row, contributions_of, tasks_for
from experiments.search.wanted import CLASSES, PUBLISHED
from kilograd.frontend.open import load_model
from kilograd.passes import DEFAULT_SHARE
from kilograd.search.calibration import Space
from kilograd.search.contributions import Contributions, average
from kilograd.search.evolve import evolve, search_at_random
from kilograd.search.search import Analyst
from kilograd.search.solve import Limits, solve
from kilograd.targets import get_target

#: Of an evolution's history, every so many generations.
EVERY = 10


def compare_solvers(ledger: Ledger, only: str) -> None:
    """Exact, evolutionary and random search on one objective: the smallest published scheme's."""
    for model in BACKBONES:
        if only not in model:
            continue
        graph = load_model(checkpoint(model), CLASSES)
        space = Space(graph, get_target(BOARD), row_input=False, recompute=DEFAULT_SHARE)
        contributions = contributions_of(ledger, model)
        limits = Limits(space.estimated(space.choice(f"{model}/{PUBLISHED[model][0]}")))
        exact = solve(space.costs, contributions, limits)
        evolved = evolve(space.costs, contributions, limits)
        random = search_at_random(space.costs, contributions, limits)
        ledger.setdefault("solvers", {})[model] = {
            "layers": len(space.parts.options) + 1,
            "limit": limits.memory_bytes,
            "exact": exact.gain,
            "bound": exact.bound,
            "evolution": list(evolved.history[::EVERY]),
            "random": list(random.history),
        }
        write_ledger(LEDGER, ledger)
        shares = [found.gain / exact.gain for found in (evolved, random)]
        print(f"{model}: evolution {shares[0]:.4f}, random {shares[1]:.4f} of the exact solution")


def compare_fisher(ledger: Ledger, only: str) -> None:
    """Ranks of Fisher contributions against measured ones."""
    for model in BACKBONES:
        if only not in model:
            continue
        tasks = tasks_for(model)
        graph = load_model(checkpoint(model), max(task.classes for task in tasks))
        fisher = average(Analyst("fisher").analyse(graph, tasks))
        measured = contributions_of(ledger, model)
        ledger.setdefault("fisher", {})[model] = {
            "biases": _rank_correlation(fisher.biases, measured.biases),
            "weights": _rank_correlation(_whole(fisher), _whole(measured)),
            "contributions": as_row(fisher),
        }
        write_ledger(LEDGER, ledger)
        print(f"{model}: {ledger['fisher'][model]['weights']:.3f}")


def _whole(contributions: Contributions) -> dict[str, float]:
    return {layer: shares[1.0] for layer, shares in contributions.weights.items()}


def _rank_correlation(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Spearman's, of two gains of the same layers."""
    ranks = [np.argsort(np.argsort([gains[name] for name in other])) for gains in (one, other)]
    return round(float(np.corrcoef(*ranks)[0, 1]), 4)
