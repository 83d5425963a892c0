"""Input gradient and weight step of 1×1 convolutions and dense layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import channel_mantissas, relative_mantissas, scalar_mantissa
from kilograd.ops.common.layers import initial_weight, weight_parts
from kilograd.ops.common.update import fixed_point_step, stepped_weight
from kilograd.ops.delta.op import NARROW, delta_type
from kilograd.ops.gradient_scale import (
    EXPONENT,
    MAGNITUDE,
    check_exponents,
    emit_gradient,
    exponent_shift,
    rounded_gradient,
    whole_exponent,
)
from kilograd.ops.pointwise.split import (
    channel_order,
    check_delta,
    merge,
    slice_length,
    split_fields,
    split_weight,
    whole_weight,
)
from kilograd.ops.spec import (
    DSP,
    HOST,
    PLAIN,
    Array,
    Case,
    Control,
    Gradient,
    GradientBuilder,
    Input,
    Kernel,
    Operands,
    OpSpec,
    Output,
    Scratch,
    StepContext,
    Use,
    c_constant,
    exactly,
    required,
)

#: What weights that start at zero, those of a fresh head, are expected to grow to.
_EXPECTED_WEIGHT = 8

#: Input channels that the weight update's kernel expands at once.
WEIGHT_UPDATE_TILE = c_constant(
    Path(__file__).parent / "kernels" / "kg_pointwise.h", "KG_WEIGHT_UPDATE_TILE"
)


@dataclass(frozen=True)
class InputGradientAttributes:
    """Attributes of ``pointwise_input_gradient``.

    Attributes:
        height: of the map.
        width: of the map.
        channels: input channels of the layer.
        trained_channels: as the layer's.
        rng_stream: of the stochastic rounding.
        fraction_bits: as the layer's.
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
    node: Node,
    reads: Operands[str],
    graph: Graph,
    builder: GradientBuilder,
    gradient: Gradient,
) -> None:
    """Contribute Wᵀ · gradient to the gradient of the layer's input."""
    height, width, channels = graph.type_of(reads.x).shape
    weights = [initial_weight(name, graph) for name in weight_parts(reads)]
    trained, bits = node.attributes.trained_channels, node.attributes.fraction_bits
    frozen = weights[1].array if trained else None
    whole = merge(weights[0].array, frozen, trained, channels)
    contribution = emit_gradient(
        builder,
        "pointwise_input_gradient",
        {
            "gradient": gradient.value,
            "gradient_exponent": gradient.exponent,
            "weight": builder.rematerialize(reads.weight),
            "frozen": reads.get("frozen"),
            "delta": reads.get("delta"),
        },
        InputGradientAttributes(height, width, channels, trained, builder.rng_stream(), bits),
        layer=node.layer,
        task="input_gradient",
        magnitude=gradient.magnitude + weight_gain(whole, weights[0].type.scales),
    )
    builder.contribute(reads.x, contribution)


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
    operands = (
        *required("gradient", "gradient_exponent"),
        *split_weight(has_delta=True),
        *required("result_exponent"),
    )
    results = ("result", "magnitude")

    def infer(
        self, attributes: InputGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The layer's input shape."""
        a, types = attributes, self.bind(attributes, inputs)
        check_delta(types, a.fraction_bits)
        outputs = types.weight.shape[0]
        if types.gradient.size != a.height * a.width * outputs:
            msg = f"gradient {types.gradient.shape} is not {a.height}×{a.width}×{outputs}"
            raise ValueError(msg)
        if sum(part.size for part in weight_parts(types)) != outputs * a.channels:
            msg = f"weights do not have {a.channels} input channels"
            raise ValueError(msg)
        channel_order(a.trained_channels, a.channels)
        check_exponents(types)
        return (TensorType((a.height, a.width, a.channels)), MAGNITUDE)

    def reference(
        self,
        attributes: InputGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Scale by channel, sum over outputs, round."""
        a, given = attributes, self.bind(attributes, arrays)
        mantissas, channel_shift, unit = channel_scaling(self.bind(a, inputs).weight)
        gradient = given.gradient.reshape(-1, len(given.weight))
        scaled = scale_gradient(gradient, mantissas, channel_shift)
        weight = whole_weight(given, a.trained_channels, a.channels, a.fraction_bits)
        sums = (exactly(scaled) @ exactly(weight)).astype(np.int64)
        scale = scalar_mantissa(unit)
        shift = exponent_shift(given, scale.exponent)
        result, seen = rounded_gradient(sums * scale.mantissa, shift, a.rng_stream, context)
        return result.reshape(a.height, a.width, a.channels), seen

    def kernel(self, attributes: InputGradientAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_pointwise_input_gradient: with DSP instructions four positions at a time."""
        a, types = attributes, self.bind(attributes, inputs)
        outputs, columns = types.weight.shape
        slice_ = slice_length(columns, outputs) if a.fraction_bits else columns
        mantissas, channel_shift, unit = channel_scaling(types.weight)
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
        }

        def use(sum_bytes: int, *, falls_back: bool = True) -> Use:
            """Sums and scaled gradients, and behind them the slice of the weight."""
            total = sum_bytes + (slice_ * outputs if a.fraction_bits else 0)
            return Use(total, {"effective_offset": sum_bytes}, falls_back)

        even = outputs + outputs % 2
        plain = 4 * a.channels + 2 * outputs
        # Unusual exponents, which are known only while a step runs, fall back to plain C.
        uses = {
            PLAIN: use(plain, falls_back=False),
            HOST: use(plain),
            DSP: use(max(8 * even, 4 * a.channels + 2 * even)),
        }
        reads = (Input(operand.name) for operand in self.operands)
        arguments = (Control(), *reads, Output("result"), Output("magnitude"), Scratch())
        return Kernel("pointwise_input_gradient", fields, arguments, uses)

    def macs(self, attributes: InputGradientAttributes, inputs: Sequence[TensorType]) -> int:
        """As the layer's forward."""
        return self.bind(attributes, inputs).gradient.size * attributes.channels

    def cases(self) -> Sequence[Case]:
        """Whole and split weights, odd channels, odd positions."""
        shapes = [(3, 3, 5, 3, ()), (2, 4, 8, 6, ()), (1, 5, 7, 9, (1, 6)), (2, 2, 20, 300, ())]
        cases: list[Case] = []
        for height, width, channels, outputs, trained in shapes:
            attributes = InputGradientAttributes(height, width, channels, trained, 3)
            weights = _weight_types(outputs, channels, trained)
            inputs = (TensorType((height, width, outputs)), EXPONENT, *weights, EXPONENT)
            low = dict.fromkeys(("gradient", "weight", "frozen", "delta"), -127)
            low |= {"gradient_exponent": -80, "result_exponent": -160}
            high = {"gradient_exponent": 0, "result_exponent": -60}
            name = f"{outputs}to{channels}"
            cases.append(Case(name, attributes, inputs, low=low, high=high))
            cases.append(self._moved(cases[-1]))
        return cases

    def _moved(self, case: Case) -> Case:
        """The same with a delta."""
        delta = delta_type(self.bind(case.attributes, case.inputs).weight, NARROW)
        return replace(
            case,
            name=f"{case.name}moved",
            attributes=replace(case.attributes, fraction_bits=NARROW.fraction_bits),
            inputs=(*case.inputs[:-1], delta, case.inputs[-1]),
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


def _weight_types(outputs: int, channels: int, trained: tuple[int, ...]) -> tuple[TensorType, ...]:
    scales = tuple(0.001 * (1 + output % 17) for output in range(outputs))
    quantization = Quantization(scales, 0, 0)
    widths = [len(trained), channels - len(trained)] if trained else [channels]
    return tuple(TensorType((outputs, w), quantization=quantization) for w in widths)
