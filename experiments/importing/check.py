"""What cannot be wrong in experiments/importing/results.json."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean

from experiments.common.ledgers import Ledger
from experiments.importing.wanted import RATES, TUNINGS

#: Points that the default rate may lose to the best of all, on average over the networks.
_MOST_LOST = 0.01


def complaints(ledger: Ledger) -> Iterator[str]:
    """Networks learn at the default rate, hardly worse than at the best, and compute as theirs."""
    for name, row in ledger["converted"].items():
        if row.get("different"):
            yield f"{name}: {row['different']} of {row['bytes']} bytes differ"
    for name, row in ledger["onnx"].items():
        if row.get("most", 0) > 1:
            yield f"{name}: an element is {row['most']} steps from onnxruntime's"
    lost: list[float] = []
    for one in TUNINGS:
        for row in ledger["tuning"][one.name]:
            if row["accuracy"] <= row["before"]:
                yield f"{one.name}: {row['before']} before training, {row['accuracy']} after it"
        default, *others = (
            mean(row["accuracy"] for row in ledger["rates"][f"{one.name} | {rate}"])
            for rate in ("default", *(f"{rate:g}" for rate in RATES))
        )
        lost.append(max(others) - default)
    if mean(lost) > _MOST_LOST:
        yield f"the default rate loses {100 * mean(lost):.1f} points to the best"
