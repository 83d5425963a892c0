"""The PC build's speed beside PyTorch's."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("speed")
