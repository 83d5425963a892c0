"""Upsampling to the nearest position by whole factors, and its gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.gradient_scale import (
    EXPONENT,
    MAGNITUDE,
    check_exponents,
    emit_gradient,
    exponent_shift,
    gradient_arguments,
    rounded_gradient,
)
from kilograd.ops.spec import (
    Array,
    Case,
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
HEADROOM = c_constant(Path(__file__).parent / "kernels" / "kg_upsample.h", "KG_UPSAMPLE_HEADROOM")

#: Copies of a position, so that a sum of their gradients fits 32 bits by far.
MOST_COPIES = 1 << 16


@dataclass(frozen=True)
class UpsampleAttributes:
    """Attributes of ``upsample``.

    Attributes:
        rows: that each row becomes.
        columns: that each column becomes.
    """

    rows: int
    columns: int


@dataclass(frozen=True)
class UpsampleGradientAttributes:
    """Attributes of its gradient.

    Attributes:
        rows: that each row became.
        columns: that each column became.
        rng_stream: of the stochastic rounding.
    """

    rows: int
    columns: int
    rng_stream: int


class Upsample(OpSpec[UpsampleAttributes]):
    """Each row and each column several times (TensorFlow Lite's RESIZE_NEAREST_NEIGHBOR).

    Input: int8[H, W, C]. Output: int8[H * rows, W * columns, C] of the same quantization.
    """

    name = "upsample"
    attributes_type = UpsampleAttributes
    operands = required("x")
    results = ("y",)

    def infer(
        self, attributes: UpsampleAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """So many more rows and columns."""
        x = self.bind(attributes, inputs).x
        rows, columns = attributes.rows, attributes.columns
        if min(rows, columns) < 1 or rows * columns > MOST_COPIES:
            msg = (
                f"each position of a map becomes {rows}×{columns}, and may become up to "
                f"{MOST_COPIES:,}"
            )
            raise ValueError(msg)
        height, width, channels = x.shape
        shape = (height * rows, width * columns, channels)
        return (TensorType(shape, x.dtype, x.quantization),)

    def reference(
        self,
        attributes: UpsampleAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """As they are, several times."""
        del inputs, context
        return (_repeated(attributes, self.bind(attributes, arrays).x),)

    def real(
        self, attributes: UpsampleAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """As they are, several times."""
        del inputs
        return _repeated(attributes, self.bind(attributes, values).x)

    def kernel(self, attributes: UpsampleAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_upsample."""
        fields = extents(attributes, self.bind(attributes, inputs).x.shape)
        return Kernel("upsample", fields, (Input("x"), Output("y")))

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The sum over a position's copies."""
        del graph
        (name,) = node.inputs
        if not builder.wanted(name):
            return
        gradient = builder.gradient(node.outputs[0])
        rows, columns = node.attributes.rows, node.attributes.columns
        contribution = emit_gradient(
            builder,
            UpsampleInputGradient.name,
            {"gradient": gradient.value, "gradient_exponent": gradient.exponent},
            UpsampleGradientAttributes(rows, columns, builder.rng_stream()),
            layer=node.layer,
            task="input_gradient",
            # As many meet at a position as by chance.
            magnitude=gradient.magnitude + math.log2(rows * columns) / 2,
        )
        builder.contribute(name, contribution)

    def cases(self) -> Sequence[Case]:
        """Both directions, each alone, a single position and a single channel."""
        return [
            Case(f"{shape} by {rows}×{columns}", UpsampleAttributes(rows, columns), (_map(shape),))
            for shape, rows, columns in UPSAMPLE_CASES
        ]


class UpsampleInputGradient(OpSpec[UpsampleGradientAttributes]):
    """The sum of the gradients of each position's copies, rounded stochastically.

    Inputs: gradient int8[H * rows, W * columns, C], its exponent, the result's exponent. Outputs:
    int8[H, W, C], magnitude bits.
    """

    name = "upsample_input_gradient"
    attributes_type = UpsampleGradientAttributes
    operands = required("gradient", "gradient_exponent", "result_exponent")
    results = ("result", "magnitude")

    def infer(
        self, attributes: UpsampleGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The map's shape."""
        types = self.bind(attributes, inputs)
        check_exponents(types)
        height, width, channels = types.gradient.shape
        rows, columns = attributes.rows, attributes.columns
        if height % rows or width % columns or rows * columns > MOST_COPIES:
            msg = (
                f"a gradient of {types.gradient.shape} is not that of copies of {rows}×{columns}, "
                f"at most {MOST_COPIES:,} a position"
            )
            raise ValueError(msg)
        return TensorType((height // rows, width // columns, channels)), MAGNITUDE

    def reference(
        self,
        attributes: UpsampleGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Add the copies' gradients, round."""
        (out, _) = self.infer(attributes, inputs)
        height, width, channels = out.shape
        given = self.bind(attributes, arrays)
        copies = (height, attributes.rows, width, attributes.columns, channels)
        sums = given.gradient.reshape(copies).sum(axis=(1, 3), dtype=np.int64)
        shift = exponent_shift(given, -HEADROOM)
        return rounded_gradient(sums << HEADROOM, shift, attributes.rng_stream, context)

    def kernel(
        self, attributes: UpsampleGradientAttributes, inputs: Sequence[TensorType]
    ) -> Kernel:
        """kg_upsample_input_gradient."""
        (out, _) = self.infer(attributes, inputs)
        fields = {**extents(attributes, out.shape), "rng_stream": attributes.rng_stream}
        return Kernel("upsample_input_gradient", fields, gradient_arguments(self))

    def cases(self) -> Sequence[Case]:
        """Those of the forward operator; results' exponents below the gradient's, and above."""
        return [
            Case(
                f"{shape} by {rows}×{columns}",
                UpsampleGradientAttributes(rows, columns, 1),
                (TensorType((height * rows, width * columns, channels)), EXPONENT, EXPONENT),
                low={"gradient": -127, "gradient_exponent": -80, "result_exponent": -160},
                high={"gradient_exponent": 0, "result_exponent": -60},
            )
            for shape, rows, columns in UPSAMPLE_CASES
            for height, width, channels in [shape]
        ]


def _repeated(attributes: UpsampleAttributes, x: Array) -> Array:
    return x.repeat(attributes.rows, axis=0).repeat(attributes.columns, axis=1)


def extents(
    attributes: UpsampleAttributes | UpsampleGradientAttributes, shape: tuple[int, ...]
) -> dict[str, int]:
    """Extents of the map with each position once, and how often it is copied."""
    height, width, channels = shape
    extents = {"height": height, "width": width, "channels": channels}
    return {**extents, "rows": attributes.rows, "columns": attributes.columns}


def _map(shape: tuple[int, int, int]) -> TensorType:
    return TensorType(shape, DType.INT8, Quantization((0.1,), -3))


UPSAMPLE_CASES: Sequence[tuple[tuple[int, int, int], int, int]] = (
    ((3, 4, 5), 2, 2),
    ((2, 3, 1), 3, 1),
    ((3, 2, 19), 1, 4),
    ((1, 1, 7), 5, 3),
    ((1, 2, 3), 16, 17),
)
