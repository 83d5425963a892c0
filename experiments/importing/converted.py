"""Networks as other tools convert them: whether they are carried, and with which bytes."""

from __future__ import annotations

import importlib
from pathlib import Path

from experiments.common.ledgers import Ledger, Row, write_ledger
from experiments.common.paths import ROOT
from experiments.importing import LEDGER
from experiments.importing.micro import compare_with_micro
from kilograd.errors import ModelError
from kilograd.frontend.open import load_model

#: Where `experiments.importing.converting` puts them, a folder a tool.
FOLDER = ROOT / "build" / "converted"

#: That each network reads.
_SAMPLES = 2


def measure_converted(ledger: Ledger, only: str) -> None:
    """Every network that was converted, against TensorFlow Lite Micro."""
    for path in sorted(FOLDER.glob("*/*.tflite")):
        name = f"{path.parent.name} | {path.stem}"
        if only in name:
            ledger.setdefault("converted", {})[name] = row = _compared(path)
            write_ledger(LEDGER, ledger)
            print(name, row, flush=True)


def _compared(path: Path) -> Row:
    try:
        graph = load_model(str(path))
    except ModelError as error:
        return {"refused": error.what}
    runtime = importlib.import_module("tflite_micro.python.tflite_micro.runtime")
    found = compare_with_micro(runtime, path, _SAMPLES)
    if found.missing:
        msg = f"{path}: nothing tells of {', '.join(sorted(found.missing))}"
        raise ValueError(msg)
    return {
        "layers": len(graph.nodes),
        "tensors": found.tensors,
        "bytes": found.bytes,
        "different": sum(found.different.values()),
    }
