"""float32 with several optimizers and batches, each at its best rate, beside device integers."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("optimizers")
