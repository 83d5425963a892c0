"""Max pooling over windows of 2×2 with stride 2, and its gradient."""

from __future__ import annotations

from collections.abc import Sequence

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
    NoAttributes,
    OpSpec,
    Output,
    RowRule,
    StepContext,
    required,
)

#: Rows and columns of a window, and its stride.
_EXTENT = 2


def windows(x: Array) -> Array:
    """[H, W, C] as [⌊H/2⌋, ⌊W/2⌋, C, 4]: the elements of each window, in row-major order."""
    height, width = (extent // 2 * 2 for extent in x.shape[:2])
    return np.stack([x[i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)], axis=-1)


class Halving(OpSpec[NoAttributes]):
    """The largest element under each 2×2 window (TensorFlow Lite's MAX_POOL_2D, padding VALID).

    Input: int8[H, W, C]. Output: int8[⌊H/2⌋, ⌊W/2⌋, C] with the same quantization. A last odd row
    or column is not read.
    """

    name = "halving"
    attributes_type = NoAttributes
    operands = required("x")
    results = ("y",)

    def infer(
        self, attributes: NoAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """Half of the rows and columns."""
        x = self.bind(attributes, inputs).x
        height, width, channels = x.shape
        if min(height, width) < _EXTENT:
            msg = f"a 2×2 window does not fit a {height}×{width} map"
            raise ValueError(msg)
        return (TensorType((height // 2, width // 2, channels), DType.INT8, x.quantization),)

    def reference(
        self,
        attributes: NoAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """The maximum of each window; nothing is rounded or clamped."""
        del inputs, context
        return (windows(self.bind(attributes, arrays).x).max(axis=-1),)

    def real(
        self, attributes: NoAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The maximum of each window."""
        del inputs
        return windows(self.bind(attributes, values).x).max(axis=-1)

    def kernel(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_halving."""
        height, width, channels = self.bind(attributes, inputs).x.shape
        fields = {"height": height, "width": width, "channels": channels}
        return Kernel("halving", fields, (Input("x"), Output("y")))

    def by_rows(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> RowRule:
        """A row of the result needs two rows of the input."""
        del inputs
        return RowRule(("x",), attributes, height=2, stride=2)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """Each element of the gradient, to the largest of its window.

        The values stay as they are, so the result shares the gradient's exponent. It has four
        times as many elements, three of four being zero, so its root mean square is half as large.
        """
        del graph
        (name,) = node.inputs
        if not builder.wanted(name):
            return
        gradient = builder.gradient(node.outputs[0])
        (result,) = builder.emit(
            "halving_input_gradient",
            {"gradient": gradient.value, "x": name},
            NoAttributes(),
            layer=node.layer,
            task="input_gradient",
        )
        builder.contribute(name, Gradient(result, gradient.exponent, gradient.magnitude - 1))

    def cases(self) -> Sequence[Case]:
        """Even and odd extents, a single window, a single channel."""
        return [Case(str(shape), NoAttributes(), (_map(shape),)) for shape in _SHAPES]


class HalvingInputGradient(OpSpec[NoAttributes]):
    """The gradient of each window at the window's largest element, zero elsewhere.

    Where several elements are equally large, the first in row-major order gets the gradient.

    Inputs: gradient int8[⌊H/2⌋, ⌊W/2⌋, C], and x, the pool's input, int8[H, W, C].
    Output: int8[H, W, C].
    """

    name = "halving_input_gradient"
    attributes_type = NoAttributes
    operands = required("gradient", "x")
    results = ("result",)

    def infer(
        self, attributes: NoAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The shape of the pool's input."""
        types = self.bind(attributes, inputs)
        height, width, channels = types.x.shape
        if types.gradient.shape != (height // 2, width // 2, channels):
            msg = f"a gradient of {types.gradient.shape} does not fit a map of {types.x.shape}"
            raise ValueError(msg)
        return (TensorType(types.x.shape),)

    def reference(
        self,
        attributes: NoAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Find the largest element of each window and put the gradient there."""
        del inputs, context
        gradient, x = self.bind(attributes, arrays)
        largest = windows(x).argmax(axis=-1)
        row, column, channel = np.indices(gradient.shape)
        result = np.zeros(x.shape, np.int8)
        result[2 * row + largest // 2, 2 * column + largest % 2, channel] = gradient
        return (result,)

    def kernel(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_halving_input_gradient."""
        height, width, channels = self.bind(attributes, inputs).x.shape
        fields = {"height": height, "width": width, "channels": channels}
        arguments = (Input("gradient"), Input("x"), Output("result"))
        return Kernel("halving_input_gradient", fields, arguments)

    def cases(self) -> Sequence[Case]:
        """The maps of the forward operator."""
        return [
            Case(
                str(shape),
                NoAttributes(),
                (TensorType((shape[0] // 2, shape[1] // 2, shape[2])), _map(shape)),
                low={"gradient": -127},
            )
            for shape in _SHAPES
        ]


def _map(shape: tuple[int, int, int]) -> TensorType:
    return TensorType(shape, DType.INT8, Quantization((0.1,), -3))


_SHAPES = ((4, 4, 6), (5, 7, 3), (2, 2, 1), (3, 8, 5))
