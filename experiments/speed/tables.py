"""The table of the PC build's speed beside PyTorch's, from experiments/speed/results.json."""

from __future__ import annotations

from experiments.common.ledgers import Ledger
from experiments.common.markdown import table


def pytorch(ledger: Ledger) -> str:
    """Speed of the PC build over PyTorch's, as ratios of one run."""
    kinds = {
        "one step after the other, the frozen prefix kept": "prefix kept",
        "whole steps": "whole step",
    }
    rows = [
        [
            label,
            *(
                f"{ratio['ratio']:.2f} ({ratio['lowest']:.2f} … {ratio['highest']:.2f})"
                for ratio in ledger[kind]["kilograd_over_pytorch"].values()
            ),
        ]
        for label, kind in kinds.items()
    ]
    header = [f"against {batch}" for batch in ledger["prefix kept"]["kilograd_over_pytorch"]]
    return table(["samples a second, kilograd (batch 1) over PyTorch", *header], rows)


TABLES = {"pytorch": pytorch}
