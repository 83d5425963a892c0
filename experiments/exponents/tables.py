"""The table of rules for exponents, from experiments/exponents/results.json."""

from __future__ import annotations

from statistics import mean

from experiments.common.ledgers import Ledger
from experiments.common.markdown import table
from experiments.common.packs import PACKS
from experiments.exponents.rules import RULES
from experiments.exponents.run import SEEDS, SLOPES


def exponents(ledger: Ledger) -> str:
    """Accuracy over packs and seeds, and what is left of gradients."""
    rows: list[list[str]] = []
    for name, rule in RULES.items():
        slopes = [ledger["slopes"][f"{name} | {data}"] for data in SLOPES]
        rows.append(
            [
                rule.label,
                f"{mean(accuracies(ledger, name)):.2f}",
                f"{100 * mean(slope['saturated'] for slope in slopes):.1f}",
                f"{mean(slope['mean'] for slope in slopes):.4f}",
                f"{min(slope['least'] for slope in slopes):.4f}",
                f"{mean(slope['product'] for slope in slopes):.4f}",
            ]
        )
    header = ["exponents", "accuracy", "tensors cut (%)", "slope, mean", "least of a tensor"]
    return table([*header, "product"], rows)


def accuracies(ledger: Ledger, name: str) -> list[float]:
    """Percent, of every pack and seed."""
    keys = [f"{name} | {data} | seed {seed}" for data in PACKS for seed in SEEDS]
    return [100 * ledger["accuracy"][key] for key in keys]


TABLES = {"exponents": exponents}
