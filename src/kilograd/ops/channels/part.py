"""A part of a map's channels; its gradient is a map of zeros with these put in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class ChannelPlaceAttributes:
    """Attributes of ``channel_place``.

    Attributes:
        first: channel of the result that is not zero.
        channels: of the result.
    """

    first: int
    channels: int


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


class ChannelPlace(OpSpec[ChannelPlaceAttributes]):
    """The gradient of some channels as that of all: int8[H, W, count] to int8[H, W, channels]."""

    name = "channel_place"
    attributes_type = ChannelPlaceAttributes
    operands = required("x")
    results = ("y",)

    def infer(
        self, attributes: ChannelPlaceAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """So many channels."""
        x = self.bind(attributes, inputs).x
        if attributes.first < 0 or attributes.first + x.shape[2] > attributes.channels:
            msg = f"{attributes.channels} channels have no {x.shape[2]} from {attributes.first} on"
            raise ValueError(msg)
        return (TensorType((*x.shape[:2], attributes.channels), x.dtype, x.quantization),)

    def reference(
        self,
        attributes: ChannelPlaceAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Zero elsewhere."""
        del inputs, context
        x = self.bind(attributes, arrays).x
        y = np.zeros((*x.shape[:2], attributes.channels), x.dtype)
        y[..., attributes.first : attributes.first + x.shape[2]] = x
        return (y,)

    def kernel(self, attributes: ChannelPlaceAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_channel_place."""
        shape = self.bind(attributes, inputs).x.shape
        fields = {
            "positions": math.prod(shape[:2]),
            "channels": attributes.channels,
            "first": attributes.first,
            "count": shape[2],
        }
        return Kernel("channel_place", fields, (Input("x"), Output("y")))

    def cases(self) -> Sequence[Case]:
        """In front, in the middle, everywhere."""
        places = ((0, 2), (3, 3), (0, 7))
        return [
            Case(
                f"{first}+{count}",
                ChannelPlaceAttributes(first, 7),
                (TensorType((3, 2, count), DType.INT8),),
            )
            for first, count in places
        ]


def _part(attributes: ChannelSliceAttributes, x: Array) -> Array:
    return x[..., attributes.first : attributes.first + attributes.count]
