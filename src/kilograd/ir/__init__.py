"""The intermediate representation: frozen, typed values and nodes."""

from kilograd.ir.graph import (
    PIXEL_RANGE,
    Graph,
    InputFeatures,
    Node,
    Phase,
    RowGroup,
    are_ranges,
)
from kilograd.ir.labels import MOST_LABELS, VALUE_RANGE, LabelKind, is_value_range
from kilograd.ir.types import DType, Kind, Quantization, TensorType, Value

__all__ = [
    "MOST_LABELS",
    "PIXEL_RANGE",
    "VALUE_RANGE",
    "DType",
    "Graph",
    "InputFeatures",
    "Kind",
    "LabelKind",
    "Node",
    "Phase",
    "Quantization",
    "RowGroup",
    "TensorType",
    "Value",
    "are_ranges",
    "is_value_range",
]
