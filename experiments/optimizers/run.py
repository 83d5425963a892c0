"""Trains in float32 with several optimizers and batches, and in the integers that ship.

Writes experiments/optimizers/results.json:

    python -m experiments.optimizers.run [rates] [accuracy] [--only TEXT]

Without arguments everything, in about an hour on two cores; runs that are there are kept, so it can
be stopped at any time. Rates are chosen on a part of the training samples that is held back; test
samples are only read for `accuracy`. Needs torch (``pip install 'kilograd[baselines]'``).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

from experiments.common.ledgers import Ledger, write_ledger
from experiments.common.packs import PACKS, load_pack, pack_path
from experiments.common.parts import Part, run_parts
from experiments.common.paths import checkpoint
from experiments.common.programs import compiled, open_cached
from experiments.optimizers import LEDGER
from experiments.optimizers.wanted import (
    DATA,
    DEVICE,
    HELD_BACK,
    MODEL,
    SCHEME,
    SEEDS,
    TRAINERS,
    Trainer,
    best_rate,
)
from kilograd.baselines.float32 import OPTIMIZERS, Kept, accuracy, fit, open_network
from kilograd.data import Dataset, hold_back
from kilograd.training.loop import TrainingOptions, train


@lru_cache(maxsize=1)
def _dataset(data: str, is_tested: bool) -> Dataset:  # noqa: FBT001 - a cache's key
    dataset = load_pack(pack_path(data), checkpoint(MODEL))
    return dataset if is_tested else hold_back(dataset, HELD_BACK, 0)


@lru_cache(maxsize=2)
def _kept(data: str, is_tested: bool) -> tuple[Kept, Kept, int]:  # noqa: FBT001 - a cache's key
    """Samples to learn from and to judge by, behind the frozen prefix; and how many classes."""
    dataset = _dataset(data, is_tested)
    network = open_network(checkpoint(MODEL), SCHEME, len(dataset.class_names))
    parts = (Kept.of(network, part) for part in (dataset.train, dataset.test))
    return (*parts, len(dataset.class_names))


def _trained(trainer: Trainer, data: str, rate: float, seed: int, *, is_tested: bool) -> float:
    options = TrainingOptions(PACKS[data].epochs, rate, seed=seed)
    if trainer.optimizer == DEVICE:
        dataset = _dataset(data, is_tested)
        program = compiled(checkpoint(MODEL), SCHEME, len(dataset.class_names))
        with open_cached(program) as device:
            return round(train(device, dataset, options).after.accuracy, 6)
    learned, judged, classes = _kept(data, is_tested)
    network = open_network(checkpoint(MODEL), SCHEME, classes)
    optimizer = OPTIMIZERS[trainer.optimizer](list(network.parameters()))
    fit(network, learned, options, optimizer, trainer.batch)
    return round(accuracy(network, judged), 6)


def measure_rates(ledger: Ledger, only: str) -> None:
    """Every trainer at each of its rates, on samples that were held back."""
    rows = ledger.setdefault("rates", {})
    for data in DATA:
        for trainer in TRAINERS:
            for rate in trainer.rates:
                key = f"{trainer.name} | {data} | {rate:g}"
                if key in rows or only not in key:
                    continue
                rows[key] = _trained(trainer, data, rate, SEEDS[0], is_tested=False)
                _tell(ledger, key, rows[key])


def measure_accuracy(ledger: Ledger, only: str) -> None:
    """Every trainer at its best rate, on test samples."""
    wanted = {
        f"{trainer.name} | {data} | {best_rate(ledger, trainer):g} | seed {seed}": (
            trainer,
            data,
            seed,
        )
        for seed, data, trainer in product(SEEDS, DATA, TRAINERS)
    }
    rows = {key: row for key, row in ledger.get("accuracy", {}).items() if key in wanted}
    ledger["accuracy"] = rows
    for key, (trainer, data, seed) in wanted.items():
        rate = best_rate(ledger, trainer)
        if key not in rows and only in key:
            rows[key] = _trained(trainer, data, rate, seed, is_tested=True)
            _tell(ledger, key, rows[key])


def _tell(ledger: Ledger, key: str, found: float) -> None:
    write_ledger(LEDGER, ledger)
    print(f"{key}: {found:.4f}", flush=True)


PARTS: dict[str, Part] = {"rates": measure_rates, "accuracy": measure_accuracy}


if __name__ == "__main__":
    run_parts(__doc__, LEDGER, PARTS)
