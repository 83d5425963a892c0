"""Huber loss of the one value that a network estimates, in fixed point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kilograd.ir import DType, LabelKind, Quantization, TensorType
from kilograd.ops.loss.op import Loss, rounded_loss
from kilograd.ops.spec import (
    PLAIN,
    Array,
    Case,
    Control,
    Input,
    Kernel,
    Output,
    RngAttributes,
    StepContext,
    Use,
)

#: Up to this error, in Q16, the loss is a square: half the range of values.
DELTA = 1 << 16
#: An error of this size, in Q16, is a loss spike: four times the range of values.
SPIKE = 1 << 19


class HuberLoss(Loss):
    """e² / 2 up to |e| = 1, and |e| − 1/2 beyond, for the error e of an estimate.

    Huber, "Robust Estimation of a Location Parameter", 1964. Its gradient is e, but at most 1: as
    large as that of a cross-entropy, whatever a sensor says. A step's label is the right value, in
    the unit of the logit.
    """

    name = "huber_loss"
    label_kind = LabelKind.VALUE

    def infer(
        self, attributes: RngAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """A gradient of one element, and its exponent."""
        found = super().infer(attributes, inputs)
        if (count := self.bind(attributes, inputs).logits.size) != 1:
            msg = f"a network that estimates a value has one logit, not {count}"
            raise ValueError(msg)
        return found

    def reference(
        self,
        attributes: RngAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """The error, at most 1, normalized, rounded stochastically."""
        del inputs
        errors = self.bind(attributes, arrays).logits.astype(np.int64) - context.label
        context.counters.loss_spikes += int(abs(errors[0]) >= SPIKE)
        return rounded_loss(np.clip(errors, -DELTA, DELTA) << 14, attributes, context)

    def kernel(self, attributes: RngAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_huber_loss."""
        del inputs
        arguments = (Control(), Input("logits"), Output("gradient"), Output("loss_exponent"))
        return Kernel(self.name, {"rng_stream": attributes.rng_stream}, arguments, {PLAIN: Use()})

    def cases(self) -> Sequence[Case]:
        """Small errors, errors beyond the square, and any."""
        type_ = TensorType((1,), DType.INT32, Quantization((2.0**-16,), 0))
        return [
            Case(
                f"within{reach}",
                RngAttributes(7),
                (type_,),
                low={"logits": -reach},
                high={"logits": reach},
            )
            for reach in (1 << 8, 1 << 17, 2**31 - 1)
        ]
