"""What a float32 trainer with more memory would gain: batches, momentum, Adam."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("optimizers")
