"""Two maps side by side in their channels; the gradient of each is a part of the channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.channels.op import ChannelPlaceAttributes
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


@dataclass(frozen=True)
class ChannelSliceAttributes:
    """Attributes of ``channel_slice``.

    Attributes:
        first: channel.
        count: of channels.
    """

    first: int
    count: int


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


class ChannelSlice(OpSpec[ChannelSliceAttributes]):
    """Some channels of a map: int8[H, W, C] to int8[H, W, count]."""

    name = "channel_slice"
    attributes_type = ChannelSliceAttributes
    operands = required("x")
    results = ("y",)

    def infer(
        self, attributes: ChannelSliceAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """So many channels."""
        x = self.bind(attributes, inputs).x
        first, count = attributes.first, attributes.count
        if first < 0 or count < 1 or first + count > x.shape[2]:
            msg = f"a map of {x.shape} has no channels {first} to {first + count - 1}"
            raise ValueError(msg)
        return (TensorType((*x.shape[:2], count), x.dtype, x.quantization),)

    def reference(
        self,
        attributes: ChannelSliceAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """As they are."""
        del inputs, context
        x = self.bind(attributes, arrays).x
        return (np.ascontiguousarray(_part(attributes, x)),)

    def real(
        self,
        attributes: ChannelSliceAttributes,
        inputs: Sequence[TensorType],
        values: Sequence[Array],
    ) -> NDArray[np.float64]:
        """As they are."""
        del inputs
        return _part(attributes, self.bind(attributes, values).x)

    def kernel(self, attributes: ChannelSliceAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_channel_slice."""
        shape = self.bind(attributes, inputs).x.shape
        fields = {
            "positions": math.prod(shape[:2]),
            "channels": shape[2],
            "first": attributes.first,
            "count": attributes.count,
        }
        return Kernel("channel_slice", fields, (Input("x"), Output("y")))

    def by_rows(self, attributes: ChannelSliceAttributes, inputs: Sequence[TensorType]) -> RowRule:
        """Row by row."""
        del inputs
        return RowRule(("x",), attributes)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """To the channels that were taken; the others have none from here."""
        (name,) = node.inputs
        if not builder.wanted(name):
            return
        gradient = builder.gradient(node.outputs[0])
        channels = graph.type_of(name).shape[2]
        (result,) = builder.emit(
            "channel_place",
            {"x": gradient.value},
            ChannelPlaceAttributes(node.attributes.first, channels),
            layer=node.layer,
            task="input_gradient",
        )
        lost = 0.5 * math.log2(node.attributes.count / channels)
        builder.contribute(name, Gradient(result, gradient.exponent, gradient.magnitude + lost))

    def cases(self) -> Sequence[Case]:
        """The first, some in the middle, all."""
        x = TensorType((3, 2, 7), DType.INT8, Quantization((0.1,), -3))
        slices = ((0, 2), (3, 3), (0, 7))
        return [
            Case(f"{first}+{count}", ChannelSliceAttributes(first, count), (x,))
            for first, count in slices
        ]


def _part(attributes: ChannelSliceAttributes, x: Array) -> Array:
    return x[..., attributes.first : attributes.first + attributes.count]
