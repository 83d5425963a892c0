"""The table of float32 optimizers, from experiments/optimizers/results.json."""

from __future__ import annotations

from statistics import mean

from experiments.common.ledgers import Ledger
from experiments.common.markdown import table
from experiments.optimizers.wanted import DATA, DEVICE, SEEDS, TRAINERS, Trainer, best_rate


def optimizers(ledger: Ledger) -> str:
    """Accuracy on test samples, the mean over the seeds, pack by pack."""
    rows: list[list[str]] = []
    for trainer in TRAINERS:
        rate = best_rate(ledger, trainer)
        is_device = trainer.optimizer == DEVICE
        name = f"integers, batch {trainer.batch}" if is_device else f"float32, {trainer.name}"
        rows.append([name, f"{rate:g}", *_cells(ledger, trainer, rate)])
    return table(["trainer", "rate", *DATA, "mean"], rows)


def _cells(ledger: Ledger, trainer: Trainer, rate: float) -> list[str]:
    found = [
        100
        * mean(
            ledger["accuracy"][f"{trainer.name} | {data} | {rate:g} | seed {seed}"]
            for seed in SEEDS
        )
        for data in DATA
    ]
    return [f"{accuracy:.1f}" for accuracy in (*found, mean(found))]


TABLES = {"optimizers": optimizers}
