"""kilograd train learns from images, audio or motion on any device."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from kilograd.cli.blame import blame
from kilograd.cli.data_report import data_summary, show_data, skip_hint
from kilograd.cli.online import (
    OnlineRequest,
    online_facts,
    read_online_options,
    show_online,
)
from kilograd.cli.sizes import Budgets
from kilograd.cli.source import ModelSource
from kilograd.compiler import Program, compile_model
from kilograd.data import Dataset, load_dataset, with_class_order
from kilograd.device.open import check_device
from kilograd.errors import ModelError, UserError
from kilograd.files import write_atomically
from kilograd.frontend.open import class_names, input_spec
from kilograd.ir import Graph
from kilograd.measuring.ablation import Planned, steps
from kilograd.measuring.firmware import Measurement
from kilograd.report import Report, write_report
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.answers import Evaluation
from kilograd.training.divergence import Divergence
from kilograd.training.loop import TrainingOptions, TrainingResult
from kilograd.training.online import OnlineResult, Stream, make_online
from kilograd.training.rate import default_rate
from kilograd.training.run import run_training

_SHOWN_CLASSES = 12
_SHOWN_SAMPLES = 12


@dataclass(frozen=True)
class TrainRequest:
    """What to train on what; see the command's options."""

    source: ModelSource
    scheme: str
    data: Path
    has_fresh_head: bool
    device: str
    options: TrainingOptions
    has_rate: bool  # whether options.rate was asked for; else it follows from the scheme
    limit: int | None
    test_limit: int | None
    target: str
    budgets: Budgets
    report: Path | None
    save: Path | None
    stream: OnlineRequest
    skips_broken: bool = False
    shows_data: bool = True


def train_model(console: Console, request: TrainRequest) -> dict[str, Any]:
    """Load, compile, train; show and return the outcome."""
    with blame("--device"):
        check_device(request.device)
    with blame("--target"):
        target = get_target(request.target)
    stream_options = read_online_options(request.stream, request.options.seed)
    for path in (request.report, request.save):
        if path is not None:
            check_writable(path)
    budget = request.budgets.sram
    # The head may be one that is replaced.
    spec = input_spec(request.source.load(2))
    with skip_hint():
        dataset = load_dataset(
            request.data,
            spec,
            limit=request.limit,
            test_limit=request.test_limit,
            seed=request.options.seed,
            skip_broken=request.skips_broken,
        )
    if request.shows_data:
        show_data(console, dataset)
    samples = data_summary(dataset)
    request = replace(
        request, source=replace(request.source, has_label_sets=dataset.has_label_sets)
    )
    comes_late = stream_options is not None and stream_options.new_class is not None
    own = None if comes_late or request.has_fresh_head else _own_head(request, dataset)
    if own is not None and own.class_names and not dataset.has_label_sets:
        dataset = with_class_order(dataset, own.class_names)
    stream = None if stream_options is None else make_online(dataset, spec, stream_options)
    if stream is not None:
        dataset = stream.dataset
    if own is None:
        graph = request.source.load(len(dataset.class_names))
    else:
        graph = own.graph
        console.print(own.text, markup=False, highlight=False)
    program = compile_model(graph, load_scheme(request.scheme, graph), target)
    options = request.options
    if not request.has_rate:
        options = replace(options, rate=default_rate(program))
    if stream is not None:
        stream = replace(stream, options=replace(stream.options, rate=options.rate))
    summary, _ = train_and_show(
        console,
        program,
        dataset,
        device=request.device,
        options=options,
        budget=budget,
        report=request.report,
        save=request.save,
        stream=stream,
    )
    return {**summary, "samples": samples}


@dataclass(frozen=True)
class _OwnHead:
    """A model with the head that it came with.

    Attributes:
        graph: of the model.
        class_names: in the order of its logits; empty where the model does not say.
        text: why training goes on from that head.
    """

    graph: Graph
    class_names: tuple[str, ...]
    text: str


def _own_head(request: TrainRequest, dataset: Dataset) -> _OwnHead | None:
    """The model's own head if it suits the data: it has the same classes, or as many.

    What a model calls its classes decides. Other tools' files do not say, and have theirs in the
    order of the data's names, as far as anybody can know.
    """
    known = class_names(request.source.model)
    if known and sorted(known) != sorted(dataset.class_names):
        return None
    try:
        graph = request.source.load()
    except ModelError:  # a head that cannot be carried
        return None
    count = graph.type_of(graph.outputs[0]).size
    if count != len(dataset.class_names) or not (known or graph.is_foreign):
        return None
    if known:
        text = f"{graph.name} knows these classes: training goes on from its own head"
    else:
        order = ", ".join(dataset.class_names[:4]) + (", …" if count > 4 else "")  # noqa: PLR2004
        text = (
            f"{graph.name} has a head for {count} classes: training goes on from it, and its "
            f"classes are taken to be {order} (--fresh-head makes a new one)"
        )
    return _OwnHead(graph, known, text)


def train_and_show(
    console: Console,
    program: Program,
    dataset: Dataset,
    *,
    device: str,
    options: TrainingOptions,
    budget: int | None,
    report: Path | None,
    save: Path | None = None,
    title: str | None = None,
    stream: Stream | None = None,
) -> tuple[dict[str, Any], Measurement | None]:
    """Train a compiled program on a dataset, or on a stream of it; show and return the outcome.

    The measurement is there for emulated devices, and wherever a report is written.
    """
    so_far = TextColumn("accuracy {task.fields[accuracy]:.1%}")
    with progress_bar(console, before=(so_far,)) as bar:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int, accuracy: float) -> None:
            if stage not in tasks or bar.tasks[tasks[stage]].finished:
                tasks[stage] = bar.add_task(stage, total=total, accuracy=0.0)
            bar.update(tasks[stage], completed=done, accuracy=accuracy)

        run = run_training(
            program,
            dataset,
            device,
            options,
            stream=stream,
            sram_budget=budget,
            is_measured=report is not None,
            progress=show,
            on_divergence=DivergenceNotice(console),
        )
    result = run.result
    show_outcome(console, dataset, result)
    summary = run.as_dict()
    if stream is not None and isinstance(result, OnlineResult):
        summary["stream"] = show_online(console, stream, result)
    if save is not None:
        write_atomically(save, result.state)
        console.print(f"trained state: {save}", markup=False, highlight=False)
    if report is not None:
        write_report(
            report,
            Report(
                title=title or f"{program.graph.name} learns {dataset.name}",
                program=program,
                measurement=run.measurement,
                result=result,
                class_names=dataset.class_names,
                facts=_facts(program, dataset, result, device, options, stream),
                samples=_shown_samples(dataset),
                sram_budget=program.target.ram_bytes if budget is None else budget,
                optimizations=_optimizations(program),
            ),
        )
        console.print(f"report: {report}", markup=False, highlight=False)
        summary["report"] = str(report)
    return summary, run.measurement


def _optimizations(program: Program) -> list[Planned]:
    """What each part of the compiler saves."""
    return steps(program.request.graph, program.scheme, program.target, row_input=False)


def _facts(
    program: Program,
    dataset: Dataset,
    result: TrainingResult,
    device: str,
    options: TrainingOptions,
    stream: Stream | None,
) -> dict[str, str]:
    schedule = options.schedule if stream is None else "constant"
    return {
        "model": program.graph.name,
        "scheme": program.scheme.name,
        "data": f"{dataset.name}: {len(dataset.train)} train, {len(dataset.test)} test",
        "device": device,
        **({"epochs": str(options.epochs)} if stream is None else online_facts(stream)),
        "learning rate": f"{options.rate} ({schedule})",
        "seed": str(options.seed),
        "state digest (SHA-256)": result.state_digest,
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


def progress_bar(
    console: Console,
    before: Sequence[ProgressColumn] = (),
    after: Sequence[ProgressColumn] = (),
) -> Progress:
    """Stage, bar, count and time, with other columns before and after the time."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:>10}"),
        BarColumn(),
        MofNCompleteColumn(),
        *before,
        TimeElapsedColumn(),
        *after,
        console=console,
    )


def show_outcome(console: Console, dataset: Dataset, result: TrainingResult) -> None:
    """Accuracy before and after, and the confusion counts where they fit a screen."""
    if isinstance(result, OnlineResult) and result.change is not None:
        return  # what the change did says more
    console.print(
        f"accuracy on {result.after.count} test samples: {result.before.accuracy:.1%} before, "
        f"{result.after.accuracy:.1%} after {result.steps} steps "
        f"({result.steps / max(result.seconds, 1e-9):.1f} steps/s here)",
        style="bold",
        markup=False,
        highlight=False,
    )
    if len(dataset.class_names) <= _SHOWN_CLASSES:
        table = _label_table if result.after.are_sets else _confusion_table
        console.print(table(dataset.class_names, result.after))


def _confusion_table(names: Sequence[str], evaluation: Evaluation) -> Table:
    table = Table(title="after: true class (rows) and what was predicted")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for name, row in zip(names, evaluation.confusion.tolist(), strict=True):
        table.add_row(name, *(str(count) for count in row))
    return table


def _label_table(names: Sequence[str], evaluation: Evaluation) -> Table:
    table = Table(title="after: how often each label was found")
    for column in ("", "found", "missed", "found by mistake", "rightly absent"):
        table.add_column(column, justify="right" if column else "left", overflow="fold")
    for name, ((absent, mistaken), (missed, found)) in zip(
        names, evaluation.confusion.tolist(), strict=True
    ):
        table.add_row(name, *map(str, (found, missed, mistaken, absent)))
    return table


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
