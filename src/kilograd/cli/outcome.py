"""What a command found, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from kilograd.data import Dataset, value_of
from kilograd.training.anomalies import Detection, root_mean_square
from kilograd.training.answers import Evaluation

#: A confusion matrix of more classes does not fit a screen.
_SHOWN_CLASSES = 12
#: That samples are shown in, by their values.
_PARTS = 5
#: Widest that a table may be in a narrower window.
_MOST_COLUMNS = 200


def print_whole(console: Console, table: Table) -> None:
    """A table as wide as it needs: a name that is cut off is of no use."""
    widest = console.options.update(width=_MOST_COLUMNS)
    width = max(console.width, console.measure(table, options=widest).maximum)
    Console(file=console.file, width=width, quiet=console.quiet).print(table)


def measure_of(dataset: Dataset) -> str:
    """What says how good predictions are."""
    return "mean error" if dataset.label_kind.has_errors else "accuracy"


def reached(dataset: Dataset, evaluation: Evaluation) -> str:
    """How good predictions are, in this measure."""
    if isinstance(evaluation, Detection):
        return _detected(evaluation, dataset)
    if evaluation.estimates is None:
        return f"{evaluation.accuracy:.1%}"
    low, high = dataset.value_range
    explained = evaluation.explained
    r2 = "" if explained is None else f" (R² {explained:.2f})"
    return f"{evaluation.error * (high - low):.3g}{r2}"


def show_evaluation(console: Console, dataset: Dataset, evaluation: Evaluation, when: str) -> None:
    """The counts, where they fit a screen, or the errors of values.

    Args:
        console: to show them on.
        dataset: that names the classes, or has the range of values.
        evaluation: the counts.
        when: "after" training, or the like; the title begins with it.
    """
    names = dataset.class_names
    if isinstance(evaluation, Detection):
        console.print(_anomaly_table(dataset, evaluation, when))
    elif evaluation.estimates is not None:
        console.print(_value_table(names[0], evaluation.estimates, dataset.value_range, when))
    elif len(names) <= _SHOWN_CLASSES:
        table = _label_table if evaluation.are_sets else _confusion_table
        console.print(table(names, evaluation, when))


def _value_table(
    name: str, estimates: NDArray[np.int64], value_range: tuple[float, float], when: str
) -> Table:
    table = Table(title=f"{when}: what was estimated, by fifths of the samples")
    for column in (name, "samples", "mean estimate", "mean error"):
        table.add_column(column, justify="right", overflow="fold")
    rows = estimates[np.argsort(estimates[:, 0], kind="stable")]
    for part in np.array_split(rows, min(_PARTS, len(rows)) or 1):
        if len(part):
            values = [value_of(label, value_range) for label in part[:, 0].tolist()]
            found = [value_of(logit, value_range) for logit in part[:, 1].tolist()]
            error = float(np.abs(np.array(found) - np.array(values)).mean())
            span = f"{values[0]:.3g} to {values[-1]:.3g}"
            table.add_row(span, str(len(part)), f"{np.mean(found):.3g}", f"{error:.3g}")
    return table


def _detected(evaluation: Detection, dataset: Dataset) -> str:
    low, high = dataset.value_range
    shares = (
        ("AUC", evaluation.auc, ".3f"),
        ("found", evaluation.share_above(), ".0%"),
        ("false alarms", evaluation.share_above(0), ".1%"),
    )
    said = [f"{name} {share:{form}}" for name, share, form in shares if share is not None]
    text = f"{evaluation.error * (high - low):.3g}"
    return f"{text} ({', '.join(said)})" if said else text


def _anomaly_table(dataset: Dataset, evaluation: Detection, when: str) -> Table:
    table = Table(title=f"{when}: how badly samples are made again")
    for column in ("", "samples", "mean error", "AUC", "above the threshold"):
        table.add_column(column, justify="right" if column else "left", overflow="fold")
    for label, name in enumerate(dataset.class_names):
        errors = evaluation.of(label)
        if len(errors):
            mean = float(root_mean_square(errors, dataset.value_range).mean())
            area = evaluation.auc_of(label) if label else None
            above = evaluation.share_above(label)
            table.add_row(
                name,
                str(len(errors)),
                f"{mean:.3g}",
                "" if area is None else f"{area:.3f}",
                "" if above is None else f"{above:.1%}",
            )
    return table


def _confusion_table(names: Sequence[str], evaluation: Evaluation, when: str) -> Table:
    table = Table(title=f"{when}: true class (rows) and what was predicted")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for name, row in zip(names, evaluation.confusion.tolist(), strict=True):
        table.add_row(name, *(str(count) for count in row))
    return table


def _label_table(names: Sequence[str], evaluation: Evaluation, when: str) -> Table:
    table = Table(title=f"{when}: how often each label was found")
    for column in ("", "found", "missed", "found by mistake", "rightly absent"):
        table.add_column(column, justify="right" if column else "left", overflow="fold")
    for name, ((absent, mistaken), (missed, found)) in zip(
        names, evaluation.confusion.tolist(), strict=True
    ):
        table.add_row(name, *map(str, (found, missed, mistaken, absent)))
    return table
