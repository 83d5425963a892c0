"""What each update learns, in the device's integers and in float32."""

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("accuracy")
RATES_LEDGER = ledger_path("accuracy", "float32_rates")
