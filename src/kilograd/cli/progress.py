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

from kilograd.training.loop import Progress as Told


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
def accuracy_bar(console: Console, prefix: str = "") -> Generator[Told]:
    """What a run tells of its samples, as a bar a stage with the accuracy so far.

    Args:
        console: to show it on.
        prefix: of the stages' names.
    """
    so_far = TextColumn("accuracy {task.fields[accuracy]:.1%}")
    tasks: dict[str, TaskID] = {}
    with progress_bar(console, before=(so_far,)) as bar:

        def show(stage: str, done: int, total: int, accuracy: float) -> None:
            if stage not in tasks or bar.tasks[tasks[stage]].finished:
                tasks[stage] = bar.add_task(prefix + stage, total=total, accuracy=0.0)
            bar.update(tasks[stage], completed=done, accuracy=accuracy)

        yield show
