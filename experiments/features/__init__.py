"""What the audio and motion features cost on boards."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("features")
