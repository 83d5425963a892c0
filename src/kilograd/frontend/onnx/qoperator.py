"""The QOperator format, in which the operators themselves are of integers, as the QDQ format.

A QLinearConv is a Conv behind a DequantizeLinear for each operand, and a QuantizeLinear. What
moves the elements of an integer map is put between the two as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.onnx.errors import DamagedError, RefusedError
from kilograd.frontend.onnx.graph import Node, OnnxGraph
from kilograd.frontend.onnx.names import REAL

#: Of onnxruntime's own operators.
_MICROSOFT = "com.microsoft."

#: Those that ONNX has as well.
_SAME = ("QuantizeLinear", "DequantizeLinear")

#: Operator -> that of real numbers; of one map, with its scale and zero point.
_OF_MAP: Mapping[str, str] = {
    "QLinearAveragePool": "AveragePool",
    "QLinearGlobalAveragePool": "GlobalAveragePool",
    "QLinearReduceMean": "ReduceMean",
    "QLinearSigmoid": "Sigmoid",
    "QLinearLeakyRelu": "LeakyRelu",
    "QLinearSoftmax": "Softmax",
}

#: Of a map and a weight, or of two maps.
_OF_TWO: Mapping[str, str] = {
    "QLinearConv": "Conv",
    "QLinearMatMul": "MatMul",
    "QGemm": "Gemm",
    "QLinearAdd": "Add",
    "QLinearMul": "Mul",
}
_CONCAT = "QLinearConcat"
_INTEGER = {*_OF_MAP, *_OF_TWO, _CONCAT}

#: What quantizers hang on the names of results.
_QUANTIZED = "_quantized"

#: Operators that ONNX also has for integers, and that compute nothing.
_MOVING = {
    *("MaxPool", "Concat", "Split", "Slice", "Gather", "Resize", "Pad", "Expand", "Identity"),
    *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "DepthToSpace", "SpaceToDepth"),
}

_Operand = tuple[str, str, str]
"""Names of a quantized value, its scale, and its zero point."""


@dataclass(frozen=True)
class _Integer:
    """An operator of integers, taken apart.

    Attributes:
        operator: the same for real numbers.
        operands: maps, and weights.
        bias: name, or empty.
        result: names of its scale and zero point; empty where it is of real numbers.
    """

    operator: str
    operands: tuple[_Operand, ...]
    bias: str
    result: tuple[str, ...]


def in_qdq(graph: OnnxGraph) -> OnnxGraph:
    """A graph with operators of real numbers between DequantizeLinear and QuantizeLinear.

    Args:
        graph: in either format, or in none.

    Raises:
        DamagedError: when a node lacks operands.
        RefusedError: when the channels of a map are last, or a bias has scales that are not
            constants.
    """
    nodes = tuple(replace(node, operator=_own(node.operator)) for node in graph.nodes)
    if not any(node.operator in _INTEGER for node in nodes):
        return replace(graph, nodes=nodes)
    known = {name for node in nodes for name in node.outputs} | {*graph.constants}
    rewriting = _Rewriting(dict(graph.constants), known | {entry.name for entry in graph.inputs})
    made = tuple(new for node in nodes for new in rewriting.rewritten(node))
    return replace(graph, nodes=made, constants=rewriting.constants)


def _own(operator: str) -> str:
    """The name without onnxruntime's domain, if ONNX or this module knows what it is."""
    name = operator.removeprefix(_MICROSOFT)
    return name if name in {*_INTEGER, *_SAME} else operator


class _Rewriting:
    """What is known of the nodes so far.

    Attributes:
        constants: by name, of the file and for biases.
        known: names of all values of the file.
        quantized: integer map -> names of its scale and zero point.
    """

    def __init__(self, constants: dict[str, NDArray[Any]], known: set[str]) -> None:
        self.constants = constants
        self.known = known
        self.quantized: dict[str, tuple[str, ...]] = {}

    def rewritten(self, node: Node) -> Iterator[Node]:
        """The nodes in place of one."""
        if node.operator in _INTEGER:
            yield from self._spelled_out(node, _taken_apart(node))
            return
        if node.operator in _MOVING and node.inputs and node.inputs[0] in self.quantized:
            yield from self._moved(node)
            return
        if node.operator == "QuantizeLinear" and node.outputs:
            _, *given = _operand(node.inputs, 0)
            self.quantized[node.outputs[0]] = tuple(given)
        yield node

    def _spelled_out(self, node: Node, made: _Integer) -> Iterator[Node]:
        if node.whole("channels_last", 0):
            raise RefusedError(
                f"the map that {node.operator} makes has its channels last, as onnxruntime stores "
                "networks for itself",
                "save the network before onnxruntime optimizes it",
            )
        reads: list[str] = []
        is_dense = made.operator == "MatMul" or (
            made.operator == "Gemm" and not node.whole("transB", 0)
        )
        for place, operand in enumerate(made.operands):
            axis = 1 if place and is_dense else 0
            reads.append(f"{node.outputs[0]}, operand {place}")
            yield _dequantize(operand, reads[-1], axis, node.number)
        if made.bias:
            reads.append(f"{node.outputs[0]}, bias")
            scale = f"{reads[-1]} scale"
            self.constants[scale] = self._product(made.operands)
            yield _dequantize((made.bias, scale, ""), reads[-1], 0, node.number)
        yield from self._quantized(replace(node, operator=made.operator), reads, made.result)

    def _moved(self, node: Node) -> Iterator[Node]:
        """An operator of ONNX's own that reads integer maps."""
        reads = list(node.inputs)
        for place, name in enumerate(node.inputs):
            if name in self.quantized:
                reads[place] = f"{node.outputs[0]}, operand {place}"
                scale, zero = self.quantized[name]
                yield _dequantize((name, scale, zero), reads[place], 0, node.number)
        yield from self._quantized(node, reads, self.quantized[node.inputs[0]])

    def _quantized(self, node: Node, reads: list[str], result: tuple[str, ...]) -> Iterator[Node]:
        """A node, and quantization of what it makes."""
        if not result:
            yield replace(node, inputs=tuple(reads))
            return
        reals = tuple(self._real(name) for name in node.outputs)
        yield replace(node, inputs=tuple(reads), outputs=reals)
        for name, real in zip(node.outputs, reals, strict=True):
            if name:
                self.quantized[name] = result
                yield Node("QuantizeLinear", node.name, (real, *result), (name,), {}, node.number)

    def _real(self, name: str) -> str:
        """The name of a result before it is quantized; quantizers hang something on that."""
        stem = name.removesuffix(_QUANTIZED)
        return f"{name}{REAL}" if name and stem in self.known else stem

    def _product(self, operands: tuple[_Operand, ...]) -> NDArray[Any]:
        """The scale of an accumulator, for each channel or for all."""
        found = [self.constants.get(scale) for _, scale, _ in operands]
        scales = [scale.astype(np.float64) for scale in found if scale is not None]
        if len(scales) != len(operands) or scales[0].size != 1 or scales[1].ndim > 1:
            raise RefusedError("the scales of what has a bias are not constants")
        return scales[0].reshape(()) * scales[1]


def _taken_apart(node: Node) -> _Integer:
    """Which of a node's inputs are operands, and which say how its result is quantized."""
    if not node.outputs or not node.outputs[0]:
        msg = f"{node.operator} has no result"
        raise DamagedError(msg)
    inputs = node.inputs
    if node.operator == _CONCAT:
        maps, more = divmod(len(inputs) - 2, 3)
        if maps < 1 or more:
            msg = f"{node.operator} has {len(inputs)} inputs"
            raise DamagedError(msg)
        operands = tuple(_operand(inputs, 2 + 3 * place) for place in range(maps))
        return _Integer("Concat", operands, "", inputs[:2])
    operator, count = _OF_MAP.get(node.operator), 1
    if operator is None:
        operator, count = _OF_TWO[node.operator], 2
    operands = tuple(_operand(inputs, 3 * place) for place in range(count))
    rest = (*inputs[3 * count :], "", "", "")
    if operator == "Gemm":
        bias, *result = rest
    else:
        *result, bias = rest[:3]
    scale, zero = result[:2]
    if not all(name for operand in operands for name in operand[:2]) or not (
        scale or operator == "Gemm"
    ):
        msg = f"{node.operator} has {len(inputs)} inputs"
        raise DamagedError(msg)
    return _Integer(operator, operands, bias, (scale, zero) if scale else ())


def _operand(inputs: tuple[str, ...], first: int) -> _Operand:
    name, scale, zero = (*inputs[first : first + 3], "", "", "")[:3]
    return name, scale, zero


def _dequantize(operand: _Operand, name: str, axis: int, number: int) -> Node:
    return Node("DequantizeLinear", "", operand, (name,), {"axis": axis}, number)
