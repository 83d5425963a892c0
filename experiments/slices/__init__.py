"""How long a call keeps the processor from one call of the yield hook to the next."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("slices")
