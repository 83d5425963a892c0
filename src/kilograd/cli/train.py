"""kilograd train learns from images, audio or motion on any device."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from kilograd.cli.blame import blame
from kilograd.cli.data_report import data_summary, show_data
from kilograd.cli.keeping import Keeper, check_log, check_replaceable, say_interrupted
from kilograd.cli.online import online_facts, show_online
from kilograd.cli.outcome import show_evaluation
from kilograd.cli.progress import accuracy_bar
from kilograd.cli.provenance import provenance
from kilograd.cli.request import TrainRequest
from kilograd.cli.setup import Setup, new_setup, resumed_setup
from kilograd.compiler import Program
from kilograd.data import Augment, Dataset
from kilograd.device.open import check_device
from kilograd.errors import UserError
from kilograd.measuring.ablation import Planned, steps
from kilograd.measuring.firmware import Measurement
from kilograd.report import Report, write_report
from kilograd.training.divergence import Divergence
from kilograd.training.interruption import Interruption
from kilograd.training.loop import TrainingOptions, TrainingResult
from kilograd.training.online import OnlineResult, Stream
from kilograd.training.run import TrainingRun, run_training
from kilograd.training.run_log import RunLog
from kilograd.training.unfinished import Interrupted, Unfinished

#: Exit code of a command that Ctrl-C ended.
INTERRUPTED = 130

_SHOWN_SAMPLES = 12


def train_model(console: Console, request: TrainRequest) -> dict[str, Any]:
    """Load, compile, train; show and return the outcome."""
    with blame("--device"):
        check_device(request.device)
    for path in (request.report, request.log, request.keeping.path):
        if path is not None:
            check_writable(path)
    keeping = request.keeping
    check_replaceable(keeping)
    check_log(request.log, may_replace=keeping.may_replace)
    setup = new_setup(request) if keeping.resume is None else resumed_setup(request, keeping.resume)
    if request.shows_data:
        show_data(console, setup.dataset)
    if setup.note:
        console.print(setup.note, markup=False, highlight=False, soft_wrap=True)
    summary, _ = train_and_show(
        console,
        setup.program,
        setup.dataset,
        device=request.device,
        options=setup.options,
        budget=request.budgets.sram,
        report=request.report,
        stream=setup.stream,
        keeper=None if keeping.path is None else Keeper(keeping.path, setup, request.device),
        unfinished=setup.unfinished,
        augment=setup.augment,
        log=request.log,
        facts=_judging_facts(setup),
        judged=None if setup.validation is None else "held-back",
    )
    return {
        **summary,
        "validation": setup.validation,
        "augmentation": str(setup.augmentation or "") or None,
        "samples": data_summary(setup.dataset),
    }


def _judging_facts(setup: Setup) -> dict[str, str]:
    facts: dict[str, str] = {}
    if setup.validation is not None:
        facts["judged by"] = f"{setup.validation:.0%} of the training samples, held back"
    if setup.augmentation is not None:
        facts["augmentation"] = str(setup.augmentation)
    return facts


def train_and_show(
    console: Console,
    program: Program,
    dataset: Dataset,
    *,
    device: str,
    options: TrainingOptions,
    budget: int | None,
    report: Path | None,
    keeper: Keeper | None = None,
    title: str | None = None,
    stream: Stream | None = None,
    unfinished: Unfinished | None = None,
    augment: Augment | None = None,
    log: Path | None = None,
    facts: Mapping[str, str] | None = None,
    judged: str | None = None,
) -> tuple[dict[str, Any], Measurement | None]:
    """Train a compiled program on a dataset, or on a stream of it; show and return the outcome.

    The measurement is there for emulated devices, and wherever a report is written or a budget is
    given. Ctrl-C ends it after the running step, with exit code 130.
    """
    done = 0 if unfinished is None else unfinished.steps
    with (
        interruptible(console, keeper) as should_stop,
        nullcontext() if log is None else RunLog(log, done) as listen,
        accuracy_bar(console) as show,
    ):
        run = run_training(
            program,
            dataset,
            device,
            options,
            stream=stream,
            sram_budget=budget,
            is_measured=report is not None or budget is not None,
            progress=show,
            on_divergence=DivergenceNotice(console),
            augment=augment,
            unfinished=unfinished,
            should_stop=should_stop,
            listen=listen,
        )
    result = run.result
    show_outcome(console, dataset, result, "test" if judged is None else judged)
    summary = {**run.as_dict(), **provenance()}
    if log is not None:
        console.print(f"log: {log}", markup=False, highlight=False, soft_wrap=True)
        summary["log"] = str(log)
    if stream is not None and isinstance(result, OnlineResult):
        summary["stream"] = show_online(console, stream, result)
    if keeper is not None:
        keeper.finished(console, run)
        summary["state"] = str(keeper.path)
    if report is not None:
        write_report(
            report,
            Report(
                title=title or f"{program.graph.name} learns {dataset.name}",
                program=program,
                measurement=run.measurement,
                result=result,
                class_names=dataset.class_names,
                facts=_facts(run, summary, stream) | dict(facts or {}),
                samples=_shown_samples(dataset),
                sram_budget=program.target.ram_bytes if budget is None else budget,
                optimizations=_optimizations(program),
            ),
        )
        console.print(f"report: {report}", markup=False, highlight=False)
        summary["report"] = str(report)
    return summary, run.measurement


@contextmanager
def interruptible(console: Console, keeper: Keeper | None) -> Generator[Callable[[], bool]]:
    """Gives what tells a run to stop; a run that did ends the command."""
    with Interruption() as interruption:
        try:
            yield interruption.is_requested
        except Interrupted as error:
            say_interrupted(console, error, keeper)
            raise typer.Exit(INTERRUPTED) from error


def _optimizations(program: Program) -> list[Planned]:
    """What each part of the compiler saves."""
    return steps(program.request.graph, program.scheme, program.target, row_input=False)


def _facts(run: TrainingRun, summary: dict[str, Any], stream: Stream | None) -> dict[str, str]:
    dataset, options = run.dataset, run.options
    return {
        "model": f"{summary['model']} ({summary['model_id']})",
        "scheme": summary["scheme"],
        "data": f"{dataset.name}: {len(dataset.train)} train, {len(dataset.test)} test",
        "device": run.device,
        **({"epochs": str(options.epochs)} if stream is None else online_facts(stream)),
        "learning rate": f"{options.rate} ({options.schedule})",
        "seed": str(options.seed),
        "data SHA-256": summary["data_digest"],
        "made": f"{summary['date']} by kilograd {summary['version']}",
        "command": summary["command"],
    }


def _shown_samples(dataset: Dataset) -> list[tuple[NDArray[np.int8], str]]:
    count = len(dataset.train)
    return [
        (dataset.train.inputs[i], dataset.name_of(int(dataset.train.labels[i])))
        for i in np.linspace(0, count - 1, min(_SHOWN_SAMPLES, count), dtype=int)
    ]


class DivergenceNotice:
    """Tells the user that a run diverged, the first time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = False

    def __call__(self, divergence: Divergence) -> None:
        """Print it, once."""
        if self._told:
            return
        self._told = True
        self._console.print(
            f"training diverged: at step {divergence.step} it went back to a healthy state, with "
            f"the learning rate at {divergence.rate:.3g}; start with a lower --lr",
            style="yellow",
            markup=False,
            highlight=False,
        )


def show_outcome(console: Console, dataset: Dataset, result: TrainingResult, judged: str) -> None:
    """Accuracy before and after, and the confusion counts where they fit a screen.

    Args:
        console: to show them on.
        dataset: that was learned.
        result: of the run.
        judged: what the samples are that it was judged by.
    """
    if isinstance(result, OnlineResult) and result.change is not None:
        return  # what the change did says more
    console.print(
        f"accuracy on {result.after.count} {judged} samples: {result.before.accuracy:.1%} before, "
        f"{result.after.accuracy:.1%} after {result.steps} steps "
        f"({result.steps / max(result.seconds, 1e-9):.1f} steps/s here)",
        style="bold",
        markup=False,
        highlight=False,
    )
    show_evaluation(console, dataset.class_names, result.after, "after")


def check_writable(path: Path) -> None:
    """Fail before hours of training and not after.

    Raises:
        UserError: when no file of this name could be made.
    """
    folder = path.parent
    try:
        while not folder.exists():
            folder = folder.parent
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"it cannot be written: {error.strerror}",
            where=str(path),
            hint="name a file in a folder that you may write to",
        ) from error
