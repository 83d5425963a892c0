"""kilograd train --folds: k-fold cross-validation on the training samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console

from kilograd.cli.blame import blame
from kilograd.cli.data_report import data_summary, show_data
from kilograd.cli.outcome import measure_of, show_evaluation
from kilograd.cli.progress import samples_bar
from kilograd.cli.provenance import provenance
from kilograd.cli.request import TrainRequest
from kilograd.cli.setup import new_setup
from kilograd.cli.train import DivergenceNotice, interruptible
from kilograd.data import folds
from kilograd.device.open import check_device
from kilograd.training.answers import Evaluation
from kilograd.training.run import run_training

#: Of the figures of a run, those that each fold has its own of.
_OF_A_FOLD = (
    "data_digest",
    "train_samples",
    "test_samples",
    "accuracy_before",
    "accuracy_after",
    "error_before",
    "error_after",
    "r2_after",
    "steps",
    "divergences",
    "counters",
    "state_digest",
    "confusion_after",
)


def train_folds(console: Console, request: TrainRequest) -> dict[str, Any]:
    """Train once for each fold; show and return what they reached, its mean and deviation."""
    with blame("--device"):
        check_device(request.device)
    setup = new_setup(request)
    with blame("--folds"):
        parts = folds(setup.dataset, request.judging.folds or 0, setup.options.seed)
    if request.shows_data:
        show_data(console, setup.dataset)
    runs: list[dict[str, Any]] = []
    with interruptible(console) as should_stop:
        for number, part in enumerate(parts, 1):
            kind = setup.dataset.label_kind
            with samples_bar(console, kind, f"{number} of {len(parts)}: ") as show:
                run = run_training(
                    setup.program,
                    part,
                    request.device,
                    setup.options,
                    augment=setup.augment,
                    sram_budget=request.budgets.sram,
                    # All folds have one firmware.
                    is_measured=number == 1 and request.budgets.sram is not None,
                    progress=show,
                    on_divergence=DivergenceNotice(console),
                    should_stop=should_stop,
                )
            runs.append(run.as_dict())
    is_value = setup.dataset.label_kind.has_errors
    measure = "error" if is_value else "accuracy"
    found = [run[f"{measure}_after"] for run in runs]
    mean, deviation = float(np.mean(found)), float(np.std(found, ddof=1))
    form = ".3g" if is_value else ".1%"
    spread = f"{deviation:.2g}" if is_value else f"{100 * deviation:.1f} points"
    console.print(
        f"{measure_of(setup.dataset)} on {len(setup.dataset.train)} samples in {len(runs)} folds: "
        f"{mean:{form}} on average, {min(found):{form}} to {max(found):{form}}, standard deviation "
        f"{spread}",
        style="bold",
        markup=False,
        highlight=False,
    )
    counts = None if is_value else np.sum([run["confusion_after"] for run in runs], axis=0)
    if counts is not None:
        show_evaluation(console, setup.dataset, Evaluation(counts), "all folds")
    shared = {name: value for name, value in runs[0].items() if name not in _OF_A_FOLD}
    for name in ("confusion_before", "r2_before", "steps_per_second"):
        shared.pop(name, None)
    return {
        **shared,
        **provenance(),
        **setup.judging_and_augmentation(),
        f"{measure}_mean": mean,
        f"{measure}_deviation": deviation,
        **({} if counts is None else {"confusion": counts.tolist()}),
        "folds": [{name: run[name] for name in _OF_A_FOLD if name in run} for run in runs],
        "samples": data_summary(setup.dataset),
    }
