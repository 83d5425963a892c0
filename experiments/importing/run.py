"""Trains networks from files, and writes experiments/importing/results.json.

    python -m experiments.importing.run [part …] [--only TEXT]

Parts are tuning, rates, largest, resolutions, converted and onnx. Without arguments everything, in
about an hour on two cores. The last two compare what experiments.importing.converting made with
TensorFlow Lite Micro and with onnxruntime. Rates are compared on a validation part
of the training samples, or by cross-validation on them; test samples are only read for `tuning`, at
the default rate.
"""

from __future__ import annotations

from collections.abc import Iterator

from joblib import Parallel, delayed

from experiments.common.ledgers import Ledger, Row, write_ledger
from experiments.common.packs import PACKS, pack_path
from experiments.common.parts import Part, run_parts
from experiments.common.paths import checkpoint
from experiments.common.programs import BOARD, measure_anywhere, open_cached
from experiments.importing import LEDGER
from experiments.importing.converted import measure_converted, measure_onnx
from experiments.importing.wanted import (
    FOLDS,
    LARGEST_FRESH,
    LARGEST_OWN,
    LIMITED_FRESH,
    LIMITED_OWN,
    RATES,
    RESOLUTIONS,
    RESOLVED_MODEL,
    RESOLVED_PACK,
    RESOLVED_SCHEME,
    SEEDS,
    TUNINGS,
    Tuning,
)
from kilograd.compiler import Program, compile_model
from kilograd.data import Dataset, load_dataset
from kilograd.data.validation import folds
from kilograd.frontend.open import input_spec, load_model
from kilograd.scheme import load_scheme
from kilograd.search.tasks import make_task
from kilograd.targets import get_target
from kilograd.training.loop import TrainingOptions, train
from kilograd.training.rate import default_rate


def _program(one: Tuning, classes: int) -> Program:
    graph = load_model(str(one.path), None if one.has_own_head else classes)
    return compile_model(graph, load_scheme(one.scheme, graph), get_target("host"))


def _data(one: Tuning, *, is_tested: bool) -> Dataset:
    """With test samples, or with a part of the training samples in their place."""
    spec = input_spec(load_model(str(one.path), 2))
    limits = {"limit": one.limit, "test_limit": one.limit if is_tested else 0}
    dataset = load_dataset(one.data, spec, **limits)
    if is_tested:
        return dataset
    task = make_task(dataset)
    return Dataset(dataset.name, task.fit, task.validation, dataset.class_names)


def _trained(one: Tuning, dataset: Dataset, rate: float | None) -> list[Row]:
    """A row a seed."""
    program = _program(one, len(dataset.class_names))
    chosen = default_rate(program) if rate is None else rate
    rows: list[Row] = []
    with open_cached(program) as device:
        for seed in SEEDS:
            result = train(device, dataset, TrainingOptions(one.epochs, chosen, seed=seed))
            rows.append(
                {
                    "rate": chosen,
                    "before": round(result.before.accuracy, 6),
                    "accuracy": round(result.after.accuracy, 6),
                }
            )
    return rows


def _tuned(one: Tuning) -> tuple[str, list[Row]]:
    return one.name, _trained(one, _data(one, is_tested=True), None)


def measure_tuning(ledger: Ledger, only: str) -> None:
    """Every network on its test samples, at the default rate."""
    _run(ledger, "tuning", (delayed(_tuned)(one) for one in TUNINGS if only in one.name))


def _rated(one: Tuning, rate: float | None) -> tuple[str, list[Row]]:
    name = "default" if rate is None else f"{rate:g}"
    return f"{one.name} | {name}", _trained(one, _data(one, is_tested=False), rate)


def measure_rates(ledger: Ledger, only: str) -> None:
    """Every network on validation samples, at each rate and at the default."""
    jobs = (
        delayed(_rated)(one, rate)
        for one in TUNINGS
        if only in one.name
        for rate in (None, *RATES)
        if f"{one.name} | {'default' if rate is None else f'{rate:g}'}"
        not in ledger.get("rates", {})
    )
    _run(ledger, "rates", jobs)


def _cross_validated(one: Tuning, rate: float, seeds: int) -> tuple[str, list[Row]]:
    spec = input_spec(load_model(str(one.path), 2))
    parts = folds(load_dataset(one.data, spec, test_limit=0), FOLDS, 0)
    rows: list[Row] = []
    with open_cached(_program(one, len(parts[0].class_names))) as device:
        for part in parts:
            for seed in range(seeds):
                result = train(device, part, TrainingOptions(one.epochs, rate, seed=seed))
                rows.append({"rate": rate, "accuracy": round(result.after.accuracy, 6)})
    return f"{one.name} | {rate:g}", rows


def measure_largest(ledger: Ledger, only: str) -> None:
    """Networks at larger and larger rates, by cross-validation."""
    jobs = (
        delayed(_cross_validated)(one, rate, seeds)
        for several, rates in ((LIMITED_OWN, LARGEST_OWN), (LIMITED_FRESH, LARGEST_FRESH))
        for one in several
        if only in one.name
        for rate, seeds in rates.items()
        if f"{one.name} | {rate:g}" not in ledger.get("largest", {})
    )
    _run(ledger, "largest", jobs)


def _resolved(extent: int) -> tuple[str, Row]:
    model, pack = checkpoint(RESOLVED_MODEL), PACKS[RESOLVED_PACK]
    resolution = (extent, extent)
    spec = input_spec(load_model(model, 2, resolution=resolution))
    dataset = load_dataset(pack_path(RESOLVED_PACK), spec)
    graph = load_model(model, len(dataset.class_names), resolution=resolution)
    scheme = load_scheme(f"{RESOLVED_MODEL}/{RESOLVED_SCHEME}", graph)
    row: Row = {}
    for kind, is_streamed in (("held", False), ("streamed", True)):
        found = measure_anywhere(
            compile_model(graph, scheme, get_target(BOARD), row_input=is_streamed)
        )[0]
        row[f"{kind}_sram_bytes"] = found.sram_total_bytes
        row[f"{kind}_instructions"] = found.instructions_train_step
    program = compile_model(graph, scheme, get_target("host"))
    with open_cached(program) as device:
        options = TrainingOptions(pack.epochs, default_rate(program), seed=0)
        row["accuracy"] = round(train(device, dataset, options).after.accuracy, 6)
    return str(extent), row


def measure_resolutions(ledger: Ledger, only: str) -> None:
    """MCUNet at several resolutions: what a step takes, and what is learned."""
    chosen = (extent for extent in RESOLUTIONS if only in str(extent))
    _run(ledger, "resolutions", (delayed(_resolved)(extent) for extent in chosen))


def _run(ledger: Ledger, part: str, jobs: Iterator[object]) -> None:
    parallel = Parallel(n_jobs=-1, return_as="generator_unordered", max_nbytes=None)
    for name, row in parallel(jobs):
        ledger.setdefault(part, {})[name] = row
        write_ledger(LEDGER, ledger)
        print(name, row, flush=True)


PARTS: dict[str, Part] = {
    "tuning": measure_tuning,
    "rates": measure_rates,
    "largest": measure_largest,
    "resolutions": measure_resolutions,
    "converted": measure_converted,
    "onnx": measure_onnx,
}


if __name__ == "__main__":
    run_parts(__doc__, LEDGER, PARTS)
