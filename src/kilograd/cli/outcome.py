"""What a command found, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from kilograd.training.answers import Evaluation

#: A confusion matrix of more classes does not fit a screen.
_SHOWN_CLASSES = 12
#: Widest that a table may be in a narrower window.
_MOST_COLUMNS = 200


def print_whole(console: Console, table: Table) -> None:
    """A table as wide as it needs: a name that is cut off is of no use."""
    widest = console.options.update(width=_MOST_COLUMNS)
    width = max(console.width, console.measure(table, options=widest).maximum)
    Console(file=console.file, width=width, quiet=console.quiet).print(table)


def show_evaluation(
    console: Console, names: Sequence[str], evaluation: Evaluation, when: str
) -> None:
    """The counts, where they fit a screen.

    Args:
        console: to show them on.
        names: of the classes.
        evaluation: the counts.
        when: "after" training, or the like; the title begins with it.
    """
    if len(names) <= _SHOWN_CLASSES:
        table = _label_table if evaluation.are_sets else _confusion_table
        console.print(table(names, evaluation, when))


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
