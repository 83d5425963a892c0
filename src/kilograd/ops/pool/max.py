"""Max pooling and its gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import Graph, Node, TensorType
from kilograd.ops.gradient_scale import (
    check_exponents,
    emit_gradient,
    exponent_shift,
    rounded_gradient,
)
from kilograd.ops.pool.windowed import (
    PoolAttributes,
    WindowedPool,
    WindowedPoolGradientAttributes,
    gradient_cases,
    gradient_types,
)
from kilograd.ops.spec import (
    Array,
    Case,
    Control,
    GradientBuilder,
    Input,
    Kernel,
    OpSpec,
    Output,
    StepContext,
    c_constant,
    required,
)

#: Bits that sums are shifted up by before they are rounded: the result's exponent may be lower.
HEADROOM = c_constant(Path(__file__).parent / "kernels" / "kg_pool.h", "KG_POOL_HEADROOM")


class MaxPool(WindowedPool):
    """The largest element under each window (TensorFlow Lite's MAX_POOL_2D)."""

    name = "max_pool"

    def reference(
        self,
        attributes: PoolAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """The maximum; nothing is rounded or clamped."""
        del context
        (out,) = self.infer(attributes, inputs)
        return (self._largest(attributes, out.shape, self.bind(attributes, arrays).x, -128),)

    def real(
        self, attributes: PoolAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The maximum."""
        (out,) = self.infer(attributes, inputs)
        return self._largest(attributes, out.shape, self.bind(attributes, values).x, -math.inf)

    def _largest(
        self, attributes: PoolAttributes, shape: tuple[int, ...], x: Array, least: float
    ) -> Array:
        window = attributes.window
        padded = window.padded(x, least)
        taps = (padded[rows, columns] for rows, columns in window.tap_slices(shape))
        return reduce(np.maximum, taps)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """Each element of the gradient, to the largest of its window.

        The map is read again for that. Of equal elements the first in row-major order is meant.
        """
        (name,) = node.inputs
        if not builder.wanted(name):
            return
        gradient = builder.gradient(node.outputs[0])
        height, width, _ = graph.type_of(name).shape
        window = node.attributes.window
        made = math.prod(graph.type_of(node.outputs[0]).shape)
        spread = math.log2(made / graph.type_of(name).size) / 2
        contribution = emit_gradient(
            builder,
            "max_pool_input_gradient",
            {
                "gradient": gradient.value,
                "gradient_exponent": gradient.exponent,
                "x": name,
            },
            WindowedPoolGradientAttributes(window, height, width, builder.rng_stream()),
            layer=node.layer,
            task="input_gradient",
            magnitude=gradient.magnitude + spread,
        )
        builder.contribute(name, contribution)


class MaxPoolInputGradient(OpSpec[WindowedPoolGradientAttributes]):
    """The gradient of each window at the window's first largest element, summed where they meet.

    Inputs: gradient int8[rows, columns, C], its exponent, the pool's input int8[H, W, C], the
    result's exponent. Outputs: int8[H, W, C], magnitude bits.
    """

    name = "max_pool_input_gradient"
    attributes_type = WindowedPoolGradientAttributes
    operands = required("gradient", "gradient_exponent", "x", "result_exponent")
    results = ("result", "magnitude")

    def infer(
        self, attributes: WindowedPoolGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The map's shape."""
        types = self.bind(attributes, inputs)
        check_exponents(types)
        return gradient_types(attributes, types.gradient)

    def reference(
        self,
        attributes: WindowedPoolGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Find the largest, add the gradients there, round."""
        del inputs
        window, given = attributes.window, self.bind(attributes, arrays)
        shape = given.gradient.shape
        # Below every int8, so that nothing outside of the map is the largest.
        padded = window.padded(given.x.astype(np.int64), -129)
        taps = [padded[rows, columns] for rows, columns in window.tap_slices(shape)]
        largest = np.stack(taps).argmax(axis=0)
        sums = np.zeros_like(padded)
        for tap, (rows, columns) in enumerate(window.tap_slices(shape)):
            sums[rows, columns] += np.where(largest == tap, given.gradient, 0)
        products = window.inside(sums, given.x.shape) << HEADROOM
        return rounded_gradient(
            products, exponent_shift(given, -HEADROOM), attributes.rng_stream, context
        )

    def kernel(
        self, attributes: WindowedPoolGradientAttributes, inputs: Sequence[TensorType]
    ) -> Kernel:
        """kg_max_pool_input_gradient."""
        fields = attributes.window.fields(self.bind(attributes, inputs).x.shape)
        fields["rng_stream"] = attributes.rng_stream
        reads = (Input(operand.name) for operand in self.operands)
        arguments = (Control(), *reads, Output("result"), Output("magnitude"))
        return Kernel("max_pool_input_gradient", fields, arguments)

    def cases(self) -> Sequence[Case]:
        """The windows of the forward operator."""
        return gradient_cases(reads_map=True)
