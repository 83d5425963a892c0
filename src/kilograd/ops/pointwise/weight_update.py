"""Weight update of 1×1 convolutions and dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from kilograd.ir import DType, Node, Quantization, TensorType
from kilograd.ops.arithmetic import channel_mantissas
from kilograd.ops.common.update import fixed_point_step, stepped_weight
from kilograd.ops.gradient_scale import (
    EXPONENT,
    check_exponents,
    whole_exponent,
)
from kilograd.ops.pointwise.cases import weight_types
from kilograd.ops.pointwise.split import (
    split_fields,
)
from kilograd.ops.spec import (
    DSP,
    HOST,
    PLAIN,
    Array,
    Case,
    Control,
    GradientBuilder,
    Input,
    Kernel,
    OpSpec,
    Scratch,
    StepContext,
    Use,
    c_constant,
    exactly,
    required,
)

#: Input channels that the weight update's kernel expands at once.
WEIGHT_UPDATE_TILE = c_constant(
    Path(__file__).parent / "kernels" / "kg_pointwise.h", "KG_WEIGHT_UPDATE_TILE"
)


@dataclass(frozen=True)
class WeightUpdateAttributes:
    """Attributes of ``pointwise_weight_update``.

    Attributes:
        trained_channels: as the layer's; empty when the whole weight is a state.
        rng_stream: of the stochastic rounding.
    """

    trained_channels: tuple[int, ...]
    rng_stream: int


def weight_update_attributes(node: Node, builder: GradientBuilder) -> WeightUpdateAttributes:
    """Attributes of the layer's weight update."""
    return WeightUpdateAttributes(node.attributes.trained_channels, builder.rng_stream())


class PointwiseWeightUpdate(OpSpec[WeightUpdateAttributes]):
    """W ← W − rate · 2^(exponents) · (gradientᵀ · (x − zero point)) · s_x / s_w.

    Inputs: weight int8[O, I] or its trained columns (int16 at a single position), gradient
    int8[H, W, O], its exponent, activation int8[H, W, I], the loss exponent. The factor s_x / s_w
    is the gradient of the quantized weight times s_w^−2: quantization-aware scaling (MCUNetV3,
    section 2.1).
    """

    name = "pointwise_weight_update"
    attributes_type = WeightUpdateAttributes
    operands = required("weight", "gradient", "gradient_exponent", "x", "loss_exponent")
    results = ("weight",)
    updates = MappingProxyType({"weight": "weight"})

    def infer(
        self, attributes: WeightUpdateAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The weight again."""
        types = self.bind(attributes, inputs)
        weight, gradient, activation = types.weight, types.gradient, types.x
        channels = activation.shape[-1]
        trained = len(attributes.trained_channels) or channels
        if weight.shape[1] != trained:
            msg = f"weight has {weight.shape[1]} columns for {trained} trained channels"
            raise ValueError(msg)
        if gradient.size * channels != activation.size * weight.shape[0]:
            msg = f"gradient {gradient.shape} and activation {activation.shape} differ in positions"
            raise ValueError(msg)
        if weight.dtype is not DType.INT8 and activation.size != channels:
            msg = f"a weight of {weight.dtype.value} is stepped at one position only"
            raise ValueError(msg)
        check_exponents(types)
        return (weight,)

    def reference(
        self,
        attributes: WeightUpdateAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum over positions, scale, round, saturate."""
        types, given = self.bind(attributes, inputs), self.bind(attributes, arrays)
        channels = types.x.shape[-1]
        rows = exactly(given.x.reshape(-1, channels)) - types.x.zero_point
        if attributes.trained_channels:
            rows = rows[:, list(attributes.trained_channels)]
        columns = np.transpose(exactly(given.gradient.reshape(len(rows), -1)))
        sums: Array = np.matmul(columns, rows).astype(np.int64)
        mantissas, exponents = channel_mantissas([types.x.scale / s for s in types.weight.scales])
        exponent = whole_exponent(given.gradient_exponent) + int(given.loss_exponent[0])
        whole = exponents + np.int64(exponent)
        step = fixed_point_step(
            sums, mantissas[:, None], whole[:, None], attributes.rng_stream, context
        )
        return (stepped_weight(given.weight, step, given.weight.size, context),)

    def kernel(self, attributes: WeightUpdateAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_pointwise_weight_update, a tile of input channels at a time; or that of a head."""
        types = self.bind(attributes, inputs)
        channels = types.x.shape[-1]
        positions = types.x.size // channels
        mantissas, exponents = channel_mantissas([types.x.scale / s for s in types.weight.scales])
        fields = {
            "positions": positions,
            "channels": channels,
            "outputs": types.weight.shape[0],
            **split_fields(attributes.trained_channels, channels),
            "zero_point": types.x.zero_point,
            "mantissa": mantissas,
            "exponent": exponents,
            "rng_stream": attributes.rng_stream,
        }
        arguments = (Control(), *(Input(operand.name) for operand in self.operands))
        if types.weight.dtype is not DType.INT8:
            return Kernel("dense_weight_update", fields, arguments)
        plain = 2 * positions * (1 + WEIGHT_UPDATE_TILE)
        uses = {
            PLAIN: Use(plain),
            HOST: Use(plain, falls_back=True),
            DSP: Use(2 * (positions + positions % 2) * (4 + WEIGHT_UPDATE_TILE)),
        }
        return Kernel("pointwise_weight_update", fields, (*arguments, Scratch()), uses)

    def macs(self, attributes: WeightUpdateAttributes, inputs: Sequence[TensorType]) -> int:
        """Positions · trained input channels · output channels."""
        types = self.bind(attributes, inputs)
        return types.gradient.size * types.weight.shape[1]

    def cases(self) -> Sequence[Case]:
        """Whole and split weights, odd channels, one position."""
        shapes = [
            (3, 3, 5, 3, (), DType.INT8),
            (1, 1, 8, 10, (), DType.INT8),
            (2, 5, 11, 4, (0, 3, 10), DType.INT8),
            (1, 1, 9, 6, (), DType.INT16),
            (1, 1, 7, 3, (1, 5), DType.INT16),
        ]
        cases: list[Case] = []
        for height, width, channels, outputs, trained, dtype in shapes:
            weight = replace(weight_types(outputs, channels, trained)[0], dtype=dtype)
            lowest = 1 - (1 << (8 * dtype.itemsize - 1))
            activation = TensorType(
                (height, width, channels), quantization=Quantization((0.03,), -128)
            )
            cases.append(
                Case(
                    f"{dtype.value}{channels}to{outputs}" + ("split" if trained else ""),
                    WeightUpdateAttributes(trained, 9),
                    (weight, TensorType((height, width, outputs)), EXPONENT, activation, EXPONENT),
                    low={
                        "weight": lowest,
                        "gradient": -127,
                        "gradient_exponent": -240,
                        "loss_exponent": -30,
                    },
                    high={"gradient_exponent": 40, "loss_exponent": 0},
                )
            )
        return cases
