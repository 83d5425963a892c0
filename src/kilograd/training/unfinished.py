"""A run that was asked to stop before its end, and what is needed to go on with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kilograd.ops.spec import TrainingCounters
from kilograd.training.answers import Evaluation
from kilograd.training.divergence import Watch


@dataclass(frozen=True)
class Unfinished:
    """A run that was interrupted, to go on with later.

    Attributes:
        state: the device's, after the last whole step.
        watch: what the monitor of divergences knew.
        scores: how much of each answer was right, or its error, one a step.
        losses: of each step.
        before: evaluation before the first step; None where that was not whole.
        counters: what the device counted so far.
    """

    state: bytes
    watch: Watch
    scores: Sequence[float]
    losses: Sequence[float]
    before: Evaluation | None
    counters: TrainingCounters

    @property
    def steps(self) -> int:
        """Training steps done."""
        return len(self.scores)


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """A run stopped where it was asked to.

    Attributes:
        state: what the device has learned.
        steps: training steps done.
        total: training steps of the whole run.
        unfinished: what to go on from; None where a run cannot.
    """

    def __init__(
        self, state: bytes, steps: int, total: int, unfinished: Unfinished | None = None
    ) -> None:
        super().__init__(f"interrupted after {steps} of {total} training steps")
        self.state = state
        self.steps = steps
        self.total = total
        self.unfinished = unfinished


def never() -> bool:
    """A run that nobody interrupts."""
    return False
