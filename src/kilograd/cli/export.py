"""kilograd export writes weights to a file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from kilograd.cli.keeping import refuse_foreign
from kilograd.cli.outcome import print_whole
from kilograd.cli.saved import compile_saved
from kilograd.cli.source import ModelSource
from kilograd.export.weights import NetworkWeights, is_weights_file
from kilograd.files import write_atomically
from kilograd.frontend.open import class_names
from kilograd.targets import get_target
from kilograd.training.state_file import read_state_file


@dataclass(frozen=True)
class ExportRequest:
    """What to export.

    Attributes:
        source: of the model.
        state: the state file; None for the model as it came.
        output: the file that is written.
        may_replace: whether it may be a file of another kind.
    """

    source: ModelSource
    state: Path | None
    output: Path
    may_replace: bool = False


def export_network(answers: Console, request: ExportRequest) -> dict[str, Any]:
    """Write the weights of a model or of what it learned; return what was written.

    Args:
        answers: for the layers as a table.
        request: what to export.

    Raises:
        UserError: the state is of another model, or the output cannot be written or is a file of
            another kind.
    """
    output = request.output
    if not request.may_replace:
        refuse_foreign(output, is_weights_file, "weights file")
    weights = _weights(request)
    contents = weights.encode()
    write_atomically(output, contents)
    rows = _rows(weights)
    learned = weights.learned
    print_whole(answers, _table(rows))
    source = "as the model came"
    if learned is not None:
        source = f"after {learned.steps:,} training steps of {learned.scheme.name}"
    text = f"{output}: {len(contents):,} bytes, {weights.model.name} {source}"
    answers.print(text, markup=False, highlight=False, soft_wrap=True)
    return {
        "model": weights.model.name,
        "state": None if request.state is None else str(request.state),
        "output": str(output),
        "bytes": len(contents),
        "classes": list(weights.class_names),
        "scheme": None if learned is None else learned.scheme.name,
        "steps": None if learned is None else learned.steps,
        "layers": rows,
    }


def _weights(request: ExportRequest) -> NetworkWeights:
    source = request.source
    if request.state is None:
        return NetworkWeights.of_model(source.load(), class_names(source.model))
    saved = read_state_file(request.state)
    program = compile_saved(source, saved, str(request.state), get_target("host"))
    return NetworkWeights.of_program(program, saved.state, saved.origin.class_names)


def _rows(weights: NetworkWeights) -> list[dict[str, Any]]:
    scheme = None if weights.learned is None else weights.learned.scheme
    operators = {node.layer: node.operator for node in weights.model.nodes}
    sizes = Counter[str]()
    for name, array in weights.arrays().items():
        sizes[name.rpartition(".")[0]] += array.nbytes
    return [
        {
            "name": name,
            "operator": operators[name],
            "shape": list(layer.weight.shape),
            "parameters": layer.weight.size + layer.bias.size,
            "bytes": sizes[name],
            "bias_trained": scheme is not None and name in scheme.biases,
            "weight_share_trained": 0.0 if scheme is None else scheme.weights.get(name, 0.0),
        }
        for name, layer in weights.layers.items()
    ]


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "operator", "weight", "parameters", "bytes", "trained"):
        is_count = heading in ("parameters", "bytes")
        table.add_column(heading, justify="right" if is_count else "left", no_wrap=True)
    for row in rows:
        share = row["weight_share_trained"]
        trained = ["bias"] if row["bias_trained"] else []
        if share:
            trained.append("weight" if share == 1 else f"{share:.0%} of the weight")
        shape = "×".join(map(str, row["shape"]))
        counts = (f"{row['parameters']:,}", f"{row['bytes']:,}")
        table.add_row(row["name"], row["operator"], shape, *counts, ", ".join(trained))
    totals = (f"{sum(row[key] for row in rows):,}" for key in ("parameters", "bytes"))
    table.add_row("total", "", "", *totals, "", style="bold")
    return table
