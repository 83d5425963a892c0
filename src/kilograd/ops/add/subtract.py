"""Elementwise subtraction of two quantized activations, and the gradient's other sign."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import Graph, Node, TensorType
from kilograd.ops.add.op import Add, AddAttributes
from kilograd.ops.clamp import clamped_gradient
from kilograd.ops.spec import (
    Array,
    Case,
    Gradient,
    GradientBuilder,
    Input,
    Kernel,
    NoAttributes,
    OpSpec,
    Output,
    StepContext,
    required,
)


class Subtract(Add):
    """a - b, both rescaled to twice the larger scale first (TensorFlow Lite's SUB).

    Each is rounded before they are subtracted, so that it is not the sum of a and of -b where
    something lies halfway. Inputs and output are those of ``add``.
    """

    name = "subtract"
    _signs = (1, -1)

    def real(
        self, attributes: AddAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The difference."""
        del inputs
        reals = self.bind(attributes, values)
        return reals.a - reals.b

    def kernel(self, attributes: AddAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_subtract."""
        fields = self._fields(attributes, inputs)
        return Kernel(self.name, fields, (Input("a"), Input("b"), Output("y")))

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The clamped gradient to a, and the same with its sign changed to b."""
        gradient = clamped_gradient(self, node, graph, builder)
        names = self.inputs_of(node)
        if builder.wanted(names.a):
            builder.contribute(names.a, gradient)
        if builder.wanted(names.b):
            (result,) = builder.emit(
                Negate.name,
                {"x": gradient.value},
                NoAttributes(),
                layer=node.layer,
                task="negated_gradient",
            )
            builder.contribute(names.b, Gradient(result, gradient.exponent, gradient.magnitude))


class Negate(OpSpec[NoAttributes]):
    """-x for gradients, which lie between -127 and 127.

    Input: int8[...], of which -128 becomes 127. Output: int8[...]; may take the input's memory.
    """

    name = "negate"
    attributes_type = NoAttributes
    operands = required("x")
    results = ("y",)
    reuses = MappingProxyType({"y": ("x",)})

    def infer(
        self, attributes: NoAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The same shape."""
        return (TensorType(self.bind(attributes, inputs).x.shape),)

    def reference(
        self,
        attributes: NoAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Change the sign."""
        del inputs, context
        x = self.bind(attributes, arrays).x
        return (-np.maximum(x, np.int8(-127)),)

    def kernel(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_negate."""
        fields = {"count": self.bind(attributes, inputs).x.size}
        return Kernel("negate", fields, (Input("x"), Output("y")))

    def cases(self) -> Sequence[Case]:
        """A gradient of odd extents."""
        return [Case("odd", NoAttributes(), (TensorType((3, 5, 7)),))]
