"""Ledgers: JSON files that are replaced whole or not at all."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kilograd.files import write_atomically

Ledger = dict[str, Any]
Row = dict[str, Any]


def ledger_path(topic: str, name: str = "results") -> Path:
    """Where a topic's ledger lies."""
    return Path(__file__).parents[1] / topic / f"{name}.json"


def read_ledger(path: Path) -> Ledger:
    """A ledger, or an empty one."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def ledger_text(ledger: Ledger) -> str:
    """A ledger as its file holds it."""
    return json.dumps(ledger, indent=1, sort_keys=True) + "\n"


def write_ledger(path: Path, ledger: Ledger) -> None:
    """Replace a ledger in one piece."""
    write_atomically(path, ledger_text(ledger).encode())


def chosen_parts(chosen: Sequence[str], known: Iterable[str]) -> list[str]:
    """The parts of a ledger that the command line names, or all; exits if one is not known."""
    known = list(known)
    if unknown := set(chosen) - set(known):
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return list(chosen) or known
