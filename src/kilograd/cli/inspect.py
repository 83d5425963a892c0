"""kilograd inspect lists the layers of a model."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from kilograd.frontend.open import load_model
from kilograd.ops import REGISTRY


def inspect_model(console: Console, model: str, classes: int | None) -> dict[str, Any]:
    """Show and return one row for each node of the forward graph."""
    graph = load_model(model, classes)
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
            }
        )
    table = Table(
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title=f"{graph.name}, input {_shape(graph.inputs[0].type.shape)}",
    )
    for heading in ("", "layer", "operator", "output", "MACs", "params", "bytes"):
        named = heading in ("layer", "operator")
        table.add_column(heading, justify="left" if named else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            "" if row["index"] is None else str(row["index"]),
            row["name"],
            row["operator"],
            _shape(row["output"]),
            f"{row['macs']:,}",
            f"{row['parameters']:,}",
            f"{row['activation_bytes']:,}",
        )
    totals = {key: sum(row[key] for row in rows) for key in ("macs", "parameters")}
    table.add_section()
    table.add_row("", "total", "", "", f"{totals['macs']:,}", f"{totals['parameters']:,}", "")
    console.print(table)
    return {"model": graph.name, "layers": rows, **totals}


def _shape(shape: Any) -> str:
    return "×".join(str(extent) for extent in shape)
