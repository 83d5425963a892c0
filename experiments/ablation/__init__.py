"""Each choice of docs/numerics.md made differently; a frozen ledger."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("ablation")
