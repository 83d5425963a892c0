"""A memory of samples: streams in which classes come one after the other."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("replay")
