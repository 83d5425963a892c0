"""One cell of the accuracy table: a network trained on a pack, and the SRAM that it takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.common.packs import load_pack, pack_of
from experiments.common.probe import chosen_probe
from experiments.common.programs import BOARD, compiled, measure_anywhere, open_cached
from kilograd.data import Dataset
from kilograd.errors import UserError
from kilograd.training.loop import TrainingOptions, TrainingResult, train
from kilograd.training.rate import default_rate

#: Logistic regression in float64 on the features that the head reads.
PROBE = "logistic regression"
ARITHMETICS = ("device", "float32", PROBE)

#: Of experiments/accuracy/float32_rates.json at batch 8, in the mean over three packs: for the head
#: the best, for 99kb 85.4%, where 0.008 has 85.6% and 0.016 85.5%.
FLOAT32_RATE, FLOAT32_HEAD_RATE = 0.01, 0.032


@dataclass(frozen=True)
class Cell:
    """What is trained, on what, how.

    Attributes:
        model: path of a checkpoint, or the name of an embedded backbone.
        data: path of a pack.
        scheme: as `kilograd train --scheme`.
        arithmetic: ``device`` (the integers that ship, batch 1), ``float32`` (torch, batch 8), or
            the probe's, which learns what the head learns.
        rate: learning rate; None is the default of the arithmetic.
    """

    model: str
    data: Path
    scheme: str
    arithmetic: str
    rate: float | None = None

    def key(self, seed: int) -> str:
        """Name of one run in the ledger."""
        rate = "" if self.rate is None else f" rate {self.rate:g}"
        parts = (Path(self.model).stem, self.data.stem, self.scheme, self.arithmetic)
        return f"{' | '.join(parts)}{rate} | seed {seed}"


def run_cell(cell: Cell, seeds: Sequence[int], dataset: Dataset | None = None) -> list[Any]:
    """Train once for each seed.

    Returns:
        A row a seed: accuracy on the test samples in [0, 1], steps, rate, and for device
        integers what it was before and a digest of the confusion counts.
    """
    dataset = load_pack(cell.data, cell.model) if dataset is None else dataset
    if cell.arithmetic == "float32":
        return _run_float32(cell, seeds, dataset)
    if cell.arithmetic == PROBE:
        return [_run_probe(cell, dataset)] * len(seeds)
    if cell.arithmetic != "device":
        known = ", ".join(ARITHMETICS)
        raise UserError(f"there is no arithmetic {cell.arithmetic!r}", hint=f"{known} are known")
    program = compiled(cell.model, cell.scheme, len(dataset.class_names))
    rate = default_rate(program) if cell.rate is None else cell.rate
    rows: list[Any] = []
    with open_cached(program) as device:
        for seed in seeds:
            options = TrainingOptions(pack_of(cell.data).epochs, rate, seed=seed)
            result = train(device, dataset, options)
            rows.append({**_outcome(result), "rate": rate})
    return rows


def _run_probe(cell: Cell, dataset: Dataset) -> dict[str, Any]:
    """Logistic regression has one optimum, whatever the order of samples."""
    program = compiled(cell.model, "head", len(dataset.class_names))
    with open_cached(program) as device:
        accuracy, penalty = chosen_probe(program, device, dataset)
    return {"accuracy": round(accuracy, 6), "penalty": penalty}


def _outcome(result: TrainingResult) -> dict[str, Any]:
    """What a run of the device's integers gives; the same wherever and whenever it is run."""
    predictions = result.after.confusion.astype("<i4").tobytes()
    return {
        "accuracy": round(result.after.accuracy, 6),
        "before": round(result.before.accuracy, 6),
        "steps": result.steps,
        "predictions_digest": hashlib.sha256(predictions).hexdigest()[:16],
    }


def _run_float32(cell: Cell, seeds: Sequence[int], dataset: Dataset) -> list[Any]:
    # Not imported above, because it needs torch, which device integers do not.
    from kilograd.baselines.float32 import train_float32  # noqa: PLC0415

    epochs = pack_of(cell.data).epochs
    rate = cell.rate
    if rate is None:
        rate = FLOAT32_HEAD_RATE if cell.scheme == "head" else FLOAT32_RATE
    return [
        {
            "rate": rate,
            "accuracy": round(
                train_float32(
                    cell.model, dataset, cell.scheme, epochs=epochs, rate=rate, seed=seed
                ),
                6,
            ),
            "steps": epochs * len(dataset.train),
        }
        for seed in seeds
    ]


def sram(model: str, scheme: str, classes: int) -> dict[str, Any]:
    """Whole SRAM of a training step on the emulated Cortex-M7, the sample held in it.

    Returns:
        ``sram_total_bytes``, its parts, and ``fits``: whether an STM32F746 holds it.
    """
    result, fits = measure_anywhere(compiled(model, scheme, classes, target=BOARD))
    parts = ("sram_total_bytes", "arena", "trainable", "data_bss", "stack")
    return {**{part: getattr(result, part) for part in parts}, "fits": fits}


def class_count(data: Path, model: str) -> int:
    """Number of classes of a pack."""
    return len(load_pack(data, model).class_names)


def recipe(cell: Cell) -> str:
    """Digest of how a pack is used: a row that was made otherwise does not count."""
    pack = pack_of(cell.data)
    what = [pack.file, pack.epochs, pack.train, pack.test]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]
