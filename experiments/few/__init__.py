"""Few samples of each class: which scheme learns most from them."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("few")
