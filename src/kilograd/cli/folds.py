"""kilograd train --folds: k-fold cross-validation on the training samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console

from kilograd.cli.blame import blame
from kilograd.cli.data_report import data_summary, show_data
from kilograd.cli.outcome import show_evaluation
from kilograd.cli.progress import accuracy_bar
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
    "steps",
    "divergences",
    "counters",
    "state_digest",
    "confusion_after",
)


def train_folds(console: Console, request: TrainRequest) -> dict[str, Any]:
    """Train once for each fold; show and return the accuracies, their mean and deviation."""
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
            with accuracy_bar(console, f"{number} of {len(parts)}: ") as show:
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
    accuracies = [run["accuracy_after"] for run in runs]
    mean, deviation = float(np.mean(accuracies)), float(np.std(accuracies, ddof=1))
    console.print(
        f"accuracy on {len(setup.dataset.train)} samples in {len(runs)} folds: {mean:.1%} on "
        f"average, {min(accuracies):.1%} to {max(accuracies):.1%}, standard deviation "
        f"{100 * deviation:.1f} points",
        style="bold",
        markup=False,
        highlight=False,
    )
    confusion = np.sum([run["confusion_after"] for run in runs], axis=0)
    show_evaluation(console, setup.dataset.class_names, Evaluation(confusion), "all folds")
    shared = {name: value for name, value in runs[0].items() if name not in _OF_A_FOLD}
    shared.pop("confusion_before")
    shared.pop("steps_per_second")
    return {
        **shared,
        **provenance(),
        **setup.judging_and_augmentation(),
        "accuracy_mean": mean,
        "accuracy_deviation": deviation,
        "confusion": confusion.tolist(),
        "folds": [{name: run[name] for name in _OF_A_FOLD} for run in runs],
        "samples": data_summary(setup.dataset),
    }
