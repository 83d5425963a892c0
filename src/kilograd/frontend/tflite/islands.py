"""Functions of one number that a converter left in float32 between maps of int8.

Quantizers leave layers that they have no integers for as they are, between a DEQUANTIZE and a
QUANTIZE. Of a function of one number, a table of 256 bytes holds all of that.
"""

from __future__ import annotations

from collections.abc import Sequence

from kilograd.frontend.network import Layer, Tabulated

#: Layers that are a table, by their neutral names.
_FUNCTIONS = frozenset({"lookup", "logistic"})


def with_tables(layers: Sequence[Layer]) -> list[Layer]:
    """The same network, with one layer for each function between the two.

    Args:
        layers: of a network, in their order.
    """
    makers = {layer.outputs[0]: layer for layer in layers if len(layer.outputs) == 1}
    return [_joined(layer, makers) for layer in layers]


def _joined(layer: Layer, makers: dict[int, Layer]) -> Layer:
    """What quantizes a function's result, as the function itself; else the layer as it is."""
    function = (
        makers.get(layer.inputs[0]) if layer.operator == "quantize" and layer.inputs else None
    )
    if function is None or function.operator not in _FUNCTIONS or not function.inputs:
        return layer
    source, stated = makers.get(function.inputs[0]), function.options.get("function")
    if source is None or source.operator != "dequantize" or not isinstance(stated, Tabulated):
        return layer
    table = Tabulated(stated.function)
    return Layer(
        *(function.operator, source.inputs[:1], layer.outputs, "none"),
        {"function": table},
        function.file_operator,
    )
