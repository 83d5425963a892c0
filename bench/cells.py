"""One cell of the accuracy table: a network trained on a pack, and the SRAM that it takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from keeping import KeepingDevice
from packs import load_pack, pack_of

from kilograd.compiler import Program, compile_model
from kilograd.data import Dataset
from kilograd.errors import BudgetError, UserError
from kilograd.frontend.open import load_model
from kilograd.measuring.firmware import Measurement, measure
from kilograd.scheme import load_scheme
from kilograd.targets import TARGETS
from kilograd.targets.cortex_m7 import CORTEX_M7
from kilograd.toolchain import build_host_library
from kilograd.training.loop import TrainingOptions, TrainingResult, default_rate, train

ARITHMETICS = ("device", "float32")

#: The best of bench/results/torch_rates.json at batch 8, over three packs.
FLOAT32_RATE, FLOAT32_HEAD_RATE = 0.01, 0.032

#: A Cortex-M7 that no chip is: for what does not fit the STM32F746, such as updating everything.
_ROOMY = replace(
    CORTEX_M7,
    name="cortex-m7-roomy",
    part="no chip: a Cortex-M7 with 8 MB of SRAM",
    memory=tuple(
        replace(region, length=8 << 20) if region.name == "SRAM" else region
        for region in CORTEX_M7.memory
    ),
)


@dataclass(frozen=True)
class Cell:
    """What is trained, on what, how.

    Attributes:
        model: path of a checkpoint, or the name of an embedded backbone.
        data: path of a pack.
        scheme: as `kilograd train --scheme`.
        arithmetic: ``device`` (the integers that ship, batch 1) or ``float32`` (torch, batch 8).
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
    if cell.arithmetic != "device":
        known = " and ".join(ARITHMETICS)
        raise UserError(f"there is no arithmetic {cell.arithmetic!r}", hint=f"{known} are known")
    graph = load_model(cell.model, len(dataset.class_names))
    program = compile_model(graph, load_scheme(cell.scheme, graph))
    rate = default_rate(program) if cell.rate is None else cell.rate
    rows: list[Any] = []
    with KeepingDevice(build_host_library(program.sources).path) as device:
        for seed in seeds:
            options = TrainingOptions(pack_of(cell.data).epochs, rate, seed=seed)
            result = train(device, dataset, options)
            rows.append({**_outcome(result), "rate": rate})
    return rows


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
    try:
        from float32 import train_float32  # noqa: PLC0415 - torch is not a dependency
    except ImportError as error:
        raise UserError(
            f"float32 runs need torch: {error}", hint="pip install torch==2.13.0"
        ) from error
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
    graph = load_model(model, classes)
    result, fits = measure_anywhere(compile_model(graph, load_scheme(scheme, graph)))
    parts = ("sram_total_bytes", "arena", "trainable", "data_bss", "stack")
    return {**{part: getattr(result, part) for part in parts}, "fits": fits}


def measure_anywhere(program: Program) -> tuple[Measurement, bool]:
    """Measured on an STM32F746, or where it does not fit, on the roomy Cortex-M7; which of them."""
    try:
        return measure(program, CORTEX_M7.name), True
    except BudgetError:
        TARGETS[_ROOMY.name] = _ROOMY
        return measure(program, _ROOMY.name), False


def class_count(data: Path, model: str) -> int:
    """Number of classes of a pack."""
    return len(load_pack(data, model).class_names)


def recipe(cell: Cell) -> str:
    """Digest of how a pack is used: a row that was made otherwise does not count."""
    pack = pack_of(cell.data)
    what = [pack.file, pack.epochs, pack.train, pack.test]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]
