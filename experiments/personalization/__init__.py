"""What a device learns from one new person."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("personalization")
