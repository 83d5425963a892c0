"""Which operators are not read, and why."""

from __future__ import annotations

from collections.abc import Mapping

from kilograd.frontend.onnx.errors import RefusedError, shown
from kilograd.frontend.onnx.graph import OnnxGraph

_QUANTIZE = "quantize it with kilograd quantize"

#: Operators of dynamic quantization.
_DYNAMIC = ("ConvInteger", "MatMulInteger", "Dynamic")

#: Reason and hint, by operator.
_OPERATORS: Mapping[str, tuple[str, str | None]] = {
    **dict.fromkeys(
        ("LayerNormalization", "InstanceNormalization", "GroupNormalization"),
        (
            "it normalizes by a sample's own numbers, and kilograd by constants",
            "train the network with batch normalization",
        ),
    ),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), ("kilograd has no recurrent layers", None)),
    "Constant": (
        "its value is not a tensor of numbers",
        "let quant_pre_process simplify the network before it is quantized",
    ),
    **dict.fromkeys(("If", "Loop", "Scan"), ("kilograd's networks have no control flow", None)),
}


def refused_operators(graph: OnnxGraph) -> None:
    """Refuse a file that as a whole is of another format.

    Raises:
        RefusedError: when it is not quantized, or only while it runs.
    """
    operators = {node.operator: node for node in reversed(graph.nodes)}
    for operator, node in operators.items():
        name = operator.rsplit(".", 1)[-1]
        if name.startswith(_DYNAMIC):
            raise RefusedError(
                f"layer {shown(operator)}, {shown(node.name)}, is of dynamic quantization, in "
                "which a map's scale depends on the sample, and kilograd's scales are constants",
                "quantize the network with kilograd quantize, or with quantize_static",
            )
    if operators and "DequantizeLinear" not in operators:
        raise RefusedError(
            "this network is not quantized: its operators are of float32, and kilograd computes "
            "with int8",
            _QUANTIZE,
        )


def refused_operator(operator: str) -> RefusedError:
    """Why an operator is not read."""
    return RefusedError(*_OPERATORS.get(operator, ("kilograd has no such operator", None)))
