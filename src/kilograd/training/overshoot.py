"""Tells a rate that is too high by what a step does to its own sample, and lowers it.

The error of a sample is what softmax gives each class less what is right. A step with the rate η
removes about η · ‖∂z/∂θ‖² of it, z being the logits: as in normalized least mean squares, one
removes all of it, and more than two makes it larger than it was (Haykin, "Adaptive Filter Theory",
section 6). Samples that are alike share most of ∂z/∂θ, so a step that goes far beyond its own
sample's error undoes what others have taught.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kilograd.training.divergence import DivergenceMonitor

#: Training steps from one look to the next, and looks that are judged together.
LOOK_STEPS, LOOKS = 5, 5

#: A rate is judged by this many steps from the start, or from where the run went back to it.
#: Later, networks that learn well remove more than once a sample's error as well.
JUDGED_STEPS = 100

#: Multiples of its error that a step removes from its sample, in the median, at which the rate is
#: too high. At default rates the most was 2.5 in these steps, and at three times as much each run
#: passed 3.0 (MCUNet's scheme 99kb, training samples of five packs, three orders).
LIMIT = 3.0

#: Errors smaller than this, as a squared norm, are not looked at: the sample is known.
_KNOWN = 0.01

_LOGIT = 2.0**-16


class OvershootGuard:
    """Watches the first steps of a run at a constant rate, and is the same on every device.

    Where steps overshoot, the run goes back to where it started, at a quarter of the rate.

    Args:
        monitor: of the run; it puts the state back.
    """

    def __init__(self, monitor: DivergenceMonitor) -> None:
        self._monitor = monitor
        self._steps = 0
        self._removed: list[float] = []

    def is_due(self) -> bool:
        """Counts a training step; whether its sample is to be predicted again."""
        self._steps += 1
        return self._steps <= JUDGED_STEPS and self._steps % LOOK_STEPS == 0

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
        overshoots = bool(self._removed) and float(np.median(self._removed)) > LIMIT
        self._removed = []
        if overshoots:
            self._monitor.overshot()
            self._steps = 0


def removed_error(before: NDArray[np.int32], after: NDArray[np.int32], label: int) -> list[float]:
    """How many times its error a step has removed from its sample; nothing where it is known."""
    active = before > np.iinfo(np.int32).min
    logits = before[active] * _LOGIT
    error = np.exp(logits - logits.max())
    error /= error.sum()
    error[label] -= 1
    squared = float(error @ error)
    if squared < _KNOWN:
        return []
    return [-float((after[active] * _LOGIT - logits) @ error) / squared]
