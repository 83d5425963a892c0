"""Binary cross-entropy of every label by itself, in fixed point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import MOST_LABELS, LabelKind, TensorType
from kilograd.ops.loss.op import LOG2_E, SPIKE, CrossEntropy, exp2_negative, rounded_loss
from kilograd.ops.spec import Array, RngAttributes, StepContext

_ONE = 1 << 30


def sigmoid(logits: Array) -> NDArray[np.int64]:
    """Probabilities in Q30 of int32 logits in Q16 (natural-logarithm units)."""
    wide = logits.astype(np.int64)
    power = exp2_negative((np.abs(wide) * LOG2_E) >> 16)
    return (np.where(wide < 0, power, _ONE) << 30) // (_ONE + power)


class SigmoidCrossEntropy(CrossEntropy):
    """Σ −log σ(±logit): every label is there or not, whatever the others are.

    A step's label is a set: bit k is 1 where label k applies.
    """

    name = "sigmoid_cross_entropy"
    label_kind = LabelKind.SET
    _MANY = MOST_LABELS

    def infer(
        self, attributes: RngAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """A gradient of the logits' shape, and its exponent."""
        found = super().infer(attributes, inputs)
        if (count := self.bind(attributes, inputs).logits.size) > MOST_LABELS:
            msg = f"a set has at most {MOST_LABELS} labels, not {count}"
            raise ValueError(msg)
        return found

    def reference(
        self,
        attributes: RngAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Probabilities less one where a label applies, normalized, rounded stochastically."""
        del inputs
        logits = self.bind(attributes, arrays).logits
        active = context.classes or logits.size
        present = sigmoid(logits[:active])
        applies = (context.label >> np.arange(active)) & 1
        right = np.where(applies == 1, present, _ONE - present)
        context.counters.loss_spikes += int((right < SPIKE).any())
        errors = np.zeros(logits.size, np.int64)
        errors[:active] = present - (applies << 30)
        return rounded_loss(errors, attributes, context)
