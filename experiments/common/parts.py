"""Experiments that measure a ledger in parts."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from experiments.common.ledgers import Ledger, chosen_parts, read_ledger
from experiments.common.paths import require_shared

#: Measures into a ledger what has a text in its name.
Part = Callable[[Ledger, str], None]


def run_parts(description: str, path: Path, parts: Mapping[str, Part]) -> None:
    """Measure the parts that the command line names, or all.

    Args:
        description: of the experiment; its first line is shown.
        path: of the ledger.
        parts: by name.
    """
    parser = argparse.ArgumentParser(description=description.split("\n", maxsplit=1)[0])
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--only", default="", help="what has this in its name")
    arguments = parser.parse_args()
    require_shared()
    ledger = read_ledger(path)
    for part in chosen_parts(arguments.parts, parts):
        parts[part](ledger, arguments.only)
