"""What a dataset holds, before anything is trained on it: per class, what was left out, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console

from kilograd.data import Dataset, Samples
from kilograd.data.broken import BrokenSamplesError, named_with_reasons
from kilograd.ir import LabelKind

_SHOWN_CLASSES = 40
_SKIP = "--skip-broken leaves out what cannot be read"


@contextmanager
def skip_hint() -> Generator[None]:
    """Name the option that leaves broken samples out, in errors about such."""
    try:
        yield
    except BrokenSamplesError as error:
        error.hint = f"{error.hint}; {_SKIP}" if error.hint else _SKIP
        raise


def show_data(console: Console, dataset: Dataset) -> None:
    """Print a line a class, and what was left out or changed."""
    _say(console, data_lines(dataset))


def show_skipped(console: Console, dataset: Dataset) -> None:
    """Print what was left out or changed."""
    _say(console, _skipped_lines(dataset))


def _say(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def data_lines(dataset: Dataset) -> list[str]:
    """The report in lines, such as ``daisy 20 (15 train / 5 test)``."""
    counts = _counts(dataset)
    lines = [
        f"{name} {train + test} ({train} train / {test} test)"
        + (f", {skipped} skipped" if skipped else "")
        for name, (train, test, skipped) in counts.items()
    ]
    if len(lines) > _SHOWN_CLASSES:
        rest = len(lines) - _SHOWN_CLASSES
        lines = [*lines[:_SHOWN_CLASSES], f"and {rest} more classes"]
    return lines + _skipped_lines(dataset)


def _skipped_lines(dataset: Dataset) -> list[str]:
    lines: list[str] = []
    if dataset.skipped:
        named = named_with_reasons([(one.where, one.reason) for one in dataset.skipped])
        lines.append(f"skipped {len(dataset.skipped)}: {named}")
    return [*lines, *(f"note: {note}" for note in dataset.notes)]


def data_summary(dataset: Dataset) -> dict[str, Any]:
    """The report for JSON."""
    return {
        "classes": {
            name: {"train": train, "test": test, "skipped": skipped}
            for name, (train, test, skipped) in _counts(dataset).items()
        },
        "skipped": skipped(dataset),
        "notes": list(dataset.notes),
    }


def skipped(dataset: Dataset) -> list[dict[str, str | None]]:
    """What was left out, for JSON."""
    return [
        {"file": one.where, "reason": one.reason, "class": one.class_name}
        for one in dataset.skipped
    ]


def _counts(dataset: Dataset) -> dict[str, tuple[int, int, int]]:
    """By class: samples to train on, samples to test on, and what was left out."""
    skipped = Counter(one.class_name for one in dataset.skipped)
    return {
        name: (
            _count(dataset, dataset.train, label),
            _count(dataset, dataset.test, label),
            skipped[name],
        )
        for label, name in enumerate(dataset.class_names)
    }


def _count(dataset: Dataset, samples: Samples, label: int) -> int:
    """How many samples are of a class; with label sets, to how many it applies; of values, all."""
    if dataset.label_kind is LabelKind.VALUE:
        return len(samples)
    if dataset.label_kind is LabelKind.SET:
        return int(np.count_nonzero(samples.labels >> label & 1))
    return int(np.count_nonzero(samples.labels == label))
