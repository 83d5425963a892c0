"""The table of the longest time slices, from experiments/slices/results.json."""

from __future__ import annotations

from experiments.common.ledgers import Ledger
from experiments.common.markdown import table


def slices(ledger: Ledger) -> str:
    """The longest slice of each program, and what the hook costs it."""
    rows: list[list[str]] = []
    for name, row in ledger.items():
        inference, step, alone = row["inference"], row["train_step"], row["without"]
        more = (
            inference["instructions"] / alone["instructions_inference"] - 1,
            step["instructions"] / alone["instructions_train_step"] - 1,
        )
        rows.append(
            [
                name.partition(", M0+")[0],
                row["target"],
                f"{inference['longest']:,}",
                f"{step['longest']:,}",
                f"`{step['kernel']}`",
                f"{step['count']:,}",
                " / ".join(f"{round(share, 3) + 0.0:+.1%}" for share in more),
                f"{row['flash_bytes'] - alone['flash_bytes']:,}",
            ]
        )
    header = [
        *("scheme", "board", "slice of a prediction", "of a step", "in"),
        *("calls in a step", "instructions", "flash (B)"),
    ]
    return table(header, rows)


TABLES = {"slices": slices}
