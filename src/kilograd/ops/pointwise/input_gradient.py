"""Input gradient of 1×1 convolutions and dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kilograd.ir import Graph, Node, TensorType
from kilograd.ops.arithmetic import scalar_mantissa
from kilograd.ops.common.layers import initial_weight, weight_parts
from kilograd.ops.common.scaling import channel_scaling, scale_gradient, weight_gain
from kilograd.ops.delta.op import NARROW, delta_type
from kilograd.ops.gradient_scale import (
    EXPONENT,
    MAGNITUDE,
    check_exponents,
    emit_gradient,
    exponent_shift,
    gradient_arguments,
    rounded_gradient,
)
from kilograd.ops.pointwise.cases import weight_types
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
    Gradient,
    GradientBuilder,
    Kernel,
    Operands,
    OpSpec,
    Scratch,
    StepContext,
    Use,
    exactly,
    required,
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
        arguments = (*gradient_arguments(self), Scratch())
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
            weights = weight_types(outputs, channels, trained)
            inputs = (TensorType((height, width, outputs)), EXPONENT, *weights, EXPONENT)
            low = dict.fromkeys(("gradient", "delta"), -127)
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
