"""What quantization-aware scaling is for."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("qas")
