"""Zeros between the rows and columns of a map, as a transposed convolution slides over it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, TensorType
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
from kilograd.ops.upsample.op import UPSAMPLE_CASES, Upsample, UpsampleAttributes, extents


class InsertZeros(Upsample):
    """Each position of a map, and zeros behind it until the next.

    Input: int8[H, W, C]. Output: int8[H * rows, W * columns, C] of the same quantization: position
    (i, j) goes to (i * rows, j * columns), and all others are the zero point.
    """

    name = "insert_zeros"

    def reference(
        self,
        attributes: UpsampleAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Zero points, and what is there."""
        del context
        x = self.bind(attributes, arrays).x
        return (_spread(attributes, x, self.bind(attributes, inputs).x.zero_point),)

    def real(
        self, attributes: UpsampleAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """Zeros, and what is there."""
        del inputs
        return _spread(attributes, self.bind(attributes, values).x, 0)

    def kernel(self, attributes: UpsampleAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_insert_zeros."""
        x = self.bind(attributes, inputs).x
        fields = {**extents(attributes, x.shape), "zero_point": x.zero_point}
        return Kernel(self.name, fields, (Input("x"), Output("y")))

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """That of the positions which are in the map."""
        del graph
        (name,) = node.inputs
        if not builder.wanted(name):
            return
        gradient = builder.gradient(node.outputs[0])
        (result,) = builder.emit(
            "pick_positions",
            {"x": gradient.value},
            node.attributes,
            layer=node.layer,
            task="input_gradient",
        )
        builder.contribute(name, Gradient(result, gradient.exponent, gradient.magnitude))


class PickPositions(OpSpec[UpsampleAttributes]):
    """The first of every so many rows and columns: int8[H, W, C] to int8[H / rows, W / columns, C].

    As the gradient of ``insert_zeros``.
    """

    name = "pick_positions"
    attributes_type = UpsampleAttributes
    operands = required("x")
    results = ("y",)

    def infer(
        self, attributes: UpsampleAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """So many fewer rows and columns."""
        x = self.bind(attributes, inputs).x
        height, width, channels = x.shape
        rows, columns = attributes.rows, attributes.columns
        if height % rows or width % columns:
            msg = f"a map of {x.shape} has no whole number of {rows}×{columns} positions"
            raise ValueError(msg)
        return (TensorType((height // rows, width // columns, channels), x.dtype, x.quantization),)

    def reference(
        self,
        attributes: UpsampleAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """As they are."""
        del inputs, context
        x = self.bind(attributes, arrays).x
        return (np.ascontiguousarray(x[:: attributes.rows, :: attributes.columns]),)

    def kernel(self, attributes: UpsampleAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_pick_positions."""
        (made,) = self.infer(attributes, inputs)
        return Kernel(self.name, extents(attributes, made.shape), (Input("x"), Output("y")))

    def cases(self) -> Sequence[Case]:
        """Those of the forward operator."""
        return [
            Case(
                f"{shape} by {rows}×{columns}",
                UpsampleAttributes(rows, columns),
                (TensorType((height * rows, width * columns, channels), DType.INT8),),
            )
            for shape, rows, columns in UPSAMPLE_CASES
            for height, width, channels in [shape]
        ]


def _spread(attributes: UpsampleAttributes, x: Array, zero: int) -> Array:
    height, width, channels = x.shape
    shape = (height * attributes.rows, width * attributes.columns, channels)
    y = np.full(shape, zero, x.dtype)
    y[:: attributes.rows, :: attributes.columns] = x
    return y
