"""A change of scale and zero point between layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import quantize_multiplier, requantize
from kilograd.ops.clamp import clamped_gradient
from kilograd.ops.spec import (
    Array,
    Case,
    GradientBuilder,
    Input,
    Kernel,
    OpSpec,
    Output,
    RowRule,
    StepContext,
    required,
)


@dataclass(frozen=True)
class RequantizeAttributes:
    """Attributes of ``requantize``.

    Attributes:
        output: quantization of the result.
    """

    output: Quantization


class Requantize(OpSpec[RequantizeAttributes]):
    """The same numbers in another quantization (TensorFlow Lite's QUANTIZE of int8).

    Input: int8[...]. Output: int8[...] of the same shape, clamped; may take the input's memory.
    """

    name = "requantize"
    attributes_type = RequantizeAttributes
    operands = required("x")
    results = ("y",)
    reuses = MappingProxyType({"y": ("x",)})

    def infer(
        self, attributes: RequantizeAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The input's shape."""
        x = self.bind(attributes, inputs).x
        return (TensorType(x.shape, DType.INT8, attributes.output),)

    def reference(
        self,
        attributes: RequantizeAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Rescale, clamp."""
        del context
        x, output = self.bind(attributes, inputs).x, attributes.output
        values = self.bind(attributes, arrays).x.astype(np.int64) - x.zero_point
        multiplier, shift = quantize_multiplier(x.scale / output.scale)
        return (requantize(values, multiplier, shift, output.zero_point),)

    def real(
        self,
        attributes: RequantizeAttributes,
        inputs: Sequence[TensorType],
        values: Sequence[Array],
    ) -> NDArray[np.float64]:
        """As they are."""
        del inputs
        return self.bind(attributes, values).x

    def may_clamp(self, node: Node, graph: Graph) -> bool:
        """By the results of the smallest and the largest inputs."""
        ends = np.array([-128, 127], np.int8)
        types = graph.types(node.inputs)
        (result,) = self.reference(node.attributes, types, [ends], StepContext())
        return bool(result[0] == ends[0] or result[1] == ends[1])

    def kernel(self, attributes: RequantizeAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_requantize_map."""
        x, output = self.bind(attributes, inputs).x, attributes.output
        multiplier, shift = quantize_multiplier(x.scale / output.scale)
        fields = {
            "count": x.size,
            "zero_point": x.zero_point,
            "multiplier": multiplier,
            "shift": shift,
            "output_zero_point": output.zero_point,
        }
        return Kernel("requantize_map", fields, (Input("x"), Output("y")))

    def by_rows(self, attributes: RequantizeAttributes, inputs: Sequence[TensorType]) -> RowRule:
        """Row by row."""
        del inputs
        return RowRule(("x",), attributes)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The clamped gradient: in real numbers nothing else happens."""
        (name,) = node.inputs
        if builder.wanted(name):
            builder.contribute(name, clamped_gradient(self, node, graph, builder))

    def cases(self) -> Sequence[Case]:
        """Finer and coarser scales, extreme zero points."""
        scales = [((0.05, 3), (0.04, -7)), ((0.02, -128), (0.09, -120)), ((0.3, 0), (0.31, 0))]
        return [
            Case(
                f"scales{index}",
                RequantizeAttributes(Quantization((after[0],), after[1])),
                (TensorType((3, 4, 5), DType.INT8, Quantization((before[0],), before[1])),),
            )
            for index, (before, after) in enumerate(scales)
        ]
