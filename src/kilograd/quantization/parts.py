"""Networks that take parts of their sample, which onnxruntime leaves in float32."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Operators that take parts of a map, or put some together.
_PARTS = {"Slice", "Split", "Gather", "Pad", "Concat", "Resize", "Expand"}

#: Operators that only say in which shape and order a map is read.
_VIEWS = {
    *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity"),
    *("DepthToSpace", "SpaceToDepth"),
}

_STEPS = 255


def quantize_parts(model: Any, sample: str, samples: NDArray[np.float32]) -> None:
    """Quantize a sample before parts of it are taken, and the parts as it is.

    Args:
        model: ``onnx.ModelProto`` in the QDQ format, which is changed.
        sample: name of its input.
        samples: whose range is that of the input.
    """
    graph = model.graph
    reached: list[Any] = []
    names = {sample}
    for node in graph.node:  # which are in an order in which they can run
        if node.op_type in _PARTS | _VIEWS and names.intersection(node.input[:1]):
            reached.append(node)
            names.update(node.output)
    if all(node.op_type in _VIEWS for node in reached):
        return
    readers = [node for node in graph.node if sample in node.input]
    quantize = next((node for node in readers if node.op_type == "QuantizeLinear"), None)
    if quantize is None:
        quantize = _quantize(graph, sample, samples)
    else:
        graph.node.remove(quantize)
    helper: Any = importlib.import_module("onnx.helper")
    real = f"{sample}_real"
    given = [quantize.output[0], *quantize.input[1:]]
    for node in readers:
        if node.op_type != "QuantizeLinear":
            node.input[list(node.input).index(sample)] = real
    graph.node.insert(0, quantize)
    graph.node.insert(1, helper.make_node("DequantizeLinear", given, [real], f"{real}_first"))
    quantized: set[str] = set()
    for node in graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] in names - {sample}:
            quantized.add(node.output[0])
            node.input[1:] = quantize.input[1:]
        elif node.op_type == "DequantizeLinear" and node.input[0] in quantized:
            node.input[1:] = quantize.input[1:]


def _quantize(graph: Any, sample: str, samples: NDArray[np.float32]) -> Any:
    """A QuantizeLinear of the sample, by the smallest and the largest number."""
    helper: Any = importlib.import_module("onnx.helper")
    numpy_helper: Any = importlib.import_module("onnx.numpy_helper")
    low, high = min(float(samples.min()), 0.0), max(float(samples.max()), 0.0)
    scale = np.float32((high - low) / _STEPS or 1.0)
    zero = np.int8(np.clip(np.rint(-128 - low / float(scale)), -128, 127))
    names = f"{sample}_scale", f"{sample}_zero_point"
    for name, data in zip(names, (scale, zero), strict=True):
        graph.initializer.append(numpy_helper.from_array(np.asarray(data), name))
    return helper.make_node(
        "QuantizeLinear", [sample, *names], [f"{sample}_quantized"], f"{sample}_first"
    )
