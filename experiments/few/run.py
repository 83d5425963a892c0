"""Trains on few samples of each class, and compares with logistic regression on frozen features.

    python -m experiments.few.run [--only TEXT]

Fills experiments/few/results.json, in some hours on one core; cells that are there are skipped,
so it can be stopped at any time. How often the samples are gone over is what `kilograd train` does.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.common.ledgers import Ledger, Row, read_ledger, write_ledger
from experiments.common.packs import load_pack, pack_path
from experiments.common.paths import checkpoint
from experiments.common.probe import head_features, probe_accuracy
from experiments.common.programs import compiled, open_cached
from experiments.few import LEDGER
from kilograd.data import Dataset, Samples
from kilograd.training.epochs import FEW_SAMPLES_EPOCHS
from kilograd.training.loop import TrainingOptions, train
from kilograd.training.rate import default_rate

MODEL = "mcunet-5fps"
PROBE = "logistic regression"
SCHEMES = (PROBE, "head", "mcunet-5fps/49kb", "mcunet-5fps/99kb")
DATA = ("flowers17", "flowers5", "oxford_pets3", "person_scene", "cifar10", "grocery81")
COUNTS = (10, 1, 5, 20)
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Cell:
    """So many samples of each class of a pack."""

    data: str
    count: int
    scheme: str

    def key(self, seed: int) -> str:
        """Name of one run in the ledger."""
        return f"{self.data} | {self.count} a class | {self.scheme} | seed {seed}"


def cells() -> Iterator[Cell]:
    """The whole table."""
    for count in COUNTS:
        for data in DATA:
            for scheme in SCHEMES:
                yield Cell(data, count, scheme)


def few_of(dataset: Dataset, count: int, seed: int) -> Dataset:
    """So many training samples of each class, or all where there are fewer."""
    generator = np.random.Generator(np.random.PCG64(seed))
    labels = dataset.train.labels
    chosen = [
        generator.permutation(np.flatnonzero(labels == label))[:count]
        for label in range(len(dataset.class_names))
    ]
    indices = np.sort(np.concatenate(chosen))
    return replace(dataset, train=Samples(dataset.train.inputs[indices], labels[indices]))


def run(cell: Cell, seed: int, dataset: Dataset) -> Row:
    """One cell with one choice of samples."""
    few, classes = few_of(dataset, cell.count, seed), len(dataset.class_names)
    scheme = "head" if cell.scheme == PROBE else cell.scheme
    program = compiled(checkpoint(MODEL), scheme, classes)
    with open_cached(program) as device:
        if cell.scheme == PROBE:
            features = [head_features(program, device, one.inputs) for one in (few.train, few.test)]
            accuracy = probe_accuracy(
                features[0], few.train.labels, features[1], few.test.labels, classes
            )
        else:
            options = TrainingOptions(FEW_SAMPLES_EPOCHS, default_rate(program), seed=seed)
            accuracy = train(device, few, options).after.accuracy
    return {"accuracy": round(accuracy, 6), "samples": len(few.train)}


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description="Fills the ledger.")
    parser.add_argument("--only", default="", help="cells whose names hold this text")
    only = parser.parse_args().only
    ledger: Ledger = {"runs": {}, **read_ledger(LEDGER)}
    for cell in cells():
        for seed in SEEDS:
            key = cell.key(seed)
            if only not in key or key in ledger["runs"]:
                continue
            dataset = load_pack(pack_path(cell.data), checkpoint(MODEL))
            ledger["runs"][key] = run(cell, seed, dataset)
            write_ledger(LEDGER, ledger)
            print(f"{key}: {ledger['runs'][key]}", flush=True)


if __name__ == "__main__":
    main()
