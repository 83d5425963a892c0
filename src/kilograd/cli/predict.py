"""kilograd predict says what images or recordings show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from kilograd.cli.blame import blame
from kilograd.cli.saved import compile_saved
from kilograd.cli.source import ModelSource
from kilograd.compiler import Program, compile_model
from kilograd.data import value_of
from kilograd.data.files import read_files
from kilograd.device.open import check_device, open_device
from kilograd.export.deployment import named_classes
from kilograd.frontend.open import class_names, input_spec
from kilograd.ir import Graph, LabelKind
from kilograd.scheme import load_scheme
from kilograd.targets import Target, get_target
from kilograd.training.anomalies import root_mean_square
from kilograd.training.state_file import SavedState, read_state_file


@dataclass(frozen=True)
class PredictRequest:
    """What to predict.

    Attributes:
        source: of the model.
        files: images or recordings, and folders of such.
        state: the state file; None for the model as it came.
        top: how many of the likeliest classes are shown.
        device: name of a device.
        target: name of a target, for emulated devices.
    """

    source: ModelSource
    files: tuple[Path, ...]
    state: Path | None
    top: int
    device: str
    target: str


def predict_files(console: Console, answers: Console, request: PredictRequest) -> dict[str, Any]:
    """Predict every file; show the likeliest classes of each, and return all.

    Args:
        console: for notes.
        answers: for what the files show.
        request: what to predict.
    """
    with blame("--device"):
        check_device(request.device)
    with blame("--target"):
        target = get_target(request.target)
    saved = None if request.state is None else read_state_file(request.state)
    program = _program(request, saved, target)
    known = class_names(request.source.model) if saved is None else saved.origin.class_names
    names = named_classes(known, program.class_count, program.graph.label_kind)
    samples = read_files(request.files, input_spec(program.request.graph))
    for note in samples.notes:
        console.print(note, markup=False, highlight=False)
    graph, threshold = program.graph, None if saved is None else saved.threshold
    predictions: list[dict[str, Any]] = []
    with open_device(program, request.device) as device:
        if saved is not None:
            device.write_state(saved.state)
        for path, sample in zip(samples.paths, samples.inputs, strict=True):
            logits = device.predict(sample)
            answer = _answer(graph, names, logits, threshold)
            predictions.append({"file": str(path), **answer, "logits": logits.tolist()})
    answers.print(_table(predictions, request.top, names))
    return {
        "model": program.graph.name,
        "state": None if request.state is None else str(request.state),
        "device": request.device,
        "classes": list(names),
        "predictions": predictions,
    }


def _program(request: PredictRequest, saved: SavedState | None, target: Target) -> Program:
    if saved is not None:
        return compile_saved(request.source, saved, str(request.state), target)
    graph = request.source.load()
    return compile_model(graph, load_scheme("head", graph), target)


def _answer(
    graph: Graph, names: tuple[str, ...], logits: NDArray[np.int32], threshold: int | None
) -> dict[str, Any]:
    if graph.label_kind is LabelKind.ANOMALY:
        error = float(root_mean_square(logits.astype(np.int64), graph.value_range)[0])
        is_above = None if threshold is None else int(logits[0]) > threshold
        return {"error": error, "is_anomaly": is_above}
    if graph.label_kind is LabelKind.VALUE:
        return {"value": value_of(int(logits[0]), graph.value_range)}
    if graph.label_kind is LabelKind.SET:
        found = {"labels": [name for name, z in zip(names, logits, strict=True) if z > 0]}
        return found | _probabilities(names, _sigmoid(logits))
    return {"class": names[int(np.argmax(logits))]} | _probabilities(names, _softmax(logits))


def _probabilities(names: tuple[str, ...], shares: NDArray[np.float64]) -> dict[str, Any]:
    return {"probabilities": dict(zip(names, shares.tolist(), strict=True))}


def _softmax(logits: NDArray[np.int32]) -> NDArray[np.float64]:
    powers = np.exp((logits - logits.max().astype(np.int64)) / 2.0**16)
    return powers / powers.sum()


def _sigmoid(logits: NDArray[np.int32]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0.0, -logits / 2.0**16))


def _table(predictions: list[dict[str, Any]], top: int, names: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    are_values = any("value" in prediction for prediction in predictions)
    are_errors = any("error" in prediction for prediction in predictions)
    what = names[0] if are_values else "error" if are_errors else "likeliest"
    table.add_column(what, overflow="fold")
    for prediction in predictions:
        if are_errors:
            marks = {None: "", True: " (an anomaly)", False: f" ({names[0]})"}
            mark = marks[prediction["is_anomaly"]]
            table.add_row(prediction["file"], f"{prediction['error']:.4g}{mark}")
            continue
        if are_values:
            table.add_row(prediction["file"], f"{prediction['value']:.4g}")
            continue
        shares = sorted(prediction["probabilities"].items(), key=lambda pair: -pair[1])
        text = ", ".join(f"{name} {share:.1%}" for name, share in shares[:top])
        table.add_row(prediction["file"], text)
    return table
