"""Finds the rate of the float32 baseline: every rate of a grid, scheme, data set and seed.

    python -m experiments.accuracy.rates [data set …]

Batch 8, SGD without momentum, one thread; writes experiments/accuracy/float32_rates.json
after every run and skips the runs that are already there. Needs torch
(``pip install 'kilograd[baselines]'``).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import product

from experiments.accuracy import RATES_LEDGER
from experiments.common.ledgers import chosen_parts, read_ledger, write_ledger
from experiments.common.packs import PACKS, load_pack, pack_path
from experiments.common.paths import checkpoint
from kilograd.baselines.float32 import DEFAULT_RATE, train_float32

SEEDS = (0, 1)


@dataclass(frozen=True)
class Grid:
    """Rates, in steps of about two around the default, that a scheme is trained with.

    Attributes:
        scheme: what is trained.
        rates: learning rates at their highest.
        data: on what.
        seeds: orders of samples.
        model: the checkpoint.
    """

    scheme: str
    rates: tuple[float, ...]
    data: tuple[str, ...] = ("cifar10", "flowers5", "person_scene")
    seeds: tuple[int, ...] = SEEDS
    model: str = "mcunet-5fps"


GRIDS = (
    Grid("mcunet-5fps/99kb", (0.001, 0.002, 0.004, 0.008, DEFAULT_RATE, 0.016, 0.032, 0.064)),
    Grid("head", (0.004, 0.008, DEFAULT_RATE, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512)),
    Grid("mbv2-w0.35/99kb", (0.005, DEFAULT_RATE, 0.02), ("cifar10",), (0,), "mbv2-w0.35"),
    Grid("proxyless-w0.3/98kb", (0.005, DEFAULT_RATE, 0.02), ("cifar10",), (0,), "proxyless-w0.3"),
)


def main(chosen: list[str]) -> None:
    """Every run that is not there yet."""
    parts = chosen_parts(chosen, dict.fromkeys(name for grid in GRIDS for name in grid.data))
    for grid in GRIDS:
        for name in grid.data:
            if name in parts:
                fill(grid, name)


def fill(grid: Grid, name: str) -> None:
    """The runs of one grid on one data set."""
    model = checkpoint(grid.model)
    dataset = load_pack(pack_path(name), model)
    epochs = PACKS[name].epochs
    ledger = read_ledger(RATES_LEDGER)
    runs = ledger.setdefault("runs", {})
    for seed, rate in product(grid.seeds, grid.rates):
        key = f"{name}, {grid.scheme}, rate {rate:g}, seed {seed}"
        if key in runs:
            continue
        accuracy = train_float32(model, dataset, grid.scheme, epochs=epochs, rate=rate, seed=seed)
        print(key, f"{100 * accuracy:.1f}%", flush=True)
        runs[key] = {
            "data": name,
            "scheme": grid.scheme,
            "rate": rate,
            "seed": seed,
            "epochs": epochs,
            "train": len(dataset.train),
            "test": len(dataset.test),
            "accuracy": round(accuracy, 6),
        }
        write_ledger(RATES_LEDGER, ledger)


if __name__ == "__main__":
    main(sys.argv[1:])
