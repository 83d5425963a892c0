"""What a training step takes of SRAM, and how far that is from the least that is possible."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("memory")
ORDER_LEDGER = ledger_path("memory", "order")
