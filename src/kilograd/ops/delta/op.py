"""A trained weight is its base, which stays in flash, moved by a delta, which is the state.

The delta has eight bits like the weight, but its unit is a fraction of the weight's. Stochastic
rounding moves it by whole units, so the noise that rounding leaves in the weight after many small
steps is smaller by the square root of that fraction, at the same memory (docs/numerics.md,
section 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.spec import (
    Array,
    Case,
    Input,
    Kernel,
    Operand,
    OpSpec,
    Output,
    StepContext,
    exactly,
)


@dataclass(frozen=True)
class DeltaAttributes:
    """Attributes of ``apply_delta``.

    Attributes:
        fraction_bits: binary digits of the delta below one step of the weight: at least 1, and
            less than the delta's bits.
        has_base: whether there is a base; otherwise it is zero.
    """

    fraction_bits: int
    has_base: bool = True


@dataclass(frozen=True)
class Precision:
    """How a weight's delta is stored.

    Attributes:
        dtype: int8 or int16.
        fraction_bits: see ``DeltaAttributes``.
    """

    dtype: DType
    fraction_bits: int


#: As large as the weight; reaches 16 of its steps to either side.
NARROW = Precision(DType.INT8, 3)
#: Twice as large; reaches all that the weight can be.
WIDE = Precision(DType.INT16, 8)


def delta_type(weight: TensorType, precision: Precision) -> TensorType:
    """Type of a weight's delta: its shape, its scales over 2^fraction_bits."""
    quantization = weight.quantization
    if quantization is None:
        msg = "a weight without scales has no delta"
        raise ValueError(msg)
    scales = tuple(scale * 2.0**-precision.fraction_bits for scale in quantization.scales)
    return TensorType(weight.shape, precision.dtype, Quantization(scales, 0, quantization.axis))


def weight_type(delta: TensorType, fraction_bits: int) -> TensorType:
    """The opposite of ``delta_type``; powers of two change no digit of a scale."""
    scales = tuple(scale * 2.0**fraction_bits for scale in delta.scales)
    axis = delta.quantization.axis if delta.quantization else None
    return TensorType(delta.shape, DType.INT8, Quantization(scales, 0, axis))


def effective_weight(base: Array | int, delta: Array, fraction_bits: int) -> Array:
    """Base + delta / 2^fraction_bits, halves up, saturated at ±127, int8."""
    steps = (delta.astype(np.int64) + (1 << (fraction_bits - 1))) >> fraction_bits
    return np.clip(base + steps, -127, 127).astype(np.int8)


def unrounded_weight(base: Array | int, delta: Array, fraction_bits: int) -> NDArray[np.float64]:
    """Base + delta / 2^fraction_bits in steps of the weight, saturated at ±127; exact."""
    return np.clip(base + exactly(delta) * 2.0**-fraction_bits, -127.0, 127.0)


class ApplyDelta(OpSpec[DeltaAttributes]):
    """weight = base + delta / 2^fraction_bits, halves up, saturated at ±127.

    Inputs: base int8 (a weight; not there where it is zero), delta int8 or int16 of the same
    shape. Output: the weight, int8. The step of the layer that reads the weight is the delta's;
    see ``layers.contribute_updates``.
    """

    name = "apply_delta"
    attributes_type = DeltaAttributes
    operands = (Operand("base", lambda attributes: attributes.has_base), Operand("delta"))
    results = ("weight",)

    def infer(
        self, attributes: DeltaAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The base's type."""
        types = self.bind(attributes, inputs)
        delta, base = types.delta, types.get("base")
        most = 8 * delta.dtype.itemsize - 1
        if not 1 <= attributes.fraction_bits <= most:
            msg = f"a delta has 1 to {most} fraction bits, not {attributes.fraction_bits}"
            raise ValueError(msg)
        weight = weight_type(delta, attributes.fraction_bits)
        if base not in (None, weight):
            msg = f"delta {delta} does not belong to the weight {base}"
            raise ValueError(msg)
        return (weight,)

    def reference(
        self,
        attributes: DeltaAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Round the delta to whole steps, add, saturate."""
        del inputs, context
        given = self.bind(attributes, arrays)
        base = given.base if attributes.has_base else 0
        return (effective_weight(base, given.delta, attributes.fraction_bits),)

    def kernel(self, attributes: DeltaAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_apply_delta or kg_apply_wide_delta."""
        delta = self.bind(attributes, inputs).delta
        fields = {"count": delta.size, "fraction_bits": attributes.fraction_bits}
        name = "apply_wide_delta" if delta.dtype is DType.INT16 else "apply_delta"
        return Kernel(name, fields, (Input("base"), Input("delta"), Output("weight")))

    def cases(self) -> Sequence[Case]:
        """Counts that do and do not fill whole words; one fraction bit, several, all."""
        narrow = [(Precision(DType.INT8, bits), True) for bits in (1, 3, 7)]
        wide = [(Precision(DType.INT16, bits), bits != WIDE.fraction_bits) for bits in (8, 15)]
        shapes = [(3, 5), (4, 8), (2, 3, 3, 1)]
        cases: list[Case] = []
        for index, (precision, has_base) in enumerate([*narrow, *wide]):
            shape = shapes[index % len(shapes)]
            scales = tuple(2.0**-7 * (1 + channel) for channel in range(shape[0]))
            base = TensorType(shape, DType.INT8, Quantization(scales, 0, 0))
            delta = delta_type(base, precision)
            cases.append(
                Case(
                    f"{precision.dtype.value}{precision.fraction_bits}",
                    DeltaAttributes(precision.fraction_bits, has_base),
                    (base, delta) if has_base else (delta,),
                    low={"base": -127, **({"delta": -127} if delta.dtype is DType.INT8 else {})},
                )
            )
        return cases
