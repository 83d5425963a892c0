"""A trained bias is its base, which stays in flash, moved by a delta, which is the state.

The delta has 8 bits in a unit that follows from the step of the layer's result, so that a bias can
move by a few steps and no finer than a fraction of one (docs/numerics.md, section 7); the bias of
a head, which is trained from nothing, has 16 bits and its own unit. There is one update for all
layers, since a bias sees nothing but its channel's summed gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.arithmetic import bias_limit
from kilograd.ops.operands import Operands
from kilograd.ops.spec import (
    Array,
    Case,
    Input,
    Kernel,
    Operand,
    OpSpec,
    Output,
    StepContext,
)


@dataclass(frozen=True)
class BiasPrecision:
    """How a bias's delta is stored.

    Attributes:
        dtype: int8 or int16.
        unit_bits: the delta's unit is 2^unit_bits of the bias's; 0 to 28.
    """

    dtype: DType
    unit_bits: int


#: Of a bias that is trained from nothing.
WIDE_BIAS = BiasPrecision(DType.INT16, 0)
#: Binary digits of a narrow delta below one step of the layer's result.
FRACTION_BITS = 4
_MOST_UNIT_BITS = 28


def narrow_bias(bias: TensorType, output_scale: float) -> BiasPrecision:
    """8 bits in the power of two that is nearest to 2^−4 steps of a layer's result.

    Args:
        bias: int32[C] with a scale a channel; their median decides.
        output_scale: one step of the layer's result.
    """
    unit = output_scale * 2.0**-FRACTION_BITS / float(np.median(bias.scales))
    return BiasPrecision(DType.INT8, int(np.clip(np.rint(np.log2(unit)), 0, _MOST_UNIT_BITS)))


def bias_delta_type(bias: TensorType, precision: BiasPrecision) -> TensorType:
    """Type of a bias's delta: its shape, its scales times 2^unit_bits."""
    return TensorType(bias.shape, precision.dtype, _scaled(bias, precision.unit_bits))


def bias_base_type(bias: TensorType, array: Array) -> TensorType:
    """Type of the base that a bias with these contents becomes: 16 bits where they fit."""
    limits = np.iinfo(np.int16)
    fits = array.min() >= limits.min and array.max() <= limits.max
    return TensorType(bias.shape, DType.INT16 if fits else DType.INT32, bias.quantization)


def _scaled(type_: TensorType, bits: int) -> Quantization | None:
    """Quantization with the scales times 2^bits; powers of two change no digit of a scale."""
    quantization = type_.quantization
    if quantization is None:
        msg = "a bias without scales has no delta"
        raise ValueError(msg)
    scales = tuple(scale * 2.0**bits for scale in quantization.scales)
    return Quantization(scales, 0, quantization.axis)


@dataclass(frozen=True)
class BiasDeltaAttributes:
    """Attributes of ``apply_bias_delta``.

    Attributes:
        unit_bits: see ``BiasPrecision``.
        has_base: whether there is a base; otherwise it is zero.
    """

    unit_bits: int
    has_base: bool = True


class ApplyBiasDelta(OpSpec[BiasDeltaAttributes]):
    """bias = base + delta · 2^unit_bits.

    Inputs: base int16[C] or int32[C] (not there where it is zero), delta int8[C] or int16[C].
    Output: the bias, int32[C].
    ``bias_update`` keeps the sum within what accumulators hold.
    """

    name = "apply_bias_delta"
    attributes_type = BiasDeltaAttributes
    operands = (Operand("base", lambda attributes: attributes.has_base), Operand("delta"))
    results = ("bias",)

    def infer(
        self, attributes: BiasDeltaAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The base's type."""
        types = self.bind(attributes, inputs)
        check_delta(types, attributes.unit_bits)
        delta = types.delta
        return (TensorType(delta.shape, DType.INT32, _scaled(delta, -attributes.unit_bits)),)

    def reference(
        self,
        attributes: BiasDeltaAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Add."""
        del inputs, context
        given = self.bind(attributes, arrays)
        moved: Array = given.delta.astype(np.int32) * (1 << attributes.unit_bits)
        return (given.base.astype(np.int32) + moved if attributes.has_base else moved,)

    def kernel(self, attributes: BiasDeltaAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_apply_bias_delta."""
        types = self.bind(attributes, inputs)
        fields = {"count": types.delta.size, **stored_widths(types, attributes.unit_bits)}
        return Kernel("apply_bias_delta", fields, (Input("base"), Input("delta"), Output("bias")))

    def cases(self) -> Sequence[Case]:
        """Narrow and wide deltas and bases, and none."""
        return [
            _delta_case("narrow", 7, BiasPrecision(DType.INT8, 9), DType.INT16),
            _delta_case("wide_base", 5, BiasPrecision(DType.INT8, 3), DType.INT32),
            _delta_case("wide", 9, WIDE_BIAS, DType.INT32),
            _delta_case("fresh", 10, WIDE_BIAS, None),
        ]


def check_delta(types: Operands[TensorType], unit_bits: int) -> None:
    """ValueError unless a delta and its base belong together."""
    delta, base = types.delta, types.get("base")
    if delta.dtype not in (DType.INT8, DType.INT16) or not 0 <= unit_bits <= _MOST_UNIT_BITS:
        msg = f"{delta} with a unit of 2^{unit_bits} is no delta of a bias"
        raise ValueError(msg)
    if base is None:
        return
    whole = bias_delta_type(base, BiasPrecision(delta.dtype, unit_bits))
    if base.dtype not in (DType.INT16, DType.INT32) or whole != delta:
        msg = f"delta {delta} does not belong to the bias {base}"
        raise ValueError(msg)


def stored_widths(types: Operands[TensorType], unit_bits: int) -> dict[str, int]:
    """What kernels are told about a delta and its base."""
    base = types.get("base")
    return {
        "unit_bits": unit_bits,
        "wide": int(types.delta.dtype is DType.INT16),
        "wide_base": int(base is not None and base.dtype is DType.INT32),
    }


def _delta_case(name: str, channels: int, precision: BiasPrecision, base: DType | None) -> Case:
    bias = example_bias(channels)
    delta = bias_delta_type(bias, precision)
    most = int(np.iinfo(delta.dtype.value).max)
    if base is None:
        attributes = BiasDeltaAttributes(precision.unit_bits, has_base=False)
        return Case(name, attributes, (delta,), low={"delta": -most})
    limit = min(bias_limit(27), int(np.iinfo(base.value).max))
    return Case(
        name,
        BiasDeltaAttributes(precision.unit_bits),
        (TensorType(bias.shape, base, bias.quantization), delta),
        low={"base": -limit, "delta": -most},
        high={"base": limit},
    )


def example_bias(channels: int) -> TensorType:
    """Type of a bias that cases are made with."""
    scales = tuple(1e-5 * (1 + channel) for channel in range(channels))
    return TensorType((channels,), DType.INT32, Quantization(scales, 0, 0))
