"""The intermediate representation: frozen, typed values and nodes."""

from kilograd.ir.graph import PIXEL_RANGE, Graph, InputFeatures, Node, Phase, RowGroup
from kilograd.ir.types import DType, Kind, Quantization, TensorType, Value

__all__ = [
    "PIXEL_RANGE",
    "DType",
    "Graph",
    "InputFeatures",
    "Kind",
    "Node",
    "Phase",
    "Quantization",
    "RowGroup",
    "TensorType",
    "Value",
]
