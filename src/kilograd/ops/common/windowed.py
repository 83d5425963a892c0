"""What convolutions with a sliding window share, whether over all channels or each by itself.

Their weights end in the input's channels, and have a scale for each channel of the result.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType, Value
from kilograd.ops.arithmetic import (
    bias_limit,
    requantize,
)
from kilograd.ops.clamp import clamped_gradient
from kilograd.ops.common.layers import (
    contribute_updates,
    initial_weight,
    largest_channels,
    layer_may_clamp,
    layer_weights,
    requantization,
    train_whole,
)
from kilograd.ops.common.window import Window
from kilograd.ops.common.windowed_backward import WindowGradientAttributes
from kilograd.ops.gradient_scale import (
    emit_gradient,
)
from kilograd.ops.spec import (
    Array,
    Case,
    Gradient,
    GradientBuilder,
    LayerWeights,
    OpSpec,
    RowRule,
    StepContext,
    Trainable,
    exactly,
    required,
)


@dataclass(frozen=True)
class WindowedAttributes:
    """Attributes of the forward operators.

    Attributes:
        window: its taps, stride and padding.
        output: quantization of the result.
        trained_channels: input channels whose weights are stepped; empty for all of them. The
            whole weight is a state either way.
    """

    window: Window
    output: Quantization
    trained_channels: tuple[int, ...] = ()


class WindowedLayer(OpSpec[WindowedAttributes]):
    """A forward operator: sum under the window, requantize."""

    attributes_type = WindowedAttributes
    #: attributes of the operators that make its gradients
    gradient_attributes: ClassVar[type[WindowGradientAttributes]] = WindowGradientAttributes
    operands = required("x", "bias", "weight")
    results = ("y",)
    #: name of the operator that makes its input gradient
    input_gradient: ClassVar[str]
    #: name of the operator that steps its weights
    weight_update: ClassVar[str]
    #: axis of the weight along which the channels of the result lie
    channel_axis: ClassVar[int]

    @abstractmethod
    def tap(self, x: Array, weight: Array, row: int, column: int) -> Array:
        """What one tap adds: x [H', W', I] under it, times its weights."""

    @abstractmethod
    def gain(self, weight: Value, window: Window) -> float:
        """Expected log2 growth of a gradient's root mean square from result to input."""

    def reference(
        self,
        attributes: WindowedAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum tap by tap, requantize."""
        del context
        types, given = self.bind(attributes, inputs), self.bind(attributes, arrays)
        x = exactly(given.x) - types.x.zero_point
        accumulator = self._sum(attributes, inputs, x, exactly(given.weight), given.bias)
        multipliers, shifts = requantization(types, attributes.output.scale)
        zero_point = attributes.output.zero_point
        return (requantize(accumulator.astype(np.int64), multipliers, shifts, zero_point),)

    def real(
        self, attributes: WindowedAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The sum under the window, of real values; padding is zero."""
        given = self.bind(attributes, values)
        return self._sum(attributes, inputs, given.x, given.weight, given.bias)

    def _sum(
        self,
        attributes: WindowedAttributes,
        inputs: Sequence[TensorType],
        x: Array,
        weight: Array,
        bias: Array,
    ) -> NDArray[np.float64]:
        (out,) = self.infer(attributes, inputs)
        padded = attributes.window.padded(x)
        total: Array = np.zeros(out.shape) + bias
        for row, column, rows, columns in attributes.window.tap_slices(out.shape[:2]):
            total += self.tap(padded[rows, columns], weight, row, column)
        return total

    def fields(
        self, attributes: WindowedAttributes, inputs: Sequence[TensorType]
    ) -> dict[str, int | Array | None]:
        """Struct members that all forward kernels have."""
        (out,) = self.infer(attributes, inputs)
        types = self.bind(attributes, inputs)
        multipliers, shifts = requantization(types, attributes.output.scale)
        height, width, channels = types.x.shape
        return {
            **attributes.window.fields((height, width), out.shape[:2]),
            "channels": channels,
            "zero_point": types.x.zero_point,
            "output_zero_point": attributes.output.zero_point,
            "multiplier": multipliers,
            "shift": shifts,
        }

    def by_rows(self, attributes: WindowedAttributes, inputs: Sequence[TensorType]) -> RowRule:
        """The rows under the window."""
        del inputs
        window = attributes.window
        row = replace(attributes, window=replace(window, top=0, bottom=0))
        tall, stride = window.span[0], window.strides[0]
        return RowRule(("x",), row, tall, stride, window.top, "input_height", "top")

    def may_clamp(self, node: Node, graph: Graph) -> bool:
        """By the frozen weights of each channel; padding adds nothing."""
        return layer_may_clamp(self, node, graph, self.channel_axis)

    def trainable(self, node: Node, graph: Graph, *, bias: bool, share: float) -> Trainable:
        """The whole weight becomes a state; the strongest share of its channels is stepped."""
        trained = train_whole(self, node, graph, bias=bias, weight=share > 0)
        if share in (0, 1):
            return trained
        weight = graph.values[self.inputs_of(node).weight].array
        channels = largest_channels(weight, weight.ndim - 1, share)
        attributes = replace(node.attributes, trained_channels=channels)
        return replace(trained, node=replace(node, attributes=attributes))

    def weights(self, node: Node, graph: Graph) -> LayerWeights:
        """Outputs first, then input channels: one where each channel is by itself."""

        def arranged(weight: Array) -> Array:
            outputs_first = np.moveaxis(weight, self.channel_axis, 0)
            taps = outputs_first.reshape(*outputs_first.shape[:3], -1)
            return np.ascontiguousarray(np.moveaxis(taps, 3, 1))

        return layer_weights(self, node, graph, arranged)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """Through the clamp, to the parameters and the input."""
        gradient = clamped_gradient(self, node, graph, builder)
        attributes: WindowedAttributes = node.attributes
        activation = self.inputs_of(node).x
        if builder.wanted(activation):
            self._emit_input_gradient(node, graph, builder, gradient)
        contribute_updates(
            self,
            node,
            graph,
            builder,
            gradient,
            weight_operator=self.weight_update,
            weight_attributes=self.gradient_attributes(
                attributes.window,
                graph.type_of(activation).shape,
                builder.rng_stream(),
                attributes.trained_channels,
            ),
        )

    def _emit_input_gradient(
        self, node: Node, graph: Graph, builder: GradientBuilder, gradient: Gradient
    ) -> None:
        reads = self.inputs_of(node)
        weight = initial_weight(reads.weight, graph)
        window = node.attributes.window
        shape = graph.type_of(reads.x).shape
        contribution = emit_gradient(
            builder,
            self.input_gradient,
            {
                "gradient": gradient.value,
                "gradient_exponent": gradient.exponent,
                "weight": builder.rematerialize(reads.weight),
            },
            self.gradient_attributes(window, shape, builder.rng_stream()),
            layer=node.layer,
            task="input_gradient",
            magnitude=gradient.magnitude + self.gain(weight, window),
        )
        builder.contribute(reads.x, contribution)


def forward_case(
    name: str,
    attributes: WindowedAttributes,
    x: TensorType,
    weight: TensorType,
    terms: int,
) -> Case:
    """A forward case with biases that fit ``terms`` products a sum."""
    limit = min(20000, bias_limit(terms))
    bias = TensorType((len(weight.scales),), DType.INT32)
    low = {"bias": -limit}
    return Case(name, attributes, (x, bias, weight), low=low, high={"bias": limit})
