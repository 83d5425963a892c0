"""What operators know only while a training step runs, and what they count."""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass
class TrainingCounters:
    """What training has met since a device was initialized, modulo 2^32 (numerics, section 9).

    Attributes:
        steps: training steps.
        weight_updates: steps of single weights.
        weights_saturated: of them, those that were cut at ±127.
        biases_saturated: steps of biases that were cut at the bias's limit.
        gradients: gradient tensors with an exponent of their own.
        gradients_saturated: of them, those with an element beyond ±127.
        gradients_vanished: of them, those of nothing but zeros.
        elements_masked: elements of gradients that a clamp stopped.
        loss_spikes: steps whose sample's class had a probability below 2^−16.
        losses_vanished: steps whose loss had a gradient of less than seven bits.
    """

    steps: int = 0
    weight_updates: int = 0
    weights_saturated: int = 0
    biases_saturated: int = 0
    gradients: int = 0
    gradients_saturated: int = 0
    gradients_vanished: int = 0
    elements_masked: int = 0
    loss_spikes: int = 0
    losses_vanished: int = 0

    def plus(self, others: TrainingCounters) -> TrainingCounters:
        """The sum of both, modulo 2^32."""
        sums = {
            field.name: (getattr(self, field.name) + getattr(others, field.name)) & 0xFFFFFFFF
            for field in fields(self)
        }
        return TrainingCounters(**sums)


@dataclass(frozen=True)
class StepContext:
    """What is known only while a step runs.

    Attributes:
        seed: of the stochastic rounding, uint32.
        step: number of training steps done before this one, uint32.
        label: the sample's class.
        rate_mantissa: learning rate = mantissa · 2^exponent, 0 ≤ mantissa < 2^15.
        rate_exponent: see above.
        classes: how many classes, the first ones, are active; 0 for all.
        counters: where operators count.
    """

    seed: int = 0
    step: int = 0
    label: int = 0
    rate_mantissa: int = 0
    rate_exponent: int = 0
    classes: int = 0
    counters: TrainingCounters = field(default_factory=TrainingCounters, compare=False)
