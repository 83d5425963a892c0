"""Ledgers: JSON files that are replaced whole or not at all."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def read_ledger(path: Path) -> dict[str, Any]:
    """A ledger, or an empty one."""
    return json.loads(path.read_text()) if path.is_file() else {}


def write_ledger(path: Path, ledger: dict[str, Any], *, sort_keys: bool = True) -> None:
    """Replace a ledger in one piece."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(ledger, indent=1, sort_keys=sort_keys) + "\n")
    temporary.replace(path)


def chosen_parts(chosen: Sequence[str], known: Iterable[str]) -> list[str]:
    """The parts of a ledger that the command line names, or all; exits if one is not known."""
    known = list(known)
    if unknown := set(chosen) - set(known):
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return list(chosen) or known
