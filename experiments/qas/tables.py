"""The table of what quantization-aware scaling is for, from experiments/qas/results.json."""

from __future__ import annotations

from experiments.common.ledgers import Ledger
from experiments.common.markdown import spread, table


def qas(ledger: Ledger) -> str:
    """Every method of training at its own best rate, in PyTorch."""
    methods, packs = ledger["settings"]["methods"], ledger["summary"]
    rows: list[list[str]] = []
    for name, method in methods.items():
        found = [packs[pack][name] for pack in packs]
        shown = [spread([100 * a for a in row["accuracies"]]) for row in found]
        rows.append([method["label"], *shown, *(f"{row['rate']:g}" for row in found)])
    return table(["", *packs, *(f"rate, {pack}" for pack in packs)], rows)


TABLES = {"qas": qas}
