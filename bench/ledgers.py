"""Ledgers: JSON files that are replaced whole or not at all."""

from __future__ import annotations

import json
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
