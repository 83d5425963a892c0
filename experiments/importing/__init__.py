"""Networks from other tools' files: what they learn, at which rate, and at which resolution."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("importing")
