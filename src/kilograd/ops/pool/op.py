"""Global average pooling and its gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import scalar_mantissa
from kilograd.ops.gradient_scale import (
    EXPONENT,
    MAGNITUDE,
    branch_type,
    emit_gradient,
    rounded_gradient,
    whole_exponent,
)
from kilograd.ops.spec import (
    Array,
    Case,
    Control,
    GradientBuilder,
    Input,
    KernelCall,
    NoAttributes,
    OpSpec,
    Output,
    StepContext,
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

    def infer(
        self, attributes: NoAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """One position."""
        del attributes
        x = inputs[0]
        return (TensorType((1, 1, x.shape[2]), DType.INT8, x.quantization),)

    def reference(
        self,
        attributes: NoAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum, divide, round."""
        del attributes, context
        height, width, _ = inputs[0].shape
        count = height * width
        total = arrays[0].astype(np.int64).sum(axis=(0, 1))
        mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
        return (mean.astype(np.int8)[None, None],)

    def kernel(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> KernelCall:
        """kg_average_pool."""
        del attributes
        height, width, channels = inputs[0].shape
        fields = {"positions": height * width, "channels": channels}
        return KernelCall("kg_average_pool", fields, (Input(0), Output(0)))

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The gradient over the number of positions, to every position."""
        (name,) = node.inputs
        if not builder.wanted(name):
            return
        gradient = builder.gradient(node.outputs[0])
        height, width, _ = graph.type_of(name).shape
        contribution = emit_gradient(
            builder,
            "average_pool_input_gradient",
            [gradient.value, gradient.exponent],
            PoolGradientAttributes(height, width, builder.rng_stream()),
            layer=node.layer,
            task="input_gradient",
            magnitude=gradient.magnitude - math.log2(height * width),
        )
        builder.contribute(name, contribution)

    def cases(self) -> Sequence[Case]:
        """Even, odd and single positions."""
        quantization = Quantization((0.1,), -3)
        shapes = [(4, 4, 6), (3, 5, 7), (1, 1, 3), (8, 8, 1)]
        return [
            Case(str(shape), NoAttributes(), (TensorType(shape, DType.INT8, quantization),))
            for shape in shapes
        ]


class AveragePoolInputGradient(OpSpec[PoolGradientAttributes]):
    """gradient / (H · W) at every position, each rounded stochastically by itself.

    Inputs: gradient int8[1, 1, C], its exponent, the result's exponent.
    Outputs: int8[H, W, C], magnitude bits.
    """

    name = "average_pool_input_gradient"
    attributes_type = PoolGradientAttributes

    def infer(
        self, attributes: PoolGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The map's shape."""
        branch_type(inputs, 1)
        branch_type(inputs, 2)
        return (
            TensorType((attributes.height, attributes.width, inputs[0].shape[2])),
            MAGNITUDE,
        )

    def reference(
        self,
        attributes: PoolGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Scale, spread, round."""
        del inputs
        a = attributes
        scale = scalar_mantissa(1 / (a.height * a.width))
        products = arrays[0].astype(np.int64) * scale.mantissa
        products = np.broadcast_to(products, (a.height, a.width, products.shape[2]))
        shift = whole_exponent(arrays[2]) - whole_exponent(arrays[1]) - scale.exponent
        return rounded_gradient(products, shift, a.rng_stream, context)

    def kernel(
        self, attributes: PoolGradientAttributes, inputs: Sequence[TensorType]
    ) -> KernelCall:
        """kg_average_pool_input_gradient."""
        positions = attributes.height * attributes.width
        scale = scalar_mantissa(1 / positions)
        fields = {
            "positions": positions,
            "channels": inputs[0].shape[2],
            "mantissa": scale.mantissa,
            "exponent": scale.exponent,
            "rng_stream": attributes.rng_stream,
        }
        arguments = (Control(), Input(0), Input(1), Input(2), Output(0), Output(1))
        return KernelCall("kg_average_pool_input_gradient", fields, arguments)

    def cases(self) -> Sequence[Case]:
        """The forward's maps."""
        return [
            Case(
                f"{height}x{width}x{channels}",
                PoolGradientAttributes(height, width, 1),
                (TensorType((1, 1, channels)), EXPONENT, EXPONENT),
                low={0: -127, 1: -80, 2: -160},
                high={1: 0, 2: -60},
            )
            for height, width, channels in [(4, 4, 6), (3, 5, 7), (1, 1, 3)]
        ]
