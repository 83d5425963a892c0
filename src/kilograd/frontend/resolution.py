"""Networks of convolutions read maps of any size: the same layers at another resolution."""

from __future__ import annotations

from dataclasses import replace

from kilograd.errors import ModelError
from kilograd.ir import Graph, TensorType, Value
from kilograd.ops import REGISTRY


def at_resolution(graph: Graph, height: int, width: int) -> Graph:
    """A forward graph whose input has other extents; weights and windows stay as they are.

    Args:
        graph: of a network that reads maps.
        height: rows of its input, at least 1.
        width: columns of its input, at least 1.

    Raises:
        ModelError: some layer needs the extents that it had, or its window does not fit.
    """
    (sample,) = graph.inputs
    if graph.features is not None and (height, width) != sample.type.shape[:2]:
        raise ModelError(
            "the network reads features, and their size is that of its samples", where=graph.name
        )
    values = dict(graph.values)
    values[sample.name] = _with_shape(sample, (height, width, sample.type.shape[2]))
    for node in graph.nodes:
        spec = REGISTRY[node.operator]
        types = [values[name].type for name in node.inputs]
        try:
            results = spec.infer(node.attributes, types)
            spec.kernel(node.attributes, types)
        except ValueError as error:
            raise ModelError(
                f"the network cannot read {height}×{width} maps: layer {node.layer}: {error}",
                where=graph.name,
                hint="a resolution can be chosen where an average over the whole map comes before "
                "the dense layers, and no window is larger than its map",
            ) from error
        for name, type_ in zip(node.outputs, results, strict=True):
            values[name] = replace(values[name], type=type_)
    return replace(graph, values=values)


def _with_shape(value: Value, shape: tuple[int, ...]) -> Value:
    type_ = value.type
    return replace(value, type=TensorType(shape, type_.dtype, type_.quantization))
