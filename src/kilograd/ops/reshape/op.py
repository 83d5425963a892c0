"""The same elements in another shape; the gradient of it is the same operator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.spec import (
    Array,
    Case,
    Gradient,
    GradientBuilder,
    Input,
    Kernel,
    OpSpec,
    Output,
    StepContext,
    required,
)


@dataclass(frozen=True)
class ReshapeAttributes:
    """Attributes of ``reshape``.

    Attributes:
        shape: of the result.
    """

    shape: tuple[int, ...]


class Reshape(OpSpec[ReshapeAttributes]):
    """The elements in row-major order, in another shape (TensorFlow Lite's RESHAPE).

    Input: int8[...]. Output: int8[shape] with the same quantization; takes the input's memory where
    nobody else reads that, and nothing is done then.
    """

    name = "reshape"
    attributes_type = ReshapeAttributes
    operands = required("x")
    results = ("y",)
    reuses = MappingProxyType({"y": ("x",)})

    def infer(
        self, attributes: ReshapeAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The shape that is asked for."""
        x = self.bind(attributes, inputs).x
        if min(attributes.shape) < 1 or math.prod(attributes.shape) != x.size:
            msg = f"{x.size} elements cannot have the shape {list(attributes.shape)}"
            raise ValueError(msg)
        return (TensorType(attributes.shape, x.dtype, x.quantization),)

    def reference(
        self,
        attributes: ReshapeAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """As they are."""
        del inputs, context
        return (self.bind(attributes, arrays).x.reshape(attributes.shape),)

    def real(
        self, attributes: ReshapeAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """As they are."""
        del inputs
        return self.bind(attributes, values).x.reshape(attributes.shape)

    def kernel(self, attributes: ReshapeAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_reshape."""
        fields = {"count": self.bind(attributes, inputs).x.size}
        return Kernel("reshape", fields, (Input("x"), Output("y")))

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The gradient in the input's shape."""
        (name,) = node.inputs
        if not builder.wanted(name):
            return
        gradient = builder.gradient(node.outputs[0])
        (result,) = builder.emit(
            self.name,
            {"x": gradient.value},
            ReshapeAttributes(graph.type_of(name).shape),
            layer=node.layer,
            task="input_gradient",
        )
        builder.contribute(name, Gradient(result, gradient.exponent, gradient.magnitude))

    def cases(self) -> Sequence[Case]:
        """A map to a vector, and a vector to a map."""
        quantization = Quantization((0.1,), -3)
        return [
            Case(
                f"{before} to {after}",
                ReshapeAttributes(after),
                (TensorType(before, DType.INT8, quantization),),
            )
            for before, after in [((4, 3, 5), (1, 1, 60)), ((1, 1, 12), (2, 3, 2))]
        ]
