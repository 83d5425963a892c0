"""kilograd evaluate tests what was learned on labelled samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from kilograd.cli.blame import blame
from kilograd.cli.data_report import show_skipped, skip_hint, skipped
from kilograd.cli.outcome import measure_of, reached, show_evaluation
from kilograd.cli.progress import samples_bar
from kilograd.cli.saved import compile_saved, order_classes
from kilograd.cli.source import ModelSource
from kilograd.data import Samples, load_dataset
from kilograd.device.open import check_device, open_device
from kilograd.errors import DataError
from kilograd.frontend.open import input_spec
from kilograd.ir import LabelKind
from kilograd.targets import get_target
from kilograd.training.anomalies import Detection
from kilograd.training.loop import evaluate
from kilograd.training.state_file import read_state_file


@dataclass(frozen=True)
class EvaluateRequest:
    """What to test on what.

    Attributes:
        source: of the model.
        state: the state file.
        data: a folder or a pack.
        device: name of a device.
        limit: most samples.
        uses_all: whether training samples are tested on as well.
        target: name of a target, for emulated devices.
        skips_broken: whether samples that cannot be read are left out.
    """

    source: ModelSource
    state: Path
    data: Path
    device: str
    limit: int | None
    uses_all: bool
    target: str
    skips_broken: bool = False


def evaluate_model(console: Console, answers: Console, request: EvaluateRequest) -> dict[str, Any]:
    """Predict every sample; show and return how many answers are right.

    Args:
        console: for progress.
        answers: for what was found.
        request: what to test.
    """
    with blame("--device"):
        check_device(request.device)
    with blame("--target"):
        target = get_target(request.target)
    saved = read_state_file(request.state)
    program = compile_saved(request.source, saved, str(request.state), target)
    with skip_hint():
        dataset = load_dataset(
            request.data,
            input_spec(program.request.graph),
            limit=request.limit if request.uses_all else 0,
            test_limit=request.limit,
            seed=saved.history.options.seed,
            skip_broken=request.skips_broken,
            fewest_classes=1 if saved.origin.label_kind is LabelKind.ANOMALY else 2,
        )
    show_skipped(answers, dataset)
    dataset = order_classes(dataset, saved, str(request.state))
    samples = dataset.test
    if request.uses_all:
        both = (dataset.train, dataset.test)
        samples = Samples(
            np.concatenate([part.inputs for part in both]),
            np.concatenate([part.labels for part in both]),
        )
    if not len(samples):
        raise DataError(
            "there are no test samples",
            where=dataset.name,
            hint="--all tests on the training samples too",
        )
    with open_device(program, request.device) as device:
        device.write_state(saved.state)
        with samples_bar(console, dataset.label_kind) as show:
            result = evaluate(device, samples, show)
    if isinstance(result, Detection):
        result = replace(result, threshold=saved.threshold)
    answers.print(
        f"{measure_of(dataset)} on {result.count} samples of {dataset.name}: "
        f"{reached(dataset, result)}",
        style="bold",
        markup=False,
        highlight=False,
    )
    show_evaluation(answers, dataset, result, dataset.name)
    return {
        "model": program.graph.name,
        "scheme": program.scheme.name,
        "state": str(request.state),
        "data": dataset.name,
        "device": request.device,
        "classes": list(dataset.class_names),
        "samples": result.count,
        **result.figures(dataset.value_range),
        **({} if result.has_errors else {"recall": result.recall}),
        "skipped": skipped(dataset),
    }
