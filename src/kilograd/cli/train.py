"""kilograd train learns from images, audio or motion on any device."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from kilograd.cli.blame import blame
from kilograd.cli.data_report import data_summary, show_data
from kilograd.cli.keeping import (
    HOW_TO_KEEP,
    Keeper,
    check_log,
    check_replaceable,
    say_interrupted,
)
from kilograd.cli.online import online_facts, show_online
from kilograd.cli.outcome import measure_of, reached, show_evaluation
from kilograd.cli.progress import samples_bar
from kilograd.cli.provenance import provenance
from kilograd.cli.request import TrainRequest
from kilograd.cli.setup import Setup, new_setup, resumed_setup
from kilograd.compiler import Program
from kilograd.data import Dataset
from kilograd.device.open import check_device
from kilograd.errors import UserError
from kilograd.measuring.ablation import Planned, steps
from kilograd.measuring.firmware import Measurement
from kilograd.report import Report, write_report
from kilograd.training.divergence import Divergence
from kilograd.training.interruption import Interruption
from kilograd.training.loop import TrainingResult
from kilograd.training.online import OnlineResult
from kilograd.training.run import TrainingRun, run_training
from kilograd.training.run_log import run_log
from kilograd.training.unfinished import Interrupted

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
    keeper = None if keeping.path is None else Keeper(keeping.path, setup, request.device)
    summary, _ = train_and_show(
        console,
        setup,
        device=request.device,
        budget=request.budgets.sram,
        report=request.report,
        keeper=keeper,
        log=request.log,
        how_to_keep=HOW_TO_KEEP,
    )
    return {**summary, "samples": data_summary(setup.dataset)}


def train_and_show(
    console: Console,
    setup: Setup,
    *,
    device: str,
    budget: int | None,
    report: Path | None,
    keeper: Keeper | None = None,
    log: Path | None = None,
    title: str | None = None,
    how_to_keep: str = "",
) -> tuple[dict[str, Any], Measurement | None]:
    """Train a compiled program on a dataset, or on a stream of it; show and return the outcome.

    The measurement is there for emulated devices, and wherever a report is written or a budget is
    given. Ctrl-C ends it after the running step, with exit code 130.

    Args:
        console: to show it on.
        setup: what is trained, on what and how.
        device: name of a device.
        budget: bytes of SRAM that a measured firmware may take; None for all that its target has.
        report: an HTML file that is written; None for none.
        keeper: writes what was learned; None to let it go.
        log: a file that gets a line a step; None for none.
        title: of the report.
        how_to_keep: said where an interrupted run leaves nothing.
    """
    program, dataset, stream, unfinished = (
        setup.program,
        setup.dataset,
        setup.stream,
        setup.unfinished,
    )
    done = 0 if unfinished is None else unfinished.steps
    with (
        interruptible(console, keeper, how_to_keep) as should_stop,
        nullcontext() if log is None else run_log(log, done) as on_record,
        samples_bar(console, dataset.label_kind) as show,
    ):
        run = run_training(
            program,
            dataset,
            device,
            setup.options,
            stream=stream,
            sram_budget=budget,
            is_measured=report is not None or budget is not None,
            progress=show,
            on_divergence=DivergenceNotice(console),
            augment=setup.augment,
            unfinished=unfinished,
            should_stop=should_stop,
            on_record=on_record,
        )
    result = run.result
    show_outcome(console, setup, result)
    summary = {**run.as_dict(), **setup.judging_and_augmentation(), **provenance()}
    if log is not None:
        console.print(f"log: {log}", markup=False, highlight=False, soft_wrap=True)
        summary["log"] = str(log)
    if stream is not None and isinstance(result, OnlineResult):
        summary["stream"] = show_online(console, stream, result)
        if result.memory is not None:
            samples = result.memory.options.samples
            summary["memory_bytes"] = samples * program.memory_sample_bytes
            summary["memory_samples"] = sum(result.memory.counts)
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
                facts=_facts(run, summary, setup),
                samples=_shown_samples(dataset),
                sram_budget=program.target.ram_bytes if budget is None else budget,
                optimizations=_optimizations(program),
            ),
        )
        console.print(f"report: {report}", markup=False, highlight=False)
        summary["report"] = str(report)
    return summary, run.measurement


@contextmanager
def interruptible(
    console: Console, keeper: Keeper | None = None, how_to_keep: str = ""
) -> Generator[Callable[[], bool]]:
    """Gives what tells a run to stop; a run that did ends the command.

    Args:
        console: to tell it on.
        keeper: writes what was learned; None to let it go.
        how_to_keep: said where nothing is kept.
    """
    with Interruption() as interruption:
        try:
            yield interruption.is_requested
        except Interrupted as error:
            say_interrupted(console, error, keeper, how_to_keep)
            raise typer.Exit(INTERRUPTED) from error


def _optimizations(program: Program) -> list[Planned]:
    """What each part of the compiler saves."""
    return steps(program.request.graph, program.scheme, program.target, row_input=False)


def _facts(run: TrainingRun, summary: dict[str, Any], setup: Setup) -> dict[str, str]:
    dataset, options, stream = run.dataset, run.options, setup.stream
    facts = {
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
    if setup.validation is not None:
        facts["judged by"] = f"{setup.validation:.0%} of the training samples, held back"
    if setup.augmentation is not None:
        facts["augmentation"] = str(setup.augmentation)
    return facts


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


def show_outcome(console: Console, setup: Setup, result: TrainingResult) -> None:
    """Accuracy or error before and after, and the confusion counts where they fit a screen."""
    if isinstance(result, OnlineResult) and result.change is not None:
        return  # what the change did says more
    judged = "test" if setup.validation is None else "held-back"
    measure, dataset = measure_of(setup.dataset), setup.dataset
    console.print(
        f"{measure} on {result.after.count} {judged} samples: "
        f"{reached(dataset, result.before)} before, "
        f"{reached(dataset, result.after)} after {result.steps} steps "
        f"({result.steps / max(result.seconds, 1e-9):.1f} steps/s here)",
        style="bold",
        markup=False,
        highlight=False,
    )
    show_evaluation(console, dataset, result.after, "after")


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
