"""What all commands share: the program itself, and where its output goes."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from kilograd import __version__

app = typer.Typer(
    name="kilograd",
    help="Train int8 networks inside a microcontroller.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
console = Console(stderr=True)


def progress(*, as_json: bool) -> Console:
    """Where a query tells how far it is: standard error, unless JSON is all that is wanted."""
    return Console(stderr=True, quiet=as_json)


def results(*, as_json: bool) -> Console:
    """Where a query's answer goes as text: to standard output, unless JSON goes there."""
    return Console(quiet=as_json)


def print_json(contents: dict[str, Any]) -> None:
    """A command's result on standard output."""
    sys.stdout.write(json.dumps(contents) + "\n")


def _version(value: bool) -> None:  # noqa: FBT001 - typer's callback
    if value:
        sys.stdout.write(f"kilograd {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version
