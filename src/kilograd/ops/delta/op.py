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

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.spec import Array, Case, Input, KernelCall, OpSpec, Output, StepContext

BASE, DELTA = 0, 1

#: Binary digits of a delta below one step of its weight.
FRACTION_BITS = 3


@dataclass(frozen=True)
class DeltaAttributes:
    """Attributes of ``apply_delta``.

    Attributes:
        fraction_bits: binary digits of the delta below one step of the weight, 1 to 7.
    """

    fraction_bits: int


def delta_type(weight: TensorType, fraction_bits: int) -> TensorType:
    """Type of a weight's delta: its shape, its scales over 2^fraction_bits."""
    quantization = weight.quantization
    if quantization is None:
        msg = "a weight without scales has no delta"
        raise ValueError(msg)
    scales = tuple(scale * 2.0**-fraction_bits for scale in quantization.scales)
    return TensorType(weight.shape, DType.INT8, Quantization(scales, 0, quantization.axis))


class ApplyDelta(OpSpec[DeltaAttributes]):
    """weight = base + delta / 2^fraction_bits, halves up, saturated at ±127.

    Inputs: base int8 (a weight), delta int8 of the same shape. Output: the weight, as the base.
    The step of the layer that reads the weight is the delta's; see ``layers.contribute_steps``.
    """

    name = "apply_delta"
    attributes_type = DeltaAttributes

    def infer(
        self, attributes: DeltaAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The base's type."""
        if not 1 <= attributes.fraction_bits <= 7:  # noqa: PLR2004 - int8 has seven below its sign
            msg = f"a delta has 1 to 7 fraction bits, not {attributes.fraction_bits}"
            raise ValueError(msg)
        base, delta = inputs
        if delta != delta_type(base, attributes.fraction_bits):
            msg = f"delta {delta} does not belong to the weight {base}"
            raise ValueError(msg)
        return (base,)

    def reference(
        self,
        attributes: DeltaAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Round the delta to whole steps, add, saturate."""
        del inputs, context
        half = 1 << (attributes.fraction_bits - 1)
        steps = (arrays[DELTA].astype(np.int64) + half) >> attributes.fraction_bits
        return (np.clip(arrays[BASE] + steps, -127, 127).astype(np.int8),)

    def kernel(self, attributes: DeltaAttributes, inputs: Sequence[TensorType]) -> KernelCall:
        """kg_apply_delta."""
        fields = {"count": inputs[BASE].size, "fraction_bits": attributes.fraction_bits}
        return KernelCall("kg_apply_delta", fields, (Input(BASE), Input(DELTA), Output(0)))

    def cases(self) -> Sequence[Case]:
        """Counts that do and do not fill whole words; one fraction bit, several, all."""
        cases: list[Case] = []
        for bits, shape in ((1, (3, 5)), (3, (4, 8)), (7, (2, 3, 3, 1))):
            scales = tuple(0.01 * (1 + channel) for channel in range(shape[0]))
            base = TensorType(shape, DType.INT8, Quantization(scales, 0, 0))
            case = Case(
                f"{bits}bits",
                DeltaAttributes(bits),
                (base, delta_type(base, bits)),
                low={BASE: -127, DELTA: -127},
            )
            cases.append(case)
        return cases
