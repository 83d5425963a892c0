"""Tables of few samples a class, from experiments/few/results.json."""

from __future__ import annotations

import numpy as np

from experiments.common.ledgers import Ledger
from experiments.common.markdown import spread, table
from experiments.few.run import COUNTS, DATA, PROBE, SCHEMES, SEEDS, Cell


def accuracies(ledger: Ledger, data: str, count: int, scheme: str) -> list[float]:
    """Percent for each seed that was run."""
    keys = [Cell(data, count, scheme).key(seed) for seed in SEEDS]
    return [100 * ledger["runs"][key]["accuracy"] for key in keys if key in ledger["runs"]]


def means(ledger: Ledger, count: int, scheme: str) -> list[float] | None:
    """For each seed, the mean over the packs; None where a run is missing."""
    packs = [accuracies(ledger, data, count, scheme) for data in DATA]
    if any(len(found) < len(SEEDS) for found in packs):
        return None
    return np.mean(packs, axis=0).tolist()


def few(ledger: Ledger) -> str:
    """Means over the packs."""
    body: list[list[str]] = []
    for scheme in SCHEMES:
        found = [means(ledger, count, scheme) for count in sorted(COUNTS)]
        body.append([scheme, *("" if one is None else spread(one) for one in found)])
    return table(["what learns", *(f"{count} a class" for count in sorted(COUNTS))], body)


def few_packs(ledger: Ledger) -> str:
    """Each pack with ten samples a class."""
    body: list[list[str]] = []
    for data in DATA:
        found = [accuracies(ledger, data, 10, scheme) for scheme in SCHEMES]
        body.append([data, *(spread(one) if one else "" for one in found)])
    return table(["pack", *SCHEMES], body)


def gain(ledger: Ledger, count: int, scheme: str) -> float | None:
    """Points above logistic regression, the mean over packs and seeds."""
    ours, probe = means(ledger, count, scheme), means(ledger, count, PROBE)
    return None if ours is None or probe is None else float(np.mean(ours) - np.mean(probe))


TABLES = {"few": few, "few_packs": few_packs}
