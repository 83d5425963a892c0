"""SRAM, speed, learning, import and demo, as README.md claims them."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("foundation")
