"""The table of the network from PyTorch, from experiments/pytorch/results.json."""

from __future__ import annotations

from experiments.common.ledgers import Ledger
from experiments.common.markdown import table

_COLUMNS = {
    "PyTorch, float32": "accuracy_float32",
    "onnxruntime": "accuracy_onnxruntime",
    "onnxruntime, all optimizations": "accuracy_onnxruntime_optimized",
    "kilograd": "accuracy_kilograd",
}


def accuracies(ledger: Ledger) -> str:
    """Accuracy on all test images, by what computes."""
    rows = [
        [name.replace(" | ", ", "), *(f"{100 * row[key]:.2f}" for key in _COLUMNS.values())]
        for name, row in ledger.items()
    ]
    return table(["network", *(f"{name} (%)" for name in _COLUMNS)], rows)


TABLES = {"pytorch_accuracy": accuracies}
