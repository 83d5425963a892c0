"""What is known in the course of a run, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kilograd.ops.spec import TrainingCounters


@dataclass(frozen=True)
class Record:
    """What is known after a step, or after an evaluation.

    Attributes:
        step: training steps done.
        counters: what the device counted so far.
        learning_rate: of the step, by its schedule; None after an evaluation.
        loss: of the step's sample before it was learned from: cross-entropy in nats, or Huber's.
        running_accuracy: of the last samples before they were learned from.
        test_accuracy: on the test samples; None after a step.
        running_error: where labels are values, in place of the accuracy: the mean absolute error,
            as a share of their range.
        test_error: likewise.
    """

    step: int
    counters: TrainingCounters
    learning_rate: float | None = None
    loss: float | None = None
    running_accuracy: float | None = None
    test_accuracy: float | None = None
    running_error: float | None = None
    test_error: float | None = None


#: Told of each record.
RecordListener = Callable[[Record], None]
