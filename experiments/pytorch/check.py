"""What cannot be wrong in experiments/pytorch/results.json."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.common.ledgers import Ledger

#: Share of the test images that kilograd may lose to onnxruntime.
_MOST_LOST = 0.005


def complaints(ledger: Ledger) -> Iterator[str]:
    """Quantized networks answer as well in kilograd as in onnxruntime."""
    for name, row in ledger.items():
        lost = row["accuracy_onnxruntime"] - row["accuracy_kilograd"]
        if lost > _MOST_LOST:
            yield f"{name}: kilograd loses {100 * lost:.2f} points to onnxruntime"
