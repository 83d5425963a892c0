"""Groups of channels mixed."""

from __future__ import annotations

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
class ChannelShuffleAttributes:
    """Attributes of ``channel_shuffle``.

    Attributes:
        groups: of neighbouring channels, as many in each.
    """

    groups: int


class ChannelShuffle(OpSpec[ChannelShuffleAttributes]):
    """The first channel of each group, then the second of each, and so on.

    As in Zhang et al., "ShuffleNet" (2017), section 3.1. Input and output: int8[H, W, C].
    """

    name = "channel_shuffle"
    attributes_type = ChannelShuffleAttributes
    operands = required("x")
    results = ("y",)

    def infer(
        self, attributes: ChannelShuffleAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The type of x."""
        x = self.bind(attributes, inputs).x
        if attributes.groups < 1 or x.shape[2] % attributes.groups:
            msg = f"{x.shape[2]} channels are not {attributes.groups} groups of as many"
            raise ValueError(msg)
        return (x,)

    def reference(
        self,
        attributes: ChannelShuffleAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Groups and what is in them change places."""
        del inputs, context
        return (np.ascontiguousarray(_shuffled(arrays[0], attributes.groups)),)

    def real(
        self,
        attributes: ChannelShuffleAttributes,
        inputs: Sequence[TensorType],
        values: Sequence[Array],
    ) -> NDArray[np.float64]:
        """Likewise."""
        del inputs
        return _shuffled(values[0], attributes.groups)

    def kernel(self, attributes: ChannelShuffleAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_channel_shuffle."""
        height, width, channels = self.bind(attributes, inputs).x.shape
        fields = {
            "positions": height * width,
            "groups": attributes.groups,
            "in_group": channels // attributes.groups,
        }
        return Kernel("channel_shuffle", fields, (Input("x"), Output("y")))

    def by_rows(
        self, attributes: ChannelShuffleAttributes, inputs: Sequence[TensorType]
    ) -> RowRule:
        """Row by row."""
        del inputs
        return RowRule(("x",), attributes)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """Back into the order of before: as many groups as there were channels in one."""
        (name,) = node.inputs
        if not builder.wanted(name):
            return
        gradient = builder.gradient(node.outputs[0])
        in_group = graph.type_of(name).shape[2] // node.attributes.groups
        (result,) = builder.emit(
            self.name,
            {"x": gradient.value},
            ChannelShuffleAttributes(in_group),
            layer=node.layer,
            task="input_gradient",
        )
        builder.contribute(name, Gradient(result, gradient.exponent, gradient.magnitude))

    def cases(self) -> Sequence[Case]:
        """Few groups, many, and one."""
        quantization = Quantization((0.1,), -3)
        return [
            Case(
                f"{groups} groups of {channels}",
                ChannelShuffleAttributes(groups),
                (TensorType((3, 2, channels), DType.INT8, quantization),),
            )
            for groups, channels in ((2, 6), (5, 10), (1, 3))
        ]


def _shuffled(x: Array, groups: int) -> Array:
    height, width, channels = x.shape
    parts: Array = x.reshape(height, width, groups, channels // groups)
    moved: Array = np.transpose(parts, (0, 1, 3, 2))
    return moved.reshape(x.shape)
