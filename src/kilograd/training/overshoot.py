"""Tells a rate that is too high by what a step does to its own sample, and lowers it.

The error of a sample is what softmax gives each class less what is right. A step with the rate η
removes about η · ‖∂z/∂θ‖² of it, z being the logits: as in normalized least mean squares, one
removes all of it, and more than two makes it larger than it was (Haykin, "Adaptive Filter Theory",
section 6). Samples that are alike share most of ∂z/∂θ, so a step that goes far beyond its own
sample's error undoes what others have taught.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kilograd.training.answers import OneClass
from kilograd.training.divergence import DivergenceMonitor

#: Training steps from one look to the next, and looks that are judged together.
LOOK_STEPS, LOOKS = 5, 5

#: A rate is judged by this many steps from the start, or from where the run went back to it.
JUDGED_STEPS = 200

#: Where samples are learned from again, the first steps from new ones are judged, all together.
FIRST_STEPS = 25

#: Multiples of their errors that these steps remove, weighted by the size of the error, at which
#: the rate is too high.
FIRST_LIMIT = 2.8

#: Multiples of its error that a step removes from its sample, in the median, at which the rate is
#: too high while the samples are not learned. Networks that have learned pass it at any rate.
LIMIT = 3.0

#: Samples are not learned where their mean loss is above this share of ln(classes), which is that
#: of a network that knows nothing; and a rate is too high where it is above the other.
UNLEARNED, WORSE_THAN_NOTHING = 0.5, 1.25

#: Errors smaller than this, as a squared norm, are not looked at: the sample is known.
_KNOWN = 0.01

_LOGIT = 2.0**-16

#: The logit of a class that is not active.
_INACTIVE = np.iinfo(np.int32).min


class FirstStepsGuard:
    """Judges the first steps from new samples where samples are learned from again.

    Each of `FIRST_STEPS` is looked at; by its loss nothing is judged, since in a sorted stream that
    of the next class is high at any rate. Where they move the logits of their samples much further
    than the errors are large, the run goes back to where it started, at a quarter of the rate, and
    its next steps are judged. The same on every device.

    Args:
        monitor: of the run; it puts the state back.
    """

    def __init__(self, monitor: DivergenceMonitor) -> None:
        self._monitor = monitor
        self._begin()

    def _begin(self) -> None:
        self._rate = self._monitor.rate
        self._left = FIRST_STEPS
        self._moved = self._errors = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the sample of the next step is to be predicted again, for `look`."""
        return self._left > 0

    def look(self, before: NDArray[np.int32], after: NDArray[np.int32], label: int) -> None:
        """What a step did to its own sample; may change the device's state and the monitor's rate.

        Args:
            before: logits of its sample before it, int32 (classes,).
            after: and after it.
            label: of the sample.
        """
        if self._monitor.rate != self._rate:  # the run went back for another reason
            self._begin()
        self._left -= 1
        error, change = _error_and_change(before, after, label)
        size = float(np.linalg.norm(error))
        self._errors += size
        self._moved -= float(change @ error) / size if size else 0.0
        if not self._left and self._moved > FIRST_LIMIT * self._errors:
            self._monitor.overshot()
            self._begin()


class OvershootGuard:
    """Watches the first steps of a run at a constant rate, and is the same on every device.

    Where steps overshoot, the run goes back to where it started, at a quarter of the rate.

    Args:
        monitor: of the run; it puts the state back.
    """

    def __init__(self, monitor: DivergenceMonitor) -> None:
        self._monitor = monitor
        self._begin()

    def _begin(self) -> None:
        self._steps = 0
        self._removed: list[float] = []
        self._losses: list[float] = []

    def is_due(self, before: NDArray[np.int32], label: int) -> bool:
        """Counts a training step; whether its sample is to be predicted again, for `look`.

        Args:
            before: logits of its sample before it, int32 (classes,).
            label: of the sample.
        """
        self._steps += 1
        if self._steps > JUDGED_STEPS:
            return False
        self._losses.append(share_of_loss(before, label))
        return self._steps % LOOK_STEPS == 0

    def look(self, before: NDArray[np.int32], after: NDArray[np.int32], label: int) -> None:
        """What a step did to its sample; may change the device's state and the monitor's rate.

        Args:
            before: logits of its sample before it, int32 (classes,).
            after: and after it.
            label: of the sample.
        """
        self._removed += removed_error(before, after, label)
        if self._steps % (LOOK_STEPS * LOOKS):
            return
        loss = float(np.mean(self._losses))
        overshoots = bool(self._removed) and float(np.median(self._removed)) > LIMIT
        self._removed, self._losses = [], []
        if loss > WORSE_THAN_NOTHING or (overshoots and loss > UNLEARNED):
            self._monitor.overshot()
            self._begin()


def removed_error(before: NDArray[np.int32], after: NDArray[np.int32], label: int) -> list[float]:
    """How many times its error a step has removed from its sample; nothing where it is known."""
    error, change = _error_and_change(before, after, label)
    squared = float(error @ error)
    return [-float(change @ error) / squared] if squared >= _KNOWN else []


def _error_and_change(
    before: NDArray[np.int32], after: NDArray[np.int32], label: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A sample's error before a step, and what the step did to its logits."""
    active = before > _INACTIVE
    logits = before[active] * _LOGIT
    error = np.exp(logits - logits.max())
    error /= error.sum()
    error[label] -= 1
    return error, after[active] * _LOGIT - logits


def share_of_loss(logits: NDArray[np.int32], label: int) -> float:
    """A sample's cross-entropy, as a share of that of a network that knows nothing."""
    active = logits[logits > _INACTIVE].size
    return OneClass(active).loss(logits, label) / math.log(active)
