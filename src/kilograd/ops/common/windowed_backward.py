"""Input gradient and weight update that windowed convolutions share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import Quantization, TensorType
from kilograd.ops.arithmetic import (
    Mantissa,
    channel_mantissas,
)
from kilograd.ops.common.update import fixed_point_step, stepped_weight
from kilograd.ops.common.window import Window
from kilograd.ops.gradient_scale import (
    EXPONENT,
    MAGNITUDE,
    check_exponents,
    exponent_shift,
    rounded_gradient,
    whole_exponent,
)
from kilograd.ops.spec import (
    Array,
    Case,
    OpSpec,
    StepContext,
    exactly,
    required,
)


@dataclass(frozen=True)
class WindowGradientAttributes:
    """Attributes of the input gradients and weight updates.

    Attributes:
        window: the layer's.
        input_shape: (height, width, channels) of the layer's input.
        rng_stream: of the stochastic rounding.
        trained_channels: as the layer's; of the weight update only.
    """

    window: Window
    input_shape: tuple[int, ...]
    rng_stream: int
    trained_channels: tuple[int, ...] = ()


class WindowedInputGradient(OpSpec[WindowGradientAttributes]):
    """Transposed convolution of the gradient, rounded stochastically to int8.

    Inputs: gradient int8[H', W', O], its exponent, weight, the result's exponent.
    Outputs: int8[H, W, I], magnitude bits.
    """

    attributes_type = WindowGradientAttributes
    operands = required("gradient", "gradient_exponent", "weight", "result_exponent")
    results = ("result", "magnitude")

    @abstractmethod
    def spread(
        self,
        attributes: WindowGradientAttributes,
        weight_type: TensorType,
        gradient: Array,
        weight: Array,
    ) -> tuple[NDArray[np.int64], Mantissa]:
        """Sums over the taps [H, W, I], and the real value of one unit of them."""

    def infer(
        self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The layer's input shape."""
        types = self.bind(attributes, inputs)
        check_gradient(attributes, types.gradient, types.weight)
        check_exponents(types)
        return (TensorType(attributes.input_shape), MAGNITUDE)

    def reference(
        self,
        attributes: WindowGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Spread over the taps, scale, round."""
        types, given = self.bind(attributes, inputs), self.bind(attributes, arrays)
        sums, scale = self.spread(attributes, types.weight, given.gradient, given.weight)
        shift = exponent_shift(given, scale.exponent)
        return rounded_gradient(sums * scale.mantissa, shift, attributes.rng_stream, context)

    def fields(
        self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType], scale: Mantissa
    ) -> dict[str, int | Array | None]:
        """Struct members that all kernels have."""
        return {
            **attributes.window.fields(
                attributes.input_shape[:2], self.bind(attributes, inputs).gradient.shape[:2]
            ),
            "channels": attributes.input_shape[2],
            "mantissa": scale.mantissa,
            "exponent": scale.exponent,
            "rng_stream": attributes.rng_stream,
        }

    def cases(self) -> Sequence[Case]:
        """The forward's windows."""
        return [
            Case(
                name,
                attributes,
                (gradient, EXPONENT, weight, EXPONENT),
                low={
                    "gradient": -127,
                    "gradient_exponent": -80,
                    "result_exponent": -160,
                },
                high={"gradient_exponent": 0, "result_exponent": -20},
            )
            for name, attributes, gradient, weight in self.gradient_cases()
        ]

    @abstractmethod
    def gradient_cases(self) -> list[GradientCase]:
        """Windows to test, with types of gradient and weight."""


#: Name, attributes, type of the gradient, type of the weight.
GradientCase = tuple[str, WindowGradientAttributes, TensorType, TensorType]


class WindowedWeightUpdate(OpSpec[WindowGradientAttributes]):
    """W ← W − rate · 2^(exponents) · (gradient ⋆ (x − zero point)) · s_x / s_w, for every tap.

    Inputs: weight, gradient int8[H', W', O], its exponent, activation int8[H, W, I], the loss
    exponent. Channels that are not trained keep their weights.
    """

    attributes_type = WindowGradientAttributes
    operands = required("weight", "gradient", "gradient_exponent", "x", "loss_exponent")
    results = ("weight",)
    updates: ClassVar[Mapping[str, str]] = MappingProxyType({"weight": "weight"})
    #: index that lays one factor an output channel along the weight's shape
    per_channel: ClassVar[tuple[slice | None, ...]]

    @abstractmethod
    def correlate(
        self, window: Window, gradient: Array, x: Array, shape: tuple[int, ...]
    ) -> NDArray[np.int64]:
        """Σ over positions of gradient · padded x at each tap, in the weight's shape."""

    def infer(
        self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The weight again."""
        types = self.bind(attributes, inputs)
        check_gradient(attributes, types.gradient, types.weight)
        if types.x.shape != attributes.input_shape:
            msg = f"activation {types.x.shape} is not {attributes.input_shape}"
            raise ValueError(msg)
        check_exponents(types)
        return (types.weight,)

    def reference(
        self,
        attributes: WindowGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Correlate, scale, round, saturate."""
        types, given = self.bind(attributes, inputs), self.bind(attributes, arrays)
        weight = given.weight
        padded = attributes.window.padded(exactly(given.x) - types.x.zero_point)
        sums = self.correlate(attributes.window, exactly(given.gradient), padded, weight.shape)
        mantissas, exponents = channel_mantissas([types.x.scale / s for s in types.weight.scales])
        exponent = whole_exponent(given.gradient_exponent) + int(given.loss_exponent[0])
        whole = exponents + np.int64(exponent)
        step = fixed_point_step(
            sums,
            mantissas[self.per_channel],
            whole[self.per_channel],
            attributes.rng_stream,
            context,
        )
        channels = weight.shape[-1]
        trained = list(attributes.trained_channels or range(channels))
        kept = np.zeros(channels, np.int64)
        kept[trained] = 1
        count = weight.size // channels * len(trained)
        return (stepped_weight(weight, step * kept, count, context),)

    def fields(
        self, attributes: WindowGradientAttributes, inputs: Sequence[TensorType]
    ) -> dict[str, int | Array | None]:
        """Struct members that all kernels have."""
        height, width, channels = attributes.input_shape
        trained = np.array(attributes.trained_channels or range(channels), np.uint16)
        types = self.bind(attributes, inputs)
        mantissas, exponents = channel_mantissas([types.x.scale / s for s in types.weight.scales])
        return {
            **attributes.window.fields((height, width), types.gradient.shape[:2]),
            "channels": channels,
            "trained": len(trained),
            "trained_channel": trained,
            "zero_point": types.x.zero_point,
            "mantissa": mantissas,
            "exponent": exponents,
            "rng_stream": attributes.rng_stream,
        }

    def cases(self) -> Sequence[Case]:
        """The forward's windows, all channels and a share."""
        cases: list[Case] = []
        for name, attributes, gradient, weight in self.gradient_cases():
            x = TensorType(attributes.input_shape, quantization=Quantization((0.03,), -9))
            cases.append(
                Case(
                    name,
                    attributes,
                    (weight, gradient, EXPONENT, x, EXPONENT),
                    low={
                        "weight": -127,
                        "gradient": -127,
                        "gradient_exponent": -240,
                        "loss_exponent": -30,
                    },
                    high={"gradient_exponent": 0, "loss_exponent": 0},
                )
            )
        return cases

    @abstractmethod
    def gradient_cases(self) -> list[GradientCase]:
        """Windows to test, with types of gradient and weight."""


def check_gradient(
    attributes: WindowGradientAttributes, gradient: TensorType, weight: TensorType
) -> None:
    """ValueError unless gradient and weight fit the window on the layer's input."""
    height, width, channels = attributes.input_shape
    expected = (*attributes.window.output_shape(height, width), len(weight.scales))
    if gradient.shape != expected or weight.shape[-1] != channels:
        msg = f"gradient {gradient.shape} and weight {weight.shape} do not fit the window"
        raise ValueError(msg)
