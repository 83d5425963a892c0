"""The command line, with one file for each command."""

from kilograd.cli.entry import main

__all__ = ["main"]
