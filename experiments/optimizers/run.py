"""Trains in float32 with SGD, momentum and Adam, and in device integers, each at its best rate.

    python -m experiments.optimizers.run [--only TEXT]

The rate is the best of a grid on a quarter of the training samples that is held back; with it, all
training samples are learned from, and test samples predicted. Fills
experiments/optimizers/results.json, in some two hours on one core; runs that are there are skipped,
so it can be stopped at any time. Needs torch (``pip install 'kilograd[baselines]'``).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from experiments.common.ledgers import Ledger, read_ledger, write_ledger
from experiments.common.packs import PACKS, load_pack, pack_path
from experiments.common.paths import checkpoint
from experiments.common.programs import compiled, open_cached
from experiments.optimizers import LEDGER
from kilograd.data import Dataset, hold_back
from kilograd.training.loop import DEFAULT_RATE, TrainingOptions, train
from kilograd.training.rate import DEFAULT_HEAD_RATE

MODEL = "mcunet-5fps"
SCHEMES = ("head", "mcunet-5fps/99kb")
DATA = ("person_scene", "flowers17")
SEEDS = (0, 1, 2)
#: Of the training samples, what rates are chosen by; and which samples these are.
_HELD_BACK, _HELD_SEED = 0.25, 0
_FACTORS = (1 / 3, 1, 3, 9)


@dataclass(frozen=True)
class Setting:
    """How a network is trained.

    Attributes:
        optimizer: ``device`` for the integers that ship; else as the float32 baseline calls it.
        batch: samples a step.
        rate: the second of the grid for the whole scheme; it rises threefold from one to the next.
        head_rate: the same for the head alone.
    """

    optimizer: str
    batch: int
    rate: float
    head_rate: float

    def __str__(self) -> str:
        if self.optimizer == "device":
            return "device integers"
        return f"float32, {self.optimizer}, batch {self.batch}"

    def rates(self, scheme: str) -> tuple[float, ...]:
        """Those that the best is chosen of."""
        middle = self.head_rate if scheme == "head" else self.rate
        return tuple(float(f"{middle * factor:.3g}") for factor in _FACTORS)


SETTINGS = (
    Setting("device", 1, DEFAULT_RATE, DEFAULT_HEAD_RATE),
    Setting("sgd", 1, 0.0015, 0.004),
    Setting("sgd", 8, 0.01, 0.03),
    Setting("momentum", 1, 0.00015, 0.0004),
    Setting("momentum", 8, 0.001, 0.003),
    Setting("adam", 1, 0.0001, 0.0003),
    Setting("adam", 8, 0.0003, 0.001),
)


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        data: name of a pack.
        scheme: what learns.
        setting: how.
        rate: at its highest.
        seed: of the samples' order.
        is_held: whether held-back training samples are predicted, not test samples.
    """

    data: str
    scheme: str
    setting: Setting
    rate: float
    seed: int
    is_held: bool

    @property
    def key(self) -> str:
        """Name in the ledger."""
        what = f"{self.data} | {self.scheme} | {self.setting}"
        return f"{what} | rate {self.rate:g}" if self.is_held else f"{what} | seed {self.seed}"


def grid(data: str, scheme: str, setting: Setting) -> tuple[Run, ...]:
    """The runs that a rate is chosen by."""
    return tuple(Run(data, scheme, setting, rate, 0, True) for rate in setting.rates(scheme))


def best_rate(ledger: Ledger, data: str, scheme: str, setting: Setting) -> float:
    """The rate whose run tells most held-back samples rightly; of several, the lowest."""
    runs = grid(data, scheme, setting)
    return max(runs, key=lambda run: (ledger["held"][run.key]["accuracy"], -run.rate)).rate


def cells() -> Iterator[tuple[str, str, Setting]]:
    """The whole table."""
    for data in DATA:
        for scheme in SCHEMES:
            for setting in SETTINGS:
                yield data, scheme, setting


def accuracy(run: Run, dataset: Dataset) -> float:
    """Train once; the share that is told rightly, in [0, 1]."""
    epochs, classes = PACKS[run.data].epochs, len(dataset.class_names)
    if run.setting.optimizer == "device":
        options = TrainingOptions(epochs, run.rate, seed=run.seed)
        with open_cached(compiled(checkpoint(MODEL), run.scheme, classes)) as device:
            return train(device, dataset, options).after.accuracy
    # Not imported above, because it needs torch, which tables do not.
    from kilograd.baselines.float32 import train_float32  # noqa: PLC0415

    return train_float32(
        checkpoint(MODEL),
        dataset,
        run.scheme,
        epochs=epochs,
        rate=run.rate,
        seed=run.seed,
        batch=run.setting.batch,
        optimizer=run.setting.optimizer,
    )


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description="Fills the ledger.")
    parser.add_argument("--only", default="", help="cells whose names hold this text")
    only = parser.parse_args().only
    ledger: Ledger = {"held": {}, "runs": {}, **read_ledger(LEDGER)}
    datasets: dict[str, tuple[Dataset, Dataset]] = {}

    def fill(part: str, run: Run) -> None:
        if run.key in ledger[part]:
            return
        if run.data not in datasets:
            whole = load_pack(pack_path(run.data), checkpoint(MODEL))
            datasets[run.data] = whole, hold_back(whole, _HELD_BACK, _HELD_SEED)
        found = accuracy(run, datasets[run.data][run.is_held])
        ledger[part][run.key] = {"accuracy": round(found, 6), "rate": run.rate}
        write_ledger(LEDGER, ledger)
        print(f"{run.key}: {100 * found:.1f}%", flush=True)

    for data, scheme, setting in cells():
        if only not in f"{data} | {scheme} | {setting}":
            continue
        for run in grid(data, scheme, setting):
            fill("held", run)
        rate = best_rate(ledger, data, scheme, setting)
        for seed in SEEDS:
            fill("runs", Run(data, scheme, setting, rate, seed, False))


if __name__ == "__main__":
    main()
