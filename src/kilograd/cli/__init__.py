"""The command line, with one file for each command."""

from kilograd.cli.app import main

__all__ = ["main"]
