"""Other rules for the exponents of gradients: what they cut off, and what is learned."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("exponents")
