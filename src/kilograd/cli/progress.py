"""Progress bars on the terminal."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from kilograd.ir import LabelKind
from kilograd.training.runner import Progress as Told


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


@contextmanager
def samples_bar(console: Console, label_kind: LabelKind, prefix: str = "") -> Generator[Told]:
    """What a run tells of its samples, as a bar a stage with the accuracy or the error so far.

    Args:
        console: to show it on.
        label_kind: of the samples.
        prefix: of the stages' names.
    """
    measure = "error" if label_kind.has_errors else "accuracy"
    told = TextColumn(measure + " {task.fields[so_far]:.1%}")
    tasks: dict[str, TaskID] = {}
    with progress_bar(console, before=(told,)) as bar:

        def show(stage: str, done: int, total: int, so_far: float) -> None:
            if stage not in tasks or bar.tasks[tasks[stage]].finished:
                tasks[stage] = bar.add_task(prefix + stage, total=total, so_far=0.0)
            bar.update(tasks[stage], completed=done, so_far=so_far)

        yield show
