"""Networks as other tools convert them: whether they are carried, and with which bytes."""

from __future__ import annotations

import importlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.common.ledgers import Ledger, Row, write_ledger
from experiments.common.paths import ROOT
from experiments.importing import LEDGER
from experiments.importing.micro import compare_with_micro
from experiments.importing.onnx_runtime import compare, samples
from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.frontend.tflite import read_tflite

#: Where `experiments.importing.converting` puts them, a folder a tool.
FOLDER = ROOT / "build" / "converted"

#: That each network reads.
_SAMPLES = 2

#: Operators that TensorFlow Lite Micro does not have, so that networks with them are not compared.
_NOT_THERE = {"TILE"}


def measure_converted(ledger: Ledger, only: str) -> None:
    """Every network that was converted, against TensorFlow Lite Micro."""
    for path in sorted(FOLDER.glob("*/*.tflite")):
        name = f"{path.parent.name} | {path.stem}"
        if only in name:
            ledger.setdefault("converted", {})[name] = row = _compared(path)
            write_ledger(LEDGER, ledger)
            print(name, row, flush=True)


def measure_onnx(ledger: Ledger, only: str) -> None:
    """Every network that was converted to .onnx, layer by layer against onnxruntime."""
    onnx: Any = importlib.import_module("onnx")
    for path in sorted(FOLDER.glob("onnx/*.onnx")):
        if only not in path.stem:
            continue
        try:
            graph = load_model(str(path))
        except ModelError as error:
            row: Row = {"refused": error.what}
        else:
            content = path.read_bytes()
            (entry,) = onnx.load_from_string(content).graph.input
            shape = [extent.dim_value for extent in entry.type.tensor_type.shape.dim]
            alone = compare(content, samples(shape, _SAMPLES)).alone
            row = {"layers": len(graph.nodes), **asdict(alone)}
        ledger.setdefault("onnx", {})[path.stem] = row
        write_ledger(LEDGER, ledger)
        print(path.stem, row, flush=True)


def _compared(path: Path) -> Row:
    try:
        graph = load_model(str(path))
    except ModelError as error:
        return {"refused": error.what}
    runtime = importlib.import_module("tflite_micro.python.tflite_micro.runtime")
    if any(layer.file_operator in _NOT_THERE for layer in read_tflite(path).layers):
        return {"layers": len(graph.nodes), "tensors": 0, "bytes": 0, "different": 0}
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
