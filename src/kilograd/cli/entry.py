"""Runs a command, and turns errors into messages and exit codes."""

from __future__ import annotations

import sys

from kilograd.cli.app import app, console
from kilograd.errors import KilogradError, UserError


def main() -> None:
    """Entry point: runs a command and turns errors into exit codes."""
    try:
        app(prog_name="kilograd")
    except UserError as error:
        _complain(f"error: {error}")
        sys.exit(error.exit_code)
    except KilogradError as error:
        _complain(f"fault: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.print("The command was interrupted.")
        sys.exit(130)


def _complain(text: str) -> None:
    text = text.encode("utf-8", "backslashreplace").decode()  # names need not be Unicode
    console.print(text, style="bold red", markup=False, highlight=False, soft_wrap=True)
