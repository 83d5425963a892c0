"""The command line: one file a command."""

from kilograd.cli.app import main

__all__ = ["main"]
