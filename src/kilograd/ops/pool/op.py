"""Global average pooling and its gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import scalar_mantissa
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
    DSP,
    PLAIN,
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
    Use,
    required,
)


@dataclass(frozen=True)
class PoolGradientAttributes:
    """Attributes of ``average_pool_input_gradient``.

    Attributes:
        height: of the pooled map.
        width: of the pooled map.
        rng_stream: of the stochastic rounding.
    """

    height: int
    width: int
    rng_stream: int


class AveragePool(OpSpec[NoAttributes]):
    """Mean over all positions (TensorFlow Lite's AVERAGE_POOL_2D, the window as large as the map).

    Input: int8[H, W, C]. Output: int8[1, 1, C] with the same quantization; rounded to nearest,
    halves away from zero.
    """

    name = "average_pool"
    attributes_type = NoAttributes
    operands = required("x")
    results = ("y",)

    def infer(
        self, attributes: NoAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """One position."""
        x = self.bind(attributes, inputs).x
        return (TensorType((1, 1, x.shape[2]), DType.INT8, x.quantization),)

    def reference(
        self,
        attributes: NoAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum, divide, round."""
        del context
        x = self.bind(attributes, arrays).x
        height, width, _ = inputs[0].shape
        count = height * width
        total = x.astype(np.int64).sum(axis=(0, 1))
        mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
        return (mean.astype(np.int8)[None, None],)

    def real(
        self, attributes: NoAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The mean."""
        del inputs
        return self.bind(attributes, values).x.mean(axis=(0, 1), keepdims=True)

    def kernel(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_average_pool."""
        height, width, channels = self.bind(attributes, inputs).x.shape
        fields = {"positions": height * width, "channels": channels}
        return Kernel("average_pool", fields, (Input("x"), Output("y")))

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The gradient over the number of positions, to every position."""
        if builder.wanted(node.inputs[0]):
            contribute_mean(node, graph, builder, builder.gradient(node.outputs[0]))

    def cases(self) -> Sequence[Case]:
        """Even, odd and single positions."""
        quantization = Quantization((0.1,), -3)
        shapes = [(4, 4, 6), (3, 5, 7), (1, 1, 3), (8, 8, 1)]
        return [
            Case(str(shape), NoAttributes(), (TensorType(shape, DType.INT8, quantization),))
            for shape in shapes
        ]


def contribute_mean(node: Node, graph: Graph, builder: GradientBuilder, gradient: Gradient) -> None:
    """Give every position of a node's input its share in the gradient of their mean."""
    (name,) = node.inputs
    height, width, _ = graph.type_of(name).shape
    contribution = emit_gradient(
        builder,
        "average_pool_input_gradient",
        {"gradient": gradient.value, "gradient_exponent": gradient.exponent},
        PoolGradientAttributes(height, width, builder.rng_stream()),
        layer=node.layer,
        task="input_gradient",
        magnitude=gradient.magnitude - math.log2(height * width),
    )
    builder.contribute(name, contribution)


class AveragePoolInputGradient(OpSpec[PoolGradientAttributes]):
    """gradient / (H · W) at every position, each rounded stochastically by itself.

    Inputs: gradient int8[1, 1, C], its exponent, the result's exponent.
    Outputs: int8[H, W, C], magnitude bits.
    """

    name = "average_pool_input_gradient"
    attributes_type = PoolGradientAttributes
    operands = required("gradient", "gradient_exponent", "result_exponent")
    results = ("result", "magnitude")

    def infer(
        self, attributes: PoolGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The map's shape."""
        types = self.bind(attributes, inputs)
        check_exponents(types)
        shape = (attributes.height, attributes.width, types.gradient.shape[2])
        return TensorType(shape), MAGNITUDE

    def reference(
        self,
        attributes: PoolGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Scale, spread, round."""
        del inputs
        a, given = attributes, self.bind(attributes, arrays)
        scale = scalar_mantissa(1 / (a.height * a.width))
        products = given.gradient.astype(np.int64) * scale.mantissa
        products = np.broadcast_to(products, (a.height, a.width, products.shape[2]))
        shift = exponent_shift(given, scale.exponent)
        return rounded_gradient(products, shift, a.rng_stream, context)

    def kernel(self, attributes: PoolGradientAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_average_pool_input_gradient."""
        positions = attributes.height * attributes.width
        scale = scalar_mantissa(1 / positions)
        fields = {
            "positions": positions,
            "channels": self.bind(attributes, inputs).gradient.shape[2],
            "mantissa": scale.mantissa,
            "exponent": scale.exponent,
            "rng_stream": attributes.rng_stream,
        }
        arguments = gradient_arguments(self)
        uses = {PLAIN: Use(), DSP: Use()}
        return Kernel("average_pool_input_gradient", fields, arguments, uses)

    def cases(self) -> Sequence[Case]:
        """The forward's maps."""
        return [
            Case(
                f"{height}x{width}x{channels}",
                PoolGradientAttributes(height, width, 1),
                (TensorType((1, 1, channels)), EXPONENT, EXPONENT),
                low={"gradient": -127, "gradient_exponent": -80, "result_exponent": -160},
                high={"gradient_exponent": 0, "result_exponent": -60},
            )
            for height, width, channels in [(4, 4, 6), (3, 5, 7), (1, 1, 3)]
        ]
