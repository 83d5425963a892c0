"""Library errors know nothing of options; the command line says which one is to blame."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from kilograd.errors import UserError


@contextmanager
def blame(option: str) -> Generator[None]:
    """Name an option in errors that do not say where they come from."""
    try:
        yield
    except UserError as error:
        error.where = error.where or option
        raise
