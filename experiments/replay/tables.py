"""Tables of streams with a memory of samples, from experiments/replay/results.json."""

from __future__ import annotations

import numpy as np

from experiments.common.ledgers import Ledger, Row
from experiments.common.markdown import spread, table
from experiments.replay.run import (
    DATA,
    FACTORS,
    KEPT,
    LATE,
    SCENARIOS,
    SCHEMES,
    SEEDS,
    SHUFFLED,
    Cell,
)

#: Streams at the default rate -> those that begin with a rate that is too high.
RATES = {
    first: [f"{prefix}{factor} times the rate" for factor in FACTORS]
    for first, prefix in ((SHUFFLED, ""), (KEPT, f"{KEPT}, "))
}
_TOO_HIGH = [name for name, scenario in SCENARIOS.items() if scenario.rate != 1]
_RARE = [name for name, scenario in SCENARIOS.items() if scenario.rare > 1]
_IN_ORDER = [name for name in SCENARIOS if name not in (LATE, *_RARE, *_TOO_HIGH)]


def _rows(ledger: Ledger, data: str, scheme: str, scenario: str) -> list[Row]:
    runs = ledger["runs"]
    keys = [Cell(data, scheme, scenario).key(seed) for seed in SEEDS]
    return [runs[key] for key in keys if key in runs and runs[key].get("fits", True)]


def mean_accuracy(ledger: Ledger, scheme: str, scenario: str) -> list[float] | None:
    """Percent for each seed, the mean over all packs; None where a pack is missing."""
    packs = [_rows(ledger, data, scheme, scenario) for data in DATA]
    if any(len(rows) < len(SEEDS) for rows in packs):
        return None
    return [
        float(np.mean([100 * rows[i]["accuracy"] for rows in packs])) for i in range(len(SEEDS))
    ]


def replay(ledger: Ledger) -> str:
    """Means over the packs."""
    body: list[list[str]] = []
    for scheme in SCHEMES:
        shuffled = mean_accuracy(ledger, scheme, SHUFFLED)
        for scenario in _IN_ORDER:
            means = mean_accuracy(ledger, scheme, scenario)
            if means is None or shuffled is None:
                body.append([scheme, scenario, "does not hold two samples of each pack", "", ""])
                continue
            sizes = [_rows(ledger, data, scheme, scenario)[0].get("memory_bytes") for data in DATA]
            held = [size for size in sizes if size is not None]
            memory = f"{min(held):,} to {max(held):,}" if held else "none"
            if held and min(held) == max(held):
                memory = f"{max(held):,}"
            difference = np.mean(means) - np.mean(shuffled)
            body.append([scheme, scenario, memory, spread(means), f"{difference:+.1f}"])
    header = [
        "scheme",
        "order and memory",
        "bytes of memory",
        "accuracy",
        "against one shuffled pass",
    ]
    return table(header, body)


def packs(ledger: Ledger) -> str:
    """Each pack, with the scheme that trains most."""
    body = [
        [
            data,
            *(
                spread([100 * row["accuracy"] for row in rows]) if rows else ""
                for rows in (_rows(ledger, data, SCHEMES[-1], name) for name in _IN_ORDER)
            ),
        ]
        for data in DATA
    ]
    return table(["pack", *_IN_ORDER], body)


def late(ledger: Ledger) -> str:
    """A class that comes late: what the others lose, and what it reaches."""
    body: list[list[str]] = []
    for scheme in SCHEMES:
        for data in DATA:
            rows, shuffled = (_rows(ledger, data, scheme, name) for name in (LATE, SHUFFLED))
            if not rows:
                continue
            figures = [[100 * row[name] for row in rows] for name in ("first_before", "first_end")]
            recalls = [[100 * row["last_recall"] for row in them] for them in (rows, shuffled)]
            body.append([scheme, data, *(spread(one) for one in (*figures, *recalls))])
    header = ["scheme", "pack", "first classes, before", "at the end", "new class, at the end"]
    return table([*header, "had it come shuffled"], body)


def rates(ledger: Ledger) -> str:
    """Means over the packs at rates that are too high, and how often a run went back."""
    body: list[list[str]] = []
    for scheme in SCHEMES:
        for first, scenarios in RATES.items():
            for scenario in (first, *scenarios):
                means = mean_accuracy(ledger, scheme, scenario)
                rows = [row for data in DATA for row in _rows(ledger, data, scheme, scenario)]
                backs = sum(row["divergences"] for row in rows) / max(len(rows), 1)
                rate = scenario.rpartition(", ")[2] if scenario != first else "the default rate"
                told = "–" if means is None else spread(means)
                body.append([scheme, first, rate, told, f"{backs:.1f}"])
    return table(["scheme", "stream", "rate", "accuracy", "times it went back, a run"], body)


def rare(ledger: Ledger) -> str:
    """Means over the packs where half of the classes have a ninth of their samples."""
    body: list[list[str]] = []
    for scheme in SCHEMES:
        for scenario in _RARE:
            packs = [_rows(ledger, data, scheme, scenario) for data in DATA]
            if any(len(rows) < len(SEEDS) for rows in packs):
                continue
            figures = [
                [float(np.mean([100 * rows[i][name] for rows in packs])) for i in range(len(SEEDS))]
                for name in ("balanced", "rare")
            ]
            memory = scenario.partition(", ")[2] or "none"
            body.append([scheme, memory, *(spread(one) for one in figures)])
    return table(["scheme", "memory", "mean recall of all classes", "of the rare ones"], body)


TABLES = {
    "replay_rare": rare,
    "replay_rates": rates,
    "replay": replay,
    "replay_packs": packs,
    "replay_late": late,
}
