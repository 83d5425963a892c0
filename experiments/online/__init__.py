"""Training in a single pass, with and without a change on the way."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("online")
