"""kilograd train --stream has options of its own, and shows and returns more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from kilograd.data import Dataset, Drift, InputSpec
from kilograd.errors import DataError, UserError
from kilograd.report.online import COLUMNS, change_rows
from kilograd.training.learners import MemoryUse
from kilograd.training.online import WINDOW, OnlineResult
from kilograd.training.stream import DEFAULT_CHANGE_AT, OnlineOptions, Stream, make_online

_SHOWN_CLASSES = 20
_CURVE_POINTS = 200

_Value = TypeVar("_Value")
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class OnlineRequest:
    """The command's options, None where not given.

    Attributes:
        is_asked_for: whether there is to be a stream at all.
        new_class: as the option.
        drift: as the option.
        change_at: as the option.
        repeats: as the option.
        epochs: which a stream does not have.
        schedule: of the learning rate, likewise.
        order: as the option.
        memory: as the option.
        consolidate: as the option.
    """

    is_asked_for: bool
    new_class: str | None = None
    drift: str | None = None
    change_at: float | None = None
    repeats: int | None = None
    epochs: int | None = None
    schedule: str | None = None
    order: str | None = None
    memory: str | None = None
    consolidate: int | None = None


def read_online_options(request: OnlineRequest, seed: int) -> OnlineOptions | None:
    """What the stream is to be like; None without one.

    Raises:
        UserError: options that do not go together, or that cannot be.
    """
    if not request.is_asked_for:
        _refuse_stream_options(request)
        return None
    if request.epochs is not None:
        raise UserError(
            "a stream is seen once and has no epochs",
            where="--epochs",
            hint="leave out --epochs or --stream",
        )
    if request.schedule not in (None, "constant"):
        raise UserError(
            "the learning rate of a stream is constant, because nobody knows where it ends",
            where="--schedule",
            hint="leave out --schedule or --stream",
        )
    if request.change_at is not None and request.new_class is None and request.drift is None:
        raise UserError(
            "nothing changes in this stream",
            where="--change-at",
            hint="say what changes with --new-class or --drift",
        )
    if request.new_class is not None and request.drift is not None:
        raise UserError(
            "a stream has one change: a new class or a drift, not both",
            where="--drift",
            hint="run it twice, once for each",
        )
    if request.memory is None and request.consolidate is not None:
        raise UserError(
            "there is nothing to consolidate: no samples are kept",
            where="--consolidate",
            hint="add --memory, such as --memory 64KB",
        )
    if request.memory is not None and request.repeats is not None:
        raise UserError(
            "with a memory, samples are learned from again because they are kept",
            where="--repeats",
            hint="leave out --repeats or --memory",
        )
    drift = None if request.drift is None else _located("--drift", Drift.parse, request.drift)
    change_at = DEFAULT_CHANGE_AT if request.change_at is None else request.change_at
    options = OnlineOptions(
        seed=seed, repeats=request.repeats or 1, new_class=request.new_class, drift=drift
    )
    if request.order is not None:
        options = _located("--order", lambda order: replace(options, order=order), request.order)
    return _located("--change-at", lambda share: replace(options, change_at=share), change_at)


def ask_for_stream(dataset: Dataset, spec: InputSpec, options: OnlineOptions) -> Stream:
    """As `make_online`, with the names of options in errors.

    Raises:
        DataError: the stream cannot be.
    """
    try:
        return make_online(dataset, spec, options)
    except DataError as error:
        if error.where in {field.name for field in fields(OnlineOptions)}:
            error.where = "--" + error.where.replace("_", "-")
        raise


def _refuse_stream_options(request: OnlineRequest) -> None:
    given = {
        "--new-class": request.new_class,
        "--drift": request.drift,
        "--change-at": request.change_at,
        "--repeats": request.repeats,
        "--order": request.order,
        "--memory": request.memory,
        "--consolidate": request.consolidate,
    }
    for option, value in given.items():
        if value is not None:
            raise UserError("this is an option of a stream", where=option, hint="add --stream")


def _located(where: str, make: Callable[[_Value], _Made], value: _Value) -> _Made:
    try:
        return make(value)
    except DataError as error:
        raise DataError(error.what, where=where, hint=error.hint) from error


def show_online(console: Console, stream: Stream, result: OnlineResult) -> dict[str, Any]:
    """Show accuracy during the pass and what the change did; return all figures."""
    options, names = stream.options, stream.dataset.class_names

    def say(text: str, style: str | None = None) -> None:
        console.print(text, style=style, markup=False, highlight=False)

    steps = "" if options.repeats == 1 else f" ({options.repeats} training steps each)"
    last = min(WINDOW, len(result.online_accuracy))
    say(
        f"one pass: {len(stream.order):,} samples, each seen once{steps}; of the last {last}, "
        f"{result.online_accuracy[-1]:.1%} were predicted correctly before they were learned from"
    )
    if result.memory is not None:
        say(_say_memory(result.memory))
    change = result.change
    if change is None:
        return stream_summary(stream, result)
    say(
        f"{change} after {change.sample:,} samples: accuracy on test samples "
        f"{change.before.accuracy:.1%} before, {change.after.accuracy:.1%} right after, "
        f"{result.after.accuracy:.1%} at the end; without learning it would be "
        f"{change.not_learned.accuracy:.1%}",
        "bold",
    )
    table = Table("test samples", title=f"accuracy: {change}")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for row in change_rows(result, names):
        if len(names) <= _SHOWN_CLASSES or not row.is_class or row.is_new:
            table.add_row(row.name, *row.texts)
    console.print(table)
    return stream_summary(stream, result)


def _say_memory(memory: MemoryUse) -> str:
    kept, options = sum(memory.counts), memory.options
    limit = f", at most {options.per_class} of a class" if options.per_class else ""
    return (
        f"memory: {kept:,} samples of {options.samples:,} that there is room for{limit}; "
        f"{memory.replays:,} steps from them on the way and {memory.consolidation:,} at the end"
    )


def stream_summary(stream: Stream, result: OnlineResult) -> dict[str, Any]:
    """All figures, for --json. Accuracies are shares of 1; null where there are no samples."""
    online = result.online_accuracy
    count = len(online)
    points = np.unique(np.linspace(1, count, min(count, _CURVE_POINTS), dtype=int)).tolist()
    summary: dict[str, Any] = {
        "samples": count,
        "repeats": stream.options.repeats,
        "order": stream.options.order,
        "window": WINDOW,
        "prequential_accuracy": online[-1],
        "prequential_curve": [[point, online[point - 1]] for point in points],
        "change": None,
        "memory": None if result.memory is None else asdict(result.memory),
    }
    change = result.change
    if change is not None:
        names = stream.dataset.class_names
        rows = [row for row in change_rows(result, names) if row.is_class]
        summary["change"] = {
            "new_class": change.new_class,
            "drift": None if change.drift is None else str(change.drift),
            "change_at": stream.options.change_at,
            "sample": change.sample,
            "accuracy_before": change.before.accuracy,
            "accuracy_right_after": change.after.accuracy,
            "accuracy_end": result.after.accuracy,
            "accuracy_not_learned": change.not_learned.accuracy,
            "accuracy_end_unchanged_samples": change.unchanged.accuracy,
            "classes": [
                {"name": name, **row.shares} for name, row in zip(names, rows, strict=True)
            ],
        }
    return summary


def online_facts(stream: Stream) -> dict[str, str]:
    """For the report."""
    options = stream.options
    facts = {"stream": f"{len(stream.order)} samples, {options.order}, each seen once"}
    if options.memory is not None:
        facts["memory"] = f"room for {options.memory.samples} samples"
    if options.repeats > 1:
        facts["training steps a sample"] = str(options.repeats)
    if stream.change is not None:
        what = f"new class {options.new_class}" if options.drift is None else str(options.drift)
        facts["change"] = f"{what}, after {stream.change} samples"
    return facts
