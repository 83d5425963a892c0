"""What cannot be wrong in experiments/replay/results.json."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from experiments.common.ledgers import Ledger
from experiments.replay.run import SCHEMES, SEEDS, SHUFFLED, cells
from experiments.replay.tables import RATES, mean_accuracy

#: Points that a sorted pass with a memory may be below a shuffled one without.
_MOST_LOST = {"sorted, 20 a class": 10.0, "sorted, 50 a class": 4.0}


def complaints(ledger: Ledger) -> Iterator[str]:
    """Every stream was run, none diverged, and memories do what they are for."""
    if set(ledger["runs"]) != {cell.key(seed) for cell in cells() for seed in SEEDS}:
        yield "the runs are not those of the table"
        return
    for key, row in ledger["runs"].items():
        if row.get("divergences") and "times the rate" not in key:
            yield f"{key}: diverged"
    for scheme in SCHEMES:
        shuffled = mean_accuracy(ledger, scheme, SHUFFLED)
        for scenario, most in _MOST_LOST.items():
            means = mean_accuracy(ledger, scheme, scenario)
            if means is None or shuffled is None or np.mean(means) < np.mean(shuffled) - most:
                yield f"{scheme}, {scenario}: more than {most} points are lost"
        for first, scenarios in RATES.items():
            expected = mean_accuracy(ledger, scheme, first)
            for scenario in scenarios:
                means = mean_accuracy(ledger, scheme, scenario)
                if means is None or expected is None or np.mean(means) < np.mean(expected) - 3:
                    yield f"{scheme}, {scenario}: more than 3 points are lost"
