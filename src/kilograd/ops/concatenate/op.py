"""Two maps side by side in their channels; the gradient of each is a part of the channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.channels.part import ChannelSliceAttributes
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


class Concatenate(OpSpec[NoAttributes]):
    """The channels of a, then those of b, at every position (TensorFlow Lite's CONCATENATION).

    Inputs: int8[H, W, A], int8[H, W, B] of one quantization. Output: int8[H, W, A + B].
    """

    name = "concatenate"
    attributes_type = NoAttributes
    operands = required("a", "b")
    results = ("y",)

    def infer(
        self, attributes: NoAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The channels of both."""
        types = self.bind(attributes, inputs)
        if types.a.shape[:2] != types.b.shape[:2]:
            msg = f"cannot put {types.a.shape} and {types.b.shape} side by side"
            raise ValueError(msg)
        if types.a.quantization != types.b.quantization:
            msg = "maps that are put side by side need the same scale and zero point"
            raise ValueError(msg)
        shape = (*types.a.shape[:2], types.a.shape[2] + types.b.shape[2])
        return (TensorType(shape, DType.INT8, types.a.quantization),)

    def reference(
        self,
        attributes: NoAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """As they are."""
        del attributes, inputs, context
        return (np.concatenate(arrays, axis=2),)

    def real(
        self, attributes: NoAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """As they are."""
        del attributes, inputs
        return np.concatenate(values, axis=2)

    def kernel(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_concatenate."""
        types = self.bind(attributes, inputs)
        height, width, channels = types.a.shape
        fields = {
            "positions": height * width,
            "a_channels": channels,
            "b_channels": types.b.shape[2],
        }
        return Kernel("concatenate", fields, (Input("a"), Input("b"), Output("y")))

    def by_rows(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> RowRule:
        """Row by row, of both."""
        del inputs
        return RowRule(("a", "b"), attributes)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """To each input its own channels."""
        first = 0
        for task, name in zip(("first_gradient", "second_gradient"), node.inputs, strict=True):
            count = graph.type_of(name).shape[2]
            if builder.wanted(name):
                gradient = builder.gradient(node.outputs[0])
                (result,) = builder.emit(
                    "channel_slice",
                    {"x": gradient.value},
                    ChannelSliceAttributes(first, count),
                    layer=node.layer,
                    task=task,
                )
                builder.contribute(name, Gradient(result, gradient.exponent, gradient.magnitude))
            first += count

    def cases(self) -> Sequence[Case]:
        """Many and few channels, odd extents."""
        quantization = Quantization((0.1,), -3)
        return [
            Case(
                f"{a} and {b}",
                NoAttributes(),
                tuple(TensorType((3, 2, n), DType.INT8, quantization) for n in (a, b)),
            )
            for a, b in ((1, 5), (8, 3))
        ]
