"""What cannot be wrong in experiments/online/results.json."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.common.ledgers import Ledger
from experiments.online.run import SEEDS, cells

#: Share of the accuracy at the start that every stream ends above.
_LEAST_GAIN = 1.5


def complaints(ledger: Ledger) -> Iterator[str]:
    """Every stream was run, none diverged, and each has learned."""
    if set(ledger["runs"]) != {cell.key(seed) for cell in cells() for seed in SEEDS}:
        yield "the runs are not those of the table"
    if set(ledger["curves"]) != {str(cell) for cell in cells()}:
        yield "the curves are not those of the table"
    for key, row in ledger["runs"].items():
        if row["divergences"]:
            yield f"{key}: diverged"
        if row["end"] <= _LEAST_GAIN * row["start"]:
            yield f"{key}: has learned nothing"
