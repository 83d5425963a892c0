"""Elements in another order of dimensions; the gradient of it is the same operator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
    c_constant,
    required,
)

#: Most dimensions once those that stay together are one.
MOST_DIMENSIONS = c_constant(
    Path(__file__).parent / "kernels" / "kg_transpose.h", "KG_TRANSPOSE_DIMENSIONS"
)


@dataclass(frozen=True)
class TransposeAttributes:
    """Attributes of ``transpose``.

    Attributes:
        extents: of the input, as which its elements are read in row-major order.
        order: which of these dimensions comes to each place.
        shape: of the result.
    """

    extents: tuple[int, ...]
    order: tuple[int, ...]
    shape: tuple[int, ...]


class Transpose(OpSpec[TransposeAttributes]):
    """Elements in another order of dimensions (TensorFlow Lite's TRANSPOSE).

    Input: int8[...] of as many elements as the extents have. Output: int8[shape] with the same
    quantization.
    """

    name = "transpose"
    attributes_type = TransposeAttributes
    operands = required("x")
    results = ("y",)

    def infer(
        self, attributes: TransposeAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The shape that is asked for."""
        x = self.bind(attributes, inputs).x
        extents, order, shape = attributes.extents, attributes.order, attributes.shape
        if min(extents, default=0) < 1 or math.prod(extents) != x.size:
            msg = f"{x.size} elements cannot have the shape {list(extents)}"
            raise ValueError(msg)
        if sorted(order) != list(range(len(extents))):
            msg = f"{list(order)} is no order of {len(extents)} dimensions"
            raise ValueError(msg)
        if min(shape) < 1 or math.prod(shape) != x.size:
            msg = f"{x.size} elements cannot have the shape {list(shape)}"
            raise ValueError(msg)
        moved = len(moves(extents, order)[0])
        if moved > MOST_DIMENSIONS:
            msg = f"{moved} dimensions are moved at once, and kilograd moves {MOST_DIMENSIONS}"
            raise ValueError(msg)
        return (TensorType(shape, x.dtype, x.quantization),)

    def reference(
        self,
        attributes: TransposeAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """As they are, elsewhere."""
        del inputs, context
        return (_moved(attributes, self.bind(attributes, arrays).x),)

    def real(
        self, attributes: TransposeAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """As they are, elsewhere."""
        del inputs
        return _moved(attributes, self.bind(attributes, values).x)

    def kernel(self, attributes: TransposeAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_transpose."""
        del inputs
        extents, strides = moves(attributes.extents, attributes.order)
        ahead = (1,) * (MOST_DIMENSIONS - len(extents))
        fields = {
            f"{name}{place}": number
            for name, numbers in (("extent", ahead + extents), ("stride", ahead + strides))
            for place, number in enumerate(numbers)
        }
        return Kernel(self.name, fields, (Input("x"), Output("y")))

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The gradient in the order of before."""
        (name,) = node.inputs
        if not builder.wanted(name):
            return
        gradient, attributes = builder.gradient(node.outputs[0]), node.attributes
        (result,) = builder.emit(
            self.name,
            {"x": gradient.value},
            inverse(attributes, graph.type_of(name).shape),
            layer=node.layer,
            task="input_gradient",
        )
        builder.contribute(name, Gradient(result, gradient.exponent, gradient.magnitude))

    def cases(self) -> Sequence[Case]:
        """Channels first and last, dimensions that stay, of one, and as many as there may be."""
        quantization = Quantization((0.1,), -3)
        return [
            Case(
                f"{extents} by {order}",
                TransposeAttributes(extents, order, shape),
                (TensorType(given, DType.INT8, quantization),),
            )
            for given, extents, order, shape in [
                ((4, 3, 5), (4, 3, 5), (2, 0, 1), (5, 4, 3)),
                ((4, 3, 5), (4, 3, 5), (1, 0, 2), (3, 4, 5)),
                ((2, 3, 7), (2, 3, 7), (0, 2, 1), (2, 7, 3)),
                ((1, 6, 4), (1, 6, 4), (1, 2, 0), (6, 4, 1)),
                ((1, 1, 9), (9,), (0,), (3, 1, 3)),
                ((2, 2, 12), (2, 2, 3, 2, 2), (0, 3, 1, 4, 2), (4, 4, 3)),
                ((2, 3, 8), (2, 1, 3, 2, 2, 2), (4, 2, 3, 0, 5, 1), (1, 12, 4)),
            ]
        ]


def moves(
    extents: tuple[int, ...], order: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Extents of the result, and how far apart its elements lie in the input along each.

    Dimensions of one are left out, and dimensions that stay together are one.
    """
    steps = [math.prod(extents[place + 1 :]) for place in range(len(extents))]
    found: list[tuple[int, int]] = []
    for place in order:
        extent, step = extents[place], steps[place]
        if extent == 1:
            continue
        if found and found[-1][1] == extent * step:
            extent *= found.pop()[0]
        found.append((extent, step))
    return tuple(extent for extent, _ in found), tuple(step for _, step in found)


def inverse(attributes: TransposeAttributes, shape: tuple[int, ...]) -> TransposeAttributes:
    """What brings elements back.

    Args:
        attributes: by which they were moved.
        shape: of the map that they came from.
    """
    extents = tuple(attributes.extents[place] for place in attributes.order)
    back = tuple(attributes.order.index(place) for place in range(len(extents)))
    return TransposeAttributes(extents, back, shape)


def _moved(attributes: TransposeAttributes, x: Array) -> Array:
    moved: Array = np.transpose(x.reshape(attributes.extents), attributes.order)
    return moved.reshape(attributes.shape)
