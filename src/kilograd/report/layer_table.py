"""Make the table of layers: work, parameters, trained bytes and saved bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilograd.report.analysis import layers
from kilograd.report.units import shape_text

if TYPE_CHECKING:
    from kilograd.compiler import Program


@dataclass(frozen=True)
class Figure:
    """One figure of the table.

    Attributes:
        value: A number of operations or bytes.
        share: Share of the largest value in the same column, in [0, 1].
    """

    value: int
    share: float


@dataclass(frozen=True)
class LayerRow:
    """One layer.

    Attributes:
        name: Name of the layer.
        operator: Name of its operator.
        shape: Shape of its result.
        is_prefix: True if no training changes its result.
        figures: Figures in the order of the table's columns.
    """

    name: str
    operator: str
    shape: str
    is_prefix: bool
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class LayerTable:
    """The table of layers.

    Attributes:
        columns: Headings of the figures.
        rows: Layers in forward order.
        sums: Sums of the columns.
    """

    columns: tuple[str, ...]
    rows: tuple[LayerRow, ...]
    sums: tuple[int, ...]


def layer_table(program: Program) -> LayerTable:
    """Return MACs, parameters, trained bytes and saved bytes of every layer."""
    found = layers(program)
    columns = {
        "MACs forward": [row.macs_forward for row in found],
        "MACs backward": [row.macs_backward for row in found],
        "weights + bias, bytes": [row.parameter_bytes for row in found],
        "trained, bytes": [row.trained_bytes for row in found],
        "saved activation, bytes": [row.saved_bytes for row in found],
        "clamp masks, bytes": [row.mask_bytes for row in found],
    }
    figures = [
        [Figure(value, value / max(1, *values)) for value in values] for values in columns.values()
    ]
    rows = tuple(
        LayerRow(
            name=row.name,
            operator=row.operator,
            shape=shape_text(row.shape),
            is_prefix=row.frozen_prefix,
            figures=cells,
        )
        for row, cells in zip(found, zip(*figures, strict=True), strict=True)
    )
    return LayerTable(tuple(columns), rows, tuple(sum(values) for values in columns.values()))
