"""What cannot be wrong in experiments/accuracy/results.json."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.accuracy.run import cells
from experiments.common.cells import recipe
from experiments.common.ledgers import Ledger

#: At the default rate nothing diverges, so that no accuracy stays near where it began.
_LEAST_GAIN = 1.3


def complaints(ledger: Ledger) -> Iterator[str]:
    """Every row is one of the table's cells, made as it says, and has learned."""
    known = {cell.key(seed): recipe(cell) for cell, seeds in cells() for seed in seeds}
    for key, row in ledger["cells"].items():
        if row["recipe"] != known.get(key):
            yield f"{key}: the table has no such cell, or its samples are used otherwise now"
        if " | device | " in key and row["accuracy"] <= _LEAST_GAIN * row["before"]:
            yield f"{key}: {row['accuracy']} is no more than was there before learning"
