"""The log of a run: one JSON object a line, one line a step (docs/training-runs.md)."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from kilograd.errors import UserError
from kilograd.training.records import Record, RecordListener

#: What every line says first, in this order; then what the device counted.
COLUMNS = ("step", "learning_rate", "loss", "running_accuracy", "test_accuracy")
#: What it says besides where labels are values.
ERRORS = ("running_error", "test_error")


def is_run_log(path: Path) -> bool:
    """Whether a file begins as a log of a run does; an empty one does, too."""
    try:
        with path.open("rb") as file:
            first = file.readline(4096)
    except OSError:
        return False
    return not first or _is_line(first)


def _is_line(line: bytes) -> bool:
    return set(COLUMNS) <= set(_read(line) or ())


def _read(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


@contextmanager
def run_log(path: Path, done: int = 0) -> Generator[RecordListener]:
    """A file that gets a line for each record, as the steps are done; gives what writes one.

    Args:
        path: of the file; one that is there is replaced, or gone on with.
        done: training steps of a run that goes on; what its log says beyond them is cut off.

    Raises:
        UserError: the file cannot be written.
    """
    with _writable(path):
        kept = _lines_up_to(path, done) if done else 0
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("r+b" if kept else "wb")

    def write(record: Record) -> None:
        known = asdict(record)
        counters = known.pop("counters")
        del counters["steps"]  # which the line begins with
        has_errors = any(known[name] is not None for name in ERRORS)
        columns = (*COLUMNS, *ERRORS) if has_errors else COLUMNS
        line = {name: known[name] for name in columns} | counters
        with _writable(path):
            file.write(json.dumps(line).encode() + b"\n")

    try:
        with _writable(path):
            file.truncate(kept)
            file.seek(kept)
        yield write
    except BaseException:
        with suppress(OSError):  # the first error counts
            file.close()
        raise
    with _writable(path):
        file.close()


@contextmanager
def _writable(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"the log cannot be written: {error.strerror}", where=str(path)) from error


def _lines_up_to(path: Path, done: int) -> int:
    """Bytes of the whole lines of the first steps of a log; 0 where there is none."""
    if not path.exists():
        return 0
    kept = 0
    with path.open("rb") as file:
        for line in file:
            found = _read(line) if line.endswith(b"\n") else None
            if found is None or not set(COLUMNS) <= set(found) or found["step"] > done:
                break
            kept += len(line)
    return kept
