"""Average pooling over windows, and its gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from kilograd.ops.pool.window import PoolWindow
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

#: Bits of the share that a position has in its window's mean.
SHARE_BITS = c_constant(Path(__file__).parent / "kernels" / "kg_pool.h", "KG_POOL_SHARE_BITS")

#: Windows that a position may lie under, so that a sum of their gradients fits 32 bits.
_MOST_WINDOWS = 256


class WindowedAveragePool(WindowedPool):
    """The mean under each window (TensorFlow Lite's AVERAGE_POOL_2D).

    Positions outside the map do not count. Rounded to nearest, halves away from zero.
    """

    name = "windowed_average_pool"

    def reference(
        self,
        attributes: PoolAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum, divide, round."""
        del inputs, context
        x = self.bind(attributes, arrays).x
        total = _sums(attributes.window, x.astype(np.int64))
        count = attributes.window.counts(x.shape)
        mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
        return (mean.astype(np.int8),)

    def real(
        self, attributes: PoolAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The mean."""
        del inputs
        x = self.bind(attributes, values).x
        return _sums(attributes.window, x) / attributes.window.counts(x.shape)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """Each position's share in the means of the windows over it."""
        (name,) = node.inputs
        if not builder.wanted(name):
            return
        gradient = builder.gradient(node.outputs[0])
        height, width, _ = graph.type_of(name).shape
        window: PoolWindow = node.attributes.window
        made = math.prod(graph.type_of(node.outputs[0]).shape)
        windows = made * window.height * window.width / graph.type_of(name).size
        contribution = emit_gradient(
            builder,
            "windowed_average_pool_input_gradient",
            {"gradient": gradient.value, "gradient_exponent": gradient.exponent},
            WindowedPoolGradientAttributes(window, height, width, builder.rng_stream()),
            layer=node.layer,
            task="input_gradient",
            magnitude=gradient.magnitude
            - math.log2(window.height * window.width)
            + math.log2(windows) / 2,
        )
        builder.contribute(name, contribution)


class WindowedAveragePoolInputGradient(OpSpec[WindowedPoolGradientAttributes]):
    """The sum over windows of gradient / positions under it, at each position of the map.

    Inputs: gradient int8[rows, columns, C], its exponent, the result's exponent.
    Outputs: int8[H, W, C], magnitude bits.
    """

    name = "windowed_average_pool_input_gradient"
    attributes_type = WindowedPoolGradientAttributes
    operands = required("gradient", "gradient_exponent", "result_exponent")
    results = ("result", "magnitude")

    def infer(
        self, attributes: WindowedPoolGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The map's shape."""
        types = self.bind(attributes, inputs)
        check_exponents(types)
        window = attributes.window
        over = -(-window.height // window.row_stride) * -(-window.width // window.column_stride)
        if over > _MOST_WINDOWS:
            msg = f"a position lies under {over} windows of a pool, more than {_MOST_WINDOWS}"
            raise ValueError(msg)
        return gradient_types(attributes, types.gradient)

    def reference(
        self,
        attributes: WindowedPoolGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Gradients times shares, summed where windows meet, rounded."""
        (out, _) = self.infer(attributes, inputs)
        window, given = attributes.window, self.bind(attributes, arrays)
        count = window.counts(out.shape)
        share = ((1 << SHARE_BITS) + count // 2) // count
        products = given.gradient.astype(np.int64) * share
        sums = window.padded(np.zeros(out.shape, np.int64), 0)
        for rows, columns in window.tap_slices(products.shape):
            sums[rows, columns] += products
        shift = exponent_shift(given, -SHARE_BITS)
        inside = window.inside(sums, out.shape)
        return rounded_gradient(inside, shift, attributes.rng_stream, context)

    def kernel(
        self, attributes: WindowedPoolGradientAttributes, inputs: Sequence[TensorType]
    ) -> Kernel:
        """kg_windowed_average_pool_input_gradient."""
        (out, _) = self.infer(attributes, inputs)
        fields = attributes.window.fields(out.shape)
        fields["rng_stream"] = attributes.rng_stream
        reads = (Input(operand.name) for operand in self.operands)
        arguments = (Control(), *reads, Output("result"), Output("magnitude"))
        return Kernel("windowed_average_pool_input_gradient", fields, arguments)

    def cases(self) -> Sequence[Case]:
        """The windows of the forward operator."""
        return gradient_cases(reads_map=False)


def _sums(window: PoolWindow, x: Array) -> Array:
    padded = window.padded(x, 0)
    total = np.zeros(window.output_shape(x.shape), x.dtype)
    for rows, columns in window.tap_slices(total.shape):
        total += padded[rows, columns]
    return total
