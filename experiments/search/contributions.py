"""What every part of each backbone is worth, in the ledger and out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.common.ledgers import Ledger, Row, write_ledger
from experiments.common.packs import pack_path
from experiments.common.paths import BACKBONES, checkpoint
from experiments.search import LEDGER
from experiments.search.wanted import JUDGES, TASKS
from kilograd.data import Dataset, load_dataset
from kilograd.frontend.open import input_spec, load_model
from kilograd.search.contributions import Contributions, average
from kilograd.search.search import Analyst, Progress
from kilograd.search.tasks import CrossValidation, Task, cross_validation, make_task


def tasks_for(model: str) -> list[Task]:
    """What contributions are found on."""
    return [make_task(dataset) for dataset in _datasets(model, TASKS)]


def validations_for(model: str) -> list[CrossValidation]:
    """What schemes are tried on."""
    return [cross_validation(dataset) for dataset in _datasets(model, JUDGES)]


def _datasets(model: str, names: Sequence[str]) -> list[Dataset]:
    spec = input_spec(load_model(checkpoint(model)))
    return [load_dataset(pack_path(name), spec, test_limit=0) for name in names]


def measure_contributions(ledger: Ledger, only: str) -> None:
    """Every option of every backbone on each task."""
    for model in BACKBONES:
        if only not in model:
            continue
        tasks = tasks_for(model)
        graph = load_model(checkpoint(model), max(task.classes for task in tasks))
        found = Analyst().analyse(graph, tasks, teller(model, every=20))
        ledger.setdefault("contributions", {})[model] = {
            task.name: {**as_row(one), "digest": task.digest}
            for task, one in zip(tasks, found, strict=True)
        }
        write_ledger(LEDGER, ledger)


def teller(model: str, every: int = 1) -> Progress:
    """Prints how far a search has come, every so many runs."""

    def tell(what: str, done: int, total: int) -> None:
        if done % every == 0 or done == total:
            print(f"{model}: {done} of {total} {what}", flush=True)

    return tell


def as_row(one: Contributions) -> Row:
    """Contributions as the ledger has them."""
    return {
        "method": one.method,
        "unit": one.unit,
        "layers": list(one.biases),
        "biases": _rounded(one.biases),
        "last": _rounded(one.last),
        "weights": {
            layer: _rounded({str(share): gain for share, gain in shares.items()})
            for layer, shares in one.weights.items()
        },
    }


def _rounded(gains: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(gain), 6) for name, gain in gains.items()}


def from_row(row: Any) -> Contributions:
    """Contributions that the ledger has, as they were; the ledger sorts its names."""
    return Contributions(
        row["method"],
        row["unit"],
        {layer: row["biases"][layer] for layer in row["layers"]},
        {
            layer: {float(share): gain for share, gain in row["weights"][layer].items()}
            for layer in row["layers"]
        },
        {layer: row["last"][layer] for layer in row["layers"] if layer in row["last"]},
    )


def contributions_of(ledger: Ledger, model: str) -> Contributions:
    """The mean over the tasks, as the ledger has them."""
    return average([from_row(row) for row in ledger["contributions"][model].values()])
