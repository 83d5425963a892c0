"""Input gradient and weight step of 1×1 convolutions and dense layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import channel_mantissas, relative_mantissas, scalar_mantissa
from kilograd.ops.common.layers import ACTIVATION, WEIGHT, initial_weight
from kilograd.ops.common.update import fixed_point_step, stepped_weight
from kilograd.ops.delta.op import NARROW, delta_type, effective_weight
from kilograd.ops.gradient_scale import (
    EXPONENT,
    MAGNITUDE,
    branch_type,
    emit_gradient,
    rounded_gradient,
    whole_exponent,
)
from kilograd.ops.pointwise.split import (
    channel_order,
    check_delta,
    merge,
    slice_length,
    split_fields,
)
from kilograd.ops.spec import (
    Array,
    Case,
    Control,
    Gradient,
    GradientBuilder,
    Input,
    KernelCall,
    OpSpec,
    Output,
    Scratch,
    StepContext,
    exactly,
)

#: What weights that start at zero, those of a fresh head, are expected to grow to.
_EXPECTED_WEIGHT = 8

#: Rows of the tile that the weight step's kernel expands at once (KG_WEIGHT_UPDATE_TILE).
WEIGHT_UPDATE_TILE = 8


@dataclass(frozen=True)
class InputGradientAttributes:
    """Attributes of ``pointwise_input_gradient``.

    Attributes:
        height: of the map.
        width: of the map.
        channels: input channels of the layer.
        trained_channels: as the layer's.
        rng_stream: of the stochastic rounding.
        fraction_bits: as the layer's; of the last input but one, where there is a delta.
    """

    height: int
    width: int
    channels: int
    trained_channels: tuple[int, ...]
    rng_stream: int
    fraction_bits: int = 0


@dataclass(frozen=True)
class WeightUpdateAttributes:
    """Attributes of ``pointwise_weight_update``.

    Attributes:
        trained_channels: as the layer's; empty when the whole weight is a state.
        rng_stream: of the stochastic rounding.
    """

    trained_channels: tuple[int, ...]
    rng_stream: int


def channel_scaling(weight: TensorType, taps: int = 1) -> tuple[NDArray[np.int16], int, float]:
    """How gradients are scaled by their output channel's weight scale before they are summed.

    Returns mantissas, the bits dropped after the multiplication so that a sum over the outputs
    and taps stays below 2^30, and the real value of one unit of the scaled gradient.
    """
    mantissas, unit = relative_mantissas(weight.scales)
    shift = max(7, math.ceil(math.log2(len(weight.scales) * taps)) - 1)
    return mantissas, shift, unit * 2.0**shift


def scale_gradient(gradient: Array, mantissas: NDArray[np.int16], shift: int) -> Array:
    """The first stage of the input gradient: [..., outputs] to 16 bits, halves up."""
    product = gradient.astype(np.int64) * mantissas
    return (product + (1 << (shift - 1))) >> shift


def weight_gain(weight: Array, scales: Sequence[float], share_of_outputs: float = 1.0) -> float:
    """Expected log2 growth of a gradient's root mean square through [O, ...] weights.

    Counts a random half of the gradients as masked by clamps.
    """
    least = 0 if weight.any() else _EXPECTED_WEIGHT
    quantized = np.maximum(np.abs(exactly(weight)), least).reshape(weight.shape[0], -1)
    real = quantized * np.asarray(scales)[:, None]
    per_input = (real**2).sum(axis=0).mean() * share_of_outputs / 2
    return 0.5 * math.log2(max(float(per_input), 1e-12))


def emit_pointwise_input_gradient(
    node: Node, graph: Graph, builder: GradientBuilder, gradient: Gradient
) -> None:
    """Contribute Wᵀ · gradient to the gradient of the layer's input."""
    activation = node.inputs[ACTIVATION]
    height, width, channels = graph.type_of(activation).shape
    weights = [initial_weight(name, graph) for name in node.inputs[WEIGHT:]]
    trained, bits = node.attributes.trained_channels, node.attributes.fraction_bits
    frozen = weights[1].array if trained else None
    whole = merge(weights[0].array, frozen, trained, channels)
    contribution = emit_gradient(
        builder,
        "pointwise_input_gradient",
        [gradient.value, gradient.exponent, *map(builder.rematerialize, node.inputs[WEIGHT:])],
        InputGradientAttributes(height, width, channels, trained, builder.rng_stream(), bits),
        layer=node.layer,
        task="input_gradient",
        magnitude=gradient.magnitude + weight_gain(whole, weights[0].type.scales),
    )
    builder.contribute(activation, contribution)


def weight_update_attributes(node: Node, builder: GradientBuilder) -> WeightUpdateAttributes:
    """Attributes of the layer's weight step."""
    return WeightUpdateAttributes(node.attributes.trained_channels, builder.rng_stream())


class PointwiseInputGradient(OpSpec[InputGradientAttributes]):
    """gradient of x = Wᵀ · gradient of y, rounded stochastically to int8.

    Inputs: gradient int8[H, W, O] (or [O]), its exponent, weight int8[O, I] (or trained and
    frozen columns), where it is moved its delta, the result's exponent. Outputs: int8[H, W, I],
    magnitude bits.
    """

    name = "pointwise_input_gradient"
    attributes_type = InputGradientAttributes

    def infer(
        self, attributes: InputGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The layer's input shape."""
        a = attributes
        weights = check_delta(a.fraction_bits, inputs[:-1], 2)[2:]
        outputs = weights[0].shape[0]
        if inputs[0].size != a.height * a.width * outputs:
            msg = f"gradient {inputs[0].shape} is not {a.height}×{a.width}×{outputs}"
            raise ValueError(msg)
        if sum(part.size for part in weights) != outputs * a.channels:
            msg = f"weights do not have {a.channels} input channels"
            raise ValueError(msg)
        channel_order(a.trained_channels, a.channels)
        branch_type(inputs, 1)
        branch_type(inputs, len(inputs) - 1)
        return (TensorType((a.height, a.width, a.channels)), MAGNITUDE)

    def reference(
        self,
        attributes: InputGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Scale by channel, sum over outputs, round."""
        a = attributes
        outputs = inputs[2].shape[0]
        mantissas, channel_shift, unit = channel_scaling(inputs[2])
        gradient = arrays[0].reshape(-1, outputs)
        scaled = scale_gradient(gradient, mantissas, channel_shift)
        frozen = arrays[3] if a.trained_channels else None
        bits = a.fraction_bits
        trained = effective_weight(arrays[2], arrays[-2], bits) if bits else arrays[2]
        weight = merge(trained, frozen, a.trained_channels, a.channels)
        sums = (exactly(scaled) @ exactly(weight)).astype(np.int64)
        scale = scalar_mantissa(unit)
        shift = whole_exponent(arrays[-1]) - whole_exponent(arrays[1]) - scale.exponent
        result, seen = rounded_gradient(sums * scale.mantissa, shift, a.rng_stream, context)
        return result.reshape(a.height, a.width, a.channels), seen

    def kernel(
        self, attributes: InputGradientAttributes, inputs: Sequence[TensorType]
    ) -> KernelCall:
        """kg_pointwise_input_gradient, four positions at a time."""
        a = attributes
        outputs, columns = inputs[2].shape
        slice_ = slice_length(columns, outputs) if a.fraction_bits else columns
        scratch = max(8 * (outputs + outputs % 2), 4 * a.channels + 2 * (outputs + outputs % 2))
        mantissas, channel_shift, unit = channel_scaling(inputs[2])
        scale = scalar_mantissa(unit)
        fields = {
            "positions": a.height * a.width,
            "channels": a.channels,
            "outputs": outputs,
            **split_fields(a.trained_channels, a.channels),
            "channel_mantissa": mantissas,
            "channel_shift": channel_shift,
            "mantissa": scale.mantissa,
            "exponent": scale.exponent,
            "rng_stream": a.rng_stream,
            "fraction_bits": a.fraction_bits,
            "slice": slice_,
            "effective_offset": scratch,
        }
        last = len(inputs) - 1
        arguments = (
            Control(),
            Input(0),
            Input(1),
            Input(2),
            Input(3) if a.trained_channels else None,
            Input(last - 1) if a.fraction_bits else None,
            Input(last),
            Output(0),
            Output(1),
            Scratch(),
        )
        total = scratch + (slice_ * outputs if a.fraction_bits else 0)
        return KernelCall("kg_pointwise_input_gradient", fields, arguments, total)

    def macs(self, attributes: InputGradientAttributes, inputs: Sequence[TensorType]) -> int:
        """As the layer's forward."""
        return inputs[0].size * attributes.channels

    def cases(self) -> Sequence[Case]:
        """Whole and split weights, odd channels, odd positions."""
        shapes = [(3, 3, 5, 3, ()), (2, 4, 8, 6, ()), (1, 5, 7, 9, (1, 6)), (2, 2, 20, 300, ())]
        cases: list[Case] = []
        for height, width, channels, outputs, trained in shapes:
            attributes = InputGradientAttributes(height, width, channels, trained, 3)
            weights = _weight_types(outputs, channels, trained)
            inputs = (TensorType((height, width, outputs)), EXPONENT, *weights, EXPONENT)
            exponents = {1: 0, len(inputs) - 1: -60}
            cases.append(
                Case(
                    f"{outputs}to{channels}",
                    attributes,
                    inputs,
                    low={0: -127, 2: -127, 3: -127} | {1: -80, len(inputs) - 1: -160},
                    high=exponents,
                )
            )
            cases.append(self._moved(cases[-1]))
        return cases

    def _moved(self, case: Case) -> Case:
        """The same with a delta."""
        delta = delta_type(case.inputs[2], NARROW)
        last = len(case.inputs) - 1
        return replace(
            case,
            name=f"{case.name}moved",
            attributes=replace(case.attributes, fraction_bits=NARROW.fraction_bits),
            inputs=(*case.inputs[:-1], delta, case.inputs[-1]),
            low={**case.low, last: -127, last + 1: -160},
            high={1: 0, last + 1: -60},
        )


class PointwiseWeightUpdate(OpSpec[WeightUpdateAttributes]):
    """W ← W − rate · 2^(exponents) · (gradientᵀ · (x − zero point)) · s_x / s_w.

    Inputs: weight int8[O, I] or its trained columns (int16 at a single position), gradient
    int8[H, W, O], its exponent, activation int8[H, W, I], the loss exponent. The factor s_x / s_w
    is the gradient of the quantized weight times s_w^−2: quantization-aware scaling (MCUNetV3,
    section 2.1).
    """

    name = "pointwise_weight_update"
    attributes_type = WeightUpdateAttributes
    updates = MappingProxyType({0: 0})

    def infer(
        self, attributes: WeightUpdateAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The weight again."""
        weight, gradient, _, activation, _ = inputs
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
        branch_type(inputs, 2)
        branch_type(inputs, 4)
        return (weight,)

    def reference(
        self,
        attributes: WeightUpdateAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Sum over positions, scale, round, saturate."""
        weight, gradient, exponent, x, loss_exponent = arrays
        channels = inputs[3].shape[-1]
        rows = exactly(x.reshape(-1, channels)) - inputs[3].zero_point
        if attributes.trained_channels:
            rows = rows[:, list(attributes.trained_channels)]
        columns = np.transpose(exactly(gradient.reshape(len(rows), -1)))
        sums: Array = np.matmul(columns, rows).astype(np.int64)
        mantissas, exponents = channel_mantissas([inputs[3].scale / s for s in inputs[0].scales])
        whole = exponents + np.int64(whole_exponent(exponent) + int(loss_exponent[0]))
        step = fixed_point_step(
            sums, mantissas[:, None], whole[:, None], attributes.rng_stream, context
        )
        return (stepped_weight(weight, step, weight.size, context),)

    def kernel(
        self, attributes: WeightUpdateAttributes, inputs: Sequence[TensorType]
    ) -> KernelCall:
        """kg_pointwise_weight_update, a tile of input channels at a time; or kg_dense_weight_update."""
        channels = inputs[3].shape[-1]
        positions = inputs[3].size // channels
        mantissas, exponents = channel_mantissas([inputs[3].scale / s for s in inputs[0].scales])
        fields = {
            "positions": positions,
            "channels": channels,
            "outputs": inputs[0].shape[0],
            **split_fields(attributes.trained_channels, channels),
            "zero_point": inputs[3].zero_point,
            "mantissa": mantissas,
            "exponent": exponents,
            "rng_stream": attributes.rng_stream,
        }
        arguments = (Control(), *(Input(index) for index in range(5)))
        if inputs[0].dtype is not DType.INT8:
            return KernelCall("kg_dense_weight_update", fields, arguments)
        scratch = 2 * (positions + positions % 2) * (4 + WEIGHT_UPDATE_TILE)
        return KernelCall("kg_pointwise_weight_update", fields, (*arguments, Scratch()), scratch)

    def macs(self, attributes: WeightUpdateAttributes, inputs: Sequence[TensorType]) -> int:
        """Positions · trained input channels · output channels."""
        del attributes
        return inputs[1].size * inputs[0].shape[1]

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
            weight = replace(_weight_types(outputs, channels, trained)[0], dtype=dtype)
            lowest = 1 - (1 << (8 * dtype.itemsize - 1))
            activation = TensorType(
                (height, width, channels), quantization=Quantization((0.03,), -128)
            )
            cases.append(
                Case(
                    f"{dtype.value}{channels}to{outputs}" + ("split" if trained else ""),
                    WeightUpdateAttributes(trained, 9),
                    (weight, TensorType((height, width, outputs)), EXPONENT, activation, EXPONENT),
                    low={0: lowest, 1: -127, 2: -240, 4: -30},
                    high={2: 40, 4: 0},
                )
            )
        return cases


def _weight_types(outputs: int, channels: int, trained: tuple[int, ...]) -> tuple[TensorType, ...]:
    scales = tuple(0.001 * (1 + output % 17) for output in range(outputs))
    quantization = Quantization(scales, 0, 0)
    widths = [len(trained), channels - len(trained)] if trained else [channels]
    return tuple(TensorType((outputs, w), quantization=quantization) for w in widths)
