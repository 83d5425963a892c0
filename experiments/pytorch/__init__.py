"""A network that was trained in PyTorch, quantized, and read by kilograd."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("pytorch")
