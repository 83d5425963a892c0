"""Schemes that the search finds, against those that were published."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("search")
