"""Measures streams whose samples come class after class, with memories of several sizes.

    python -m experiments.replay.run [--only TEXT]

Fills experiments/replay/results.json, in an hour or two on one core; cells that are there are
skipped, so it can be stopped at any time. All of it is deterministic. What a memory does was chosen
by training samples alone, three quarters of which were learned from and one quarter was predicted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.common.ledgers import Ledger, Row, read_ledger, write_ledger
from experiments.common.packs import load_pack, pack_path
from experiments.common.paths import checkpoint
from experiments.common.programs import compiled, open_cached
from experiments.online.run import Cell
from experiments.replay import LEDGER
from kilograd.compiler import Program
from kilograd.data import Dataset
from kilograd.device.protocol import Device
from kilograd.errors import DataError
from kilograd.frontend.open import input_spec
from kilograd.training.online import OnlineResult, train_online
from kilograd.training.rate import default_rate
from kilograd.training.stream import MemoryOptions, OnlineOptions, make_online

MODEL = "mcunet-5fps"
SCHEMES = ("head", "mcunet-5fps/99kb")
DATA = ("flowers17", "flowers5", "grocery81", "cifar10", "oxford_pets3", "person_scene")
SEEDS = (0, 1, 2)

SHUFFLED, SORTED, LATE, RARE = "shuffled", "sorted", "late class", "nine to one"
KEPT = "sorted, 20 a class"
#: Multiples of the default rate.
FACTORS = (3, 10, 50)


@dataclass(frozen=True)
class Scenario:
    """How a stream is.

    Attributes:
        order: of its samples.
        per_class: samples of a class that are kept at most; 0 for no such limit.
        room_bytes: of memory; None for as much as ``per_class`` of every class take.
        comes_late: whether the last class comes in the middle.
        rate: multiple of the default rate.
        rare: of each second class, one of so many training samples is there; 1 for all.
    """

    order: str
    per_class: int = 0
    room_bytes: int | None = None
    comes_late: bool = False
    rate: float = 1
    rare: int = 1

    def samples(self, dataset: Dataset) -> Dataset:
        """The data set as this stream has it."""
        if self.rare == 1:
            return dataset
        labels = dataset.train.labels
        chosen = [
            np.flatnonzero(labels == label)[:: self.rare if label % 2 else 1]
            for label in range(len(dataset.class_names))
        ]
        return replace(
            dataset, train=dataset.train.chosen(np.sort(np.concatenate(chosen)).tolist())
        )

    def memory(self, program: Program) -> MemoryOptions | None:
        """The memory, if there is one."""
        if not self.per_class and self.room_bytes is None:
            return None
        return MemoryOptions.for_program(
            program, per_class=self.per_class, room_bytes=self.room_bytes
        )


#: Name -> what it is.
SCENARIOS = {
    SHUFFLED: Scenario("shuffled"),
    SORTED: Scenario("sorted"),
    KEPT: Scenario("sorted", per_class=20),
    "sorted, 50 a class": Scenario("sorted", per_class=50),
    "sorted, 64 KB": Scenario("sorted", room_bytes=64 << 10),
    "shuffled, 20 a class": Scenario("shuffled", per_class=20),
    LATE: Scenario("sorted", per_class=20, comes_late=True),
    RARE: Scenario("shuffled", rare=9),
    f"{RARE}, 20 a class": Scenario("shuffled", per_class=20, rare=9),
    **{f"{factor} times the rate": Scenario("shuffled", rate=factor) for factor in FACTORS},
    **{
        f"{KEPT}, {factor} times the rate": Scenario("sorted", per_class=20, rate=factor)
        for factor in FACTORS
    },
}


def cells() -> Iterator[Cell]:
    """The whole table; a class can come late only where there are two others."""
    for scheme in SCHEMES:
        for data in DATA:
            for name, scenario in SCENARIOS.items():
                if not (scenario.comes_late and data == "person_scene"):
                    yield Cell(data, scheme, name)


def run(cell: Cell, seed: int, dataset: Dataset, program: Program, device: Device) -> Row:
    """One stream."""
    scenario = SCENARIOS[cell.scenario]
    try:
        memory = scenario.memory(program)
    except DataError:  # not even two samples fit
        return {"fits": False}
    options = OnlineOptions(
        rate=scenario.rate * default_rate(program),
        seed=seed,
        order=scenario.order,
        memory=memory,
        new_class=dataset.class_names[-1] if scenario.comes_late else None,
    )
    dataset = scenario.samples(dataset)
    result = train_online(device, make_online(dataset, input_spec(program.graph), options))
    row = _row(result, program)
    if scenario.rare > 1:
        recall = np.array(result.after.recall, float)  # nan where there is no test sample
        row["balanced"] = round(float(np.nanmean(recall)), 6)
        row["rare"] = round(float(np.nanmean(recall[1::2])), 6)
    return row


def _row(result: OnlineResult, program: Program) -> Row:
    row: Row = {
        "accuracy": result.after.accuracy,
        "last_recall": result.after.recall[-1],
        "steps": result.steps,
        "samples": len(result.losses),
        "divergences": len(result.divergences),
        "state_digest": result.state_digest[:16],
    }
    if result.memory is not None:
        row["kept"] = sum(result.memory.counts)
        row["memory_bytes"] = result.memory.options.samples * program.memory_sample_bytes
    if result.change is not None:
        row["first_before"] = result.change.before.accuracy
        row["first_end"] = result.change.unchanged.accuracy
    return {name: round(v, 6) if isinstance(v, float) else v for name, v in row.items()}


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description="Fills the ledger.")
    parser.add_argument("--only", default="", help="cells whose names hold this text")
    only = parser.parse_args().only
    ledger: Ledger = {"runs": {}, **read_ledger(LEDGER)}
    missing = [
        cell
        for cell in cells()
        if only in str(cell) and any(cell.key(seed) not in ledger["runs"] for seed in SEEDS)
    ]
    for data, scheme in dict.fromkeys((cell.data, cell.scheme) for cell in missing):
        dataset = load_pack(pack_path(data), checkpoint(MODEL))
        program = compiled(checkpoint(MODEL), scheme, len(dataset.class_names))
        with open_cached(program) as device:
            for cell in missing:
                if (cell.data, cell.scheme) != (data, scheme):
                    continue
                for seed in SEEDS:
                    row = run(cell, seed, dataset, program, device)
                    ledger["runs"][cell.key(seed)] = row
                    print(f"{cell.key(seed)}: {row}", flush=True)
                write_ledger(LEDGER, ledger)


if __name__ == "__main__":
    main()
