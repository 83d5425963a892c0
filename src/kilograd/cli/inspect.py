"""kilograd inspect lists the layers of a model."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from kilograd.cli.outcome import print_whole
from kilograd.cli.source import ModelSource
from kilograd.data.samples import IMAGE_CHANNELS
from kilograd.frontend.open import input_spec
from kilograd.ir import Graph, Kind, LabelKind, Node
from kilograd.ops import REGISTRY


def inspect_model(console: Console, source: ModelSource, classes: int | None) -> dict[str, Any]:
    """Show and return one row for each node of the forward graph, and what samples are."""
    graph = source.load(classes)
    rows: list[dict[str, Any]] = []
    for node in graph.nodes:
        spec = REGISTRY[node.operator]
        constants = [graph.values[n] for n in node.inputs if graph.values[n].data is not None]
        result = graph.type_of(node.outputs[0])
        rows.append(
            {
                "index": sum(1 for row in rows if row["index"] is not None)
                if spec.has_weights
                else None,
                "name": node.layer,
                "operator": node.operator,
                "output": list(result.shape),
                "macs": spec.macs(node.attributes, graph.types(node.inputs)),
                "parameters": sum(value.type.size for value in constants),
                "parameter_bytes": sum(value.type.nbytes for value in constants),
                "activation_bytes": result.nbytes,
                "bias_state_bytes": _state_bytes(node, graph, share=0),
                "weight_state_bytes": _state_bytes(node, graph, share=1, bias=False),
            }
        )
    totals = {key: sum(row[key] for row in rows) for key in ("macs", "parameters")}
    print_whole(console, _table(graph, rows, totals))
    for line in _notes(graph):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    sample = graph.inputs[0].type
    return {
        "model": graph.name,
        "input": {
            "shape": list(sample.shape),
            "scale": sample.scale,
            "zero_point": sample.zero_point,
            "pixel_range": None if graph.features else list(graph.pixel_range),
        },
        "classes": graph.type_of(graph.outputs[0]).size,
        "label_kind": graph.label_kind.value,
        "layers": rows,
        **totals,
    }


def _state_bytes(node: Node, graph: Graph, *, share: float, bias: bool = True) -> int:
    """SRAM that training keeps of a layer: its deltas."""
    spec = REGISTRY[node.operator]
    if not spec.has_weights:
        return 0
    trained = spec.trainable(node, graph, bias=bias, share=share)
    return sum(value.type.nbytes for value in trained.values if value.kind is Kind.STATE)


def _table(graph: Graph, rows: list[dict[str, Any]], totals: dict[str, int]) -> Table:
    table = Table(
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title=f"{graph.name}, input {_shape(graph.inputs[0].type.shape)}",
    )
    for heading in ("", "layer", "operator", "output", "MACs", "params", "bytes", "bias", "weight"):
        named = heading in ("layer", "operator")
        table.add_column(heading, justify="left" if named else "right", no_wrap=True)
    for row in rows:
        states = (row["bias_state_bytes"], row["weight_state_bytes"])
        table.add_row(
            "" if row["index"] is None else str(row["index"]),
            row["name"],
            row["operator"],
            _shape(row["output"]),
            f"{row['macs']:,}",
            f"{row['parameters']:,}",
            f"{row['activation_bytes']:,}",
            *(f"{state:,}" if state else "" for state in states),
        )
    table.add_section()
    parameters = f"{totals['parameters']:,}"
    table.add_row("", "total", "", "", f"{totals['macs']:,}", parameters, "", "", "")
    return table


def _notes(graph: Graph) -> list[str]:
    """What a sample is, and what the columns of the table say."""
    sample = graph.inputs[0].type
    classes = graph.type_of(graph.outputs[0]).size
    if graph.features is not None:
        pixels = "features are computed from raw samples"
    elif sample.shape[2] in IMAGE_CHANNELS:
        table = input_spec(graph).pixel_table()
        ends = dict.fromkeys(zip(table[0].tolist(), table[-1].tolist(), strict=True))
        pixels = f"pixels 0 to 255 become {', '.join(f'{low} to {high}' for low, high in ends)}"
    else:
        pixels = "samples come from an .npz pack"
    logits = f"{classes} classes"
    if graph.label_kind is LabelKind.VALUE:
        low, high = graph.value_range
        logits = f"a value from {low:g} to {high:g} is estimated"
    if graph.label_kind is LabelKind.ANOMALY:
        low, high = graph.value_range
        logits = f"samples are made again, in {low:g} to {high:g}, to learn what is normal"
    columns = "bias and weight are the bytes that this adds to SRAM"
    return [
        f"a sample: scale {sample.scale:.6g}, zero point {sample.zero_point}; {pixels}",
        f"{logits}; layers with a number can be trained: {columns}",
        "kilograd measure says what a training step takes in all",
    ]


def _shape(shape: Any) -> str:
    return "×".join(str(extent) for extent in shape)
