"""What losses share, and softmax cross-entropy in fixed point: logits in, their gradient out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Quantization, TensorType
from kilograd.ops.arithmetic import random_bits, stochastic_round
from kilograd.ops.gradient_scale import EXPONENT
from kilograd.ops.spec import (
    PLAIN,
    Array,
    Case,
    Control,
    Input,
    Kernel,
    OpSpec,
    Output,
    RngAttributes,
    Role,
    Scratch,
    StepContext,
    Use,
    required,
)

#: log2(e) in Q24.
LOG2_E = round(math.log2(math.e) * (1 << 24))
#: Bits of a gradient but for its sign.
_GRADIENT_BITS = 7
#: A probability below this, in Q30, is a loss spike: 2^−16, a loss of 11 nats.
SPIKE = 1 << 14
#: Coefficients of 2^−f = Σ (−f·ln 2)^k / k! in Q30, lowest order first.
EXP2_COEFFICIENTS = tuple(
    round((-math.log(2)) ** k / math.factorial(k) * (1 << 30)) for k in range(8)
)


def exp2_negative(u: NDArray[np.int64]) -> NDArray[np.int64]:
    """2^(−u) in Q30 for u ≥ 0 in Q24, by Horner's rule on the fraction."""
    whole = np.minimum(u >> 24, 31)
    fraction = (u & 0xFFFFFF) << 6
    value = np.full_like(u, EXP2_COEFFICIENTS[-1])
    for coefficient in reversed(EXP2_COEFFICIENTS[:-1]):
        value = ((value * fraction) >> 30) + coefficient
    return value >> whole


def softmax(logits: Array) -> NDArray[np.int64]:
    """Probabilities in Q30 of int32 logits in Q16 (natural-logarithm units)."""
    below = int(logits.max()) - logits.astype(np.int64)
    powers = exp2_negative((below * LOG2_E) >> 16)
    return (powers << 30) // powers.sum()


def rounded_loss(
    errors: NDArray[np.int64], attributes: RngAttributes, context: StepContext
) -> tuple[Array, ...]:
    """A gradient normalized and rounded stochastically, and its exponent.

    Args:
        errors: in Q30, [N].
        attributes: name the stream of random numbers.
        context: of the step.
    """
    bits = int(np.bitwise_or.reduce(np.abs(errors))).bit_length()
    context.counters.losses_vanished += int(bits < _GRADIENT_BITS)
    shift = max(bits - _GRADIENT_BITS, 0)
    noise = random_bits(context.seed, context.step, attributes.rng_stream, errors.size)
    rounded = np.clip(stochastic_round(errors, shift, noise), -127, 127)
    return rounded.astype(np.int8), np.array([shift - 30], np.int32)


class Loss(OpSpec[RngAttributes]):
    """The gradient of a loss, normalized for each sample.

    Input: logits int32[N], scale 2^−16. Outputs: gradient int8[N], and the loss exponent
    int32[1]: real gradient = q · 2^(loss exponent). The exponent is chosen so that the largest
    element takes seven bits, so that a sample's difficulty costs no precision downstream.
    """

    attributes_type = RngAttributes
    role = Role.LOSS
    operands = required("logits")
    results = ("gradient", "loss_exponent")

    def begin(self, graph: Graph, rng_stream: int) -> tuple[Mapping[str, str], RngAttributes]:
        """The logits."""
        return {"logits": graph.outputs[0]}, RngAttributes(rng_stream)

    def infer(
        self, attributes: RngAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """A gradient of the logits' shape, and its exponent."""
        logits = self.bind(attributes, inputs).logits
        if logits.dtype is not DType.INT32 or logits.scale != 2.0**-16:
            msg = "logits must be int32 with scale 2^-16"
            raise ValueError(msg)
        return (TensorType(logits.shape), EXPONENT)


class CrossEntropy(Loss):
    """Gradient of −log p(label).

    Only the active classes take part; the gradient of the others is 0.
    """

    def infer(
        self, attributes: RngAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """A gradient of the logits' shape, and its exponent."""
        found = super().infer(attributes, inputs)
        if self.bind(attributes, inputs).logits.size < 2:  # noqa: PLR2004 - nothing to tell apart
            msg = "there must be at least two classes"
            raise ValueError(msg)
        return found

    def kernel(self, attributes: RngAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """The kernel of the same name, with a word of scratch for each class."""
        classes = self.bind(attributes, inputs).logits.size
        fields = {
            "classes": classes,
            "log2_e": LOG2_E,
            "exp2_coefficient": np.array(EXP2_COEFFICIENTS, np.int32),
            "rng_stream": attributes.rng_stream,
        }
        outputs = (Output("gradient"), Output("loss_exponent"))
        arguments = (Control(), Input("logits"), *outputs, Scratch())
        uses = {PLAIN: Use(4 * classes)}
        return Kernel(self.name, fields, arguments, uses)

    #: Most classes of a case, and of any network that the loss can be of.
    _MANY: ClassVar[int] = 81

    def cases(self) -> Sequence[Case]:
        """Two classes and many; close and far logits."""
        cases: list[Case] = []
        for classes, reach in [(2, 1 << 16), (10, 5 << 16), (self._MANY, 40 << 16), (5, 2**30)]:
            logits = TensorType((classes,), DType.INT32, Quantization((2.0**-16,), 0))
            cases.append(
                Case(
                    f"{classes}classes{reach}",
                    RngAttributes(7),
                    (logits,),
                    low={"logits": -reach},
                    high={"logits": reach},
                )
            )
        return cases


class SoftmaxCrossEntropy(CrossEntropy):
    """−log softmax(logits)[label]: the classes compete."""

    name = "softmax_cross_entropy"

    def reference(
        self,
        attributes: RngAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Probabilities less the label's one, normalized, rounded stochastically."""
        del inputs
        logits = self.bind(attributes, arrays).logits
        active = context.classes or logits.size
        errors = np.zeros(logits.size, np.int64)
        errors[:active] = softmax(logits[:active])
        context.counters.loss_spikes += int(errors[context.label] < SPIKE)
        errors[context.label] -= 1 << 30
        return rounded_loss(errors, attributes, context)
