"""How well normal samples are told from others by how badly a network makes them again."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.ops.loss.reconstruction import ERROR_SCALE
from kilograd.training.answers import Evaluation, Predictions

#: Of so many normal samples, one has an error above the threshold.
NORMAL_SAMPLES = 100

_NORMAL = 0
#: The range of a sample's elements, in units of a reconstruction.
_SPAN = 2.0


def root_mean_square(
    errors: NDArray[np.int64], value_range: tuple[float, float]
) -> NDArray[np.float64]:
    """Reconstruction errors, as a network gives them, in the unit of a sample's elements.

    Args:
        errors: [n].
        value_range: of an element.
    """
    low, high = value_range
    return np.sqrt(errors * ERROR_SCALE) * ((high - low) / _SPAN)


@dataclass(frozen=True)
class Detection(Evaluation):
    """What a network that makes samples again finds unusual.

    Attributes:
        scores: a row a sample: its label, 0 where it is normal, and its reconstruction error, as
            the network gives it, [n, 2].
        threshold: what is above it counts as an anomaly; None where nothing says which it is.
    """

    scores: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    threshold: int | None = None

    @property
    def has_errors(self) -> bool:
        """True."""
        return True

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.scores)

    def of(self, label: int) -> NDArray[np.int64]:
        """The errors of one kind of sample."""
        return self.scores[self.scores[:, 0] == label, 1]

    @property
    def error(self) -> float:
        """The mean over normal samples of a sample's root mean squared error, in ranges."""
        errors = self.of(_NORMAL)
        return float(np.sqrt(errors * ERROR_SCALE).mean() / _SPAN) if len(errors) else 0.0

    @property
    def auc(self) -> float | None:
        """`auc_of` all anomalies together."""
        return _auc(self.of(_NORMAL), self.scores[self.scores[:, 0] != _NORMAL, 1])

    def auc_of(self, label: int) -> float | None:
        """The area under the receiver operating characteristic of one kind of anomaly.

        It is the probability that one of these has a larger error than a normal sample (ties
        count half); None where there are no samples of either.
        """
        return _auc(self.of(_NORMAL), self.of(label))

    def share_above(self, label: int | None = None) -> float | None:
        """Share of samples of a kind, or of all anomalies, that count as anomalies.

        None without a threshold, or without such samples.
        """
        is_asked = self.scores[:, 0] == label if label is not None else self.scores[:, 0] != _NORMAL
        asked = self.scores[is_asked, 1]
        if self.threshold is None or not len(asked):
            return None
        return float((asked > self.threshold).mean())

    def with_threshold(self, normal: Evaluation) -> Detection:
        """The same, with the threshold that follows from the errors of other, normal samples."""
        errors = normal.of(_NORMAL) if isinstance(normal, Detection) else self.scores[:0, 1]
        return replace(self, threshold=threshold_of(errors))

    def figures(self, value_range: tuple[float, float]) -> dict[str, Any]:
        """For JSON; the error is in the unit of a sample's elements, the threshold as in C.

        Args:
            value_range: of a sample's elements.
        """
        low, high = value_range
        labels = range(1 + int(self.scores[:, 0].max(initial=0)))
        return {
            "error": self.error * (high - low),
            "threshold": self.threshold,
            "auc": self.auc,
            "false_alarm_rate": self.share_above(_NORMAL),
            "detection_rate": self.share_above(),
            "auc_by_class": [None if k == _NORMAL else self.auc_of(k) for k in labels],
            "above_by_class": [self.share_above(k) for k in labels],
        }


@dataclass(frozen=True)
class Reconstructions:
    """Every sample is made again, badly where it is unlike those that were learned."""

    def score(self, logits: NDArray[np.int32], label: int) -> float:
        """The root mean squared error, as a share of the range of a sample's elements."""
        del label
        return math.sqrt(int(logits[0]) * ERROR_SCALE) / _SPAN

    def loss(self, logits: NDArray[np.int32], label: int) -> float:
        """Half the mean squared error, in halves of the range."""
        del label
        return int(logits[0]) * ERROR_SCALE / 2

    def evaluation(self, predictions: Predictions) -> Detection:
        """All errors, with labels."""
        rows = [(label, int(logits[0])) for logits, label in predictions]
        scores = np.array(rows, np.int64).reshape(-1, 2)
        return Detection(np.zeros((0, 0), np.int64), scores=scores)


def threshold_of(errors: NDArray[np.int64]) -> int | None:
    """The error that at most one in `NORMAL_SAMPLES` exceeds; None of none.

    The same as ``kg_threshold.h`` finds, as long as this keeps enough errors.
    """
    if not len(errors):
        return None
    above = (len(errors) - 1) // NORMAL_SAMPLES
    return int(np.sort(errors)[len(errors) - 1 - above])


def _auc(normal: NDArray[np.int64], others: NDArray[np.int64]) -> float | None:
    """Mann and Whitney's U of the others, as a share of all pairs."""
    if not len(normal) or not len(others):
        return None
    ordered = np.sort(normal)
    below = np.searchsorted(ordered, others, "left") + np.searchsorted(ordered, others, "right")
    return float(below.sum() / (2 * len(normal) * len(others)))
