"""The table of what features cost on each board, from experiments/features/results.json."""

from __future__ import annotations

from experiments.common.ledgers import Ledger
from experiments.common.markdown import table


def features(ledger: Ledger) -> str:
    """Instructions and memory of the features on each board."""
    rows = [
        [
            model,
            board,
            f"{row['instructions']:,}",
            f"{row['instructions_a_second']:,}",
            f"{row['flash_bytes']:,}",
            f"{row['static_bytes']:,}",
            f"{row['scratch_bytes']:,}",
        ]
        for model, boards in sorted(ledger.items())
        for board, row in sorted(boards.items(), key=lambda item: item[1]["instructions"])
    ]
    header = ["backbone", "board", "instructions an input", "instructions a second of signal"]
    return table([*header, "flash (B)", "data + bss (B)", "in the arena (B)"], rows)


TABLES = {"features": features}
