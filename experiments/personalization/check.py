"""What cannot be wrong in experiments/personalization/results.json."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.common.ledgers import Ledger
from experiments.personalization.run import TASKS, cells, summarize

#: What every scheme must fit with its features: half of the SRAM of a small Cortex-M4.
_MOST_BYTES = 128 * 1024


def complaints(ledger: Ledger) -> Iterator[str]:
    """No cell is missing, the summary is that of the cells, and every scheme was measured."""
    for task in TASKS:
        found = {name for name in ledger["cells"] if name.startswith(f"{task} ")}
        people = {name.split(" ")[1] for name in found}
        wanted = {
            f"{task} {person} {scheme} {shots} {seed}"
            for person, scheme, shots, seed in cells(task, people)
        }
        if not found or found != wanted:
            yield f"{task}: cells are missing, or there are others"
    if summarize(ledger["cells"]) != ledger["summary"]:
        yield "the summary is not that of the cells"
    if set(ledger["memory"]) != {f"{t.model} {s}" for t in TASKS.values() for s in t.schemes}:
        yield "memory: the schemes are not those of the tasks"
    for name, row in ledger["memory"].items():
        if row["sram_total_bytes"] >= _MOST_BYTES:
            yield f"{name}: takes {row['sram_total_bytes']:,} bytes"
        if row["features"]["instructions"] <= 0:
            yield f"{name}: the features were not measured"
