"""Measures single-pass training: a plain stream, a class that comes late, samples that drift.

    python -m experiments.online.run

Fills experiments/online/results.json, in about ten minutes on one core; cells that are there are
skipped, so it can be stopped at any time. All of it is deterministic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from experiments.common.ledgers import Ledger, Row, read_ledger, write_ledger
from experiments.common.packs import pack_path
from experiments.common.paths import checkpoint
from experiments.common.programs import compiled, open_cached
from experiments.online import LEDGER
from kilograd.compiler import Program
from kilograd.data import Dataset, Drift, load_dataset
from kilograd.device.protocol import Device
from kilograd.frontend.open import EMBEDDED, input_spec, load_model
from kilograd.training.online import OnlineResult, train_online
from kilograd.training.rate import default_rate
from kilograd.training.stream import OnlineOptions, make_online

DATA = ("cifar10", "flowers17", "flowers5")
MAIN, SMALL = "mcunet-5fps/99kb", "kilograd-48 last:3"
#: What is trained, as the ledger calls it -> model and scheme.
NETWORKS = {
    MAIN: (checkpoint("mcunet-5fps"), MAIN),
    "head": (checkpoint("mcunet-5fps"), "head"),
    SMALL: (EMBEDDED, "last:3"),
}
SEEDS = (0, 1, 2)
#: Training and test samples, at most.
TRAIN, TEST = 1000, 300
POINTS = 60

NEW_CLASS, REPEATED = "new class", "new class, 4 steps a sample"
#: Name of a scenario -> how the stream is changed; the new class is the last of each pack.
SCENARIOS: dict[str, OnlineOptions] = {
    "plain": OnlineOptions(),
    NEW_CLASS: OnlineOptions(),
    REPEATED: OnlineOptions(repeats=4),
    "brightness:80": OnlineOptions(drift=Drift("brightness", 80)),
    "noise:40": OnlineOptions(drift=Drift("noise", 40)),
}


@dataclass(frozen=True)
class Cell:
    """One scenario on one pack, with one scheme."""

    data: str
    scheme: str
    scenario: str

    def key(self, seed: int) -> str:
        """Name of one run in the ledger."""
        return f"{self} | seed {seed}"

    def __str__(self) -> str:
        return f"{self.data} | {self.scheme} | {self.scenario}"


def cells() -> Iterator[Cell]:
    """The whole table."""
    for data in DATA:
        for scheme in (MAIN, "head"):
            for scenario in SCENARIOS:
                if scenario != REPEATED or scheme == MAIN:
                    yield Cell(data, scheme, scenario)
        if data != "cifar10":  # which kilograd-48 was trained on
            for scenario in ("plain", NEW_CLASS, REPEATED):
                yield Cell(data, SMALL, scenario)


def read() -> Ledger:
    """The ledger so far."""
    return {"runs": {}, "curves": {}, **read_ledger(LEDGER)}


def samples(data: str, network: str) -> Dataset:
    """The samples of a pack that streams are made of; they do not depend on a run's seed."""
    spec = input_spec(load_model(NETWORKS[network][0]))
    return load_dataset(pack_path(data), spec, limit=TRAIN, test_limit=TEST)


def program_for(dataset: Dataset, network: str) -> Program:
    """The network for a pack."""
    model, scheme = NETWORKS[network]
    return compiled(model, scheme, len(dataset.class_names))


def run(
    cell: Cell, seed: int, dataset: Dataset, program: Program, device: Device
) -> tuple[Row, list[float]]:
    """One stream: its row, and its test-then-train accuracy at `POINTS` places."""
    options = replace(SCENARIOS[cell.scenario], seed=seed, rate=default_rate(program))
    if cell.scenario in (NEW_CLASS, REPEATED):
        options = replace(options, new_class=dataset.class_names[-1])
    spec = input_spec(program.graph)
    result = train_online(device, make_online(dataset, spec, options))
    online = result.online_accuracy
    places = np.linspace(len(online) / POINTS, len(online), POINTS).round().astype(int)
    return _row(result), [online[place - 1] for place in places.tolist()]


def _row(result: OnlineResult) -> Row:
    row: Row = {
        "start": result.before.accuracy,
        "end": result.after.accuracy,
        "prequential": result.online_accuracy[-1],
        "samples": len(result.losses),
        "divergences": len(result.divergences),
        "state_digest": result.state_digest[:16],
    }
    change = result.change
    if change is not None:
        row |= {
            "change": change.sample,
            "before": change.before.accuracy,
            "right_after": change.after.accuracy,
            "not_learned": change.not_learned.accuracy,
            "unchanged": change.unchanged.accuracy,
        }
        if change.new_class is not None:
            first = slice(0, change.first_classes)
            row["new_class"] = result.after.recall[-1]
            row["classes_before"] = change.before.recall[first]
            row["classes_end"] = result.after.recall[first]
    return {name: _rounded(value) for name, value in row.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 6) if isinstance(value, float) else value


def main() -> None:
    """Run what is missing."""
    ledger = read()
    missing = [c for c in cells() if any(c.key(seed) not in ledger["runs"] for seed in SEEDS)]
    for data, scheme in dict.fromkeys((cell.data, cell.scheme) for cell in missing):
        dataset = samples(data, scheme)
        program = program_for(dataset, scheme)
        with open_cached(program) as device:
            for cell in missing:
                if (cell.data, cell.scheme) != (data, scheme):
                    continue
                curves: list[list[float]] = []
                for seed in SEEDS:
                    row, curve = run(cell, seed, dataset, program, device)
                    ledger["runs"][cell.key(seed)] = row
                    curves.append(curve)
                    print(f"{cell.key(seed)}: {row}", flush=True)
                ledger["curves"][str(cell)] = np.mean(curves, axis=0).round(4).tolist()
                write_ledger(LEDGER, ledger)


if __name__ == "__main__":
    main()
