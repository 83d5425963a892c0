"""What logits say, and how much of it is right: of one class, of sets of labels, of a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_LOGIT_ONE = 1 << 16
#: From the lowest to the highest value that is expected.
_VALUE_SPAN = 2 * _LOGIT_ONE


#: Logits and labels.
Predictions = Sequence[tuple[NDArray[np.int32], int]]


@dataclass(frozen=True)
class Evaluation:
    """Predictions on labelled samples.

    Attributes:
        confusion: counts [true class, predicted class]; of sets of labels
            [label, whether it applies, whether it was predicted]; of values nothing, (0, 0).
        estimates: of values alone, a row a sample: the right one and the estimate, as labels have
            them, [n, 2].
    """

    confusion: NDArray[np.int64]
    estimates: NDArray[np.int64] | None = None

    @property
    def has_errors(self) -> bool:
        """Whether answers are off by some error, and not right or wrong."""
        return self.estimates is not None

    @property
    def are_sets(self) -> bool:
        """Whether samples have sets of labels."""
        return self.confusion.ndim > 2  # noqa: PLR2004 - a matrix for each label

    @property
    def count(self) -> int:
        """Number of samples."""
        if self.estimates is not None:
            return len(self.estimates)
        return int(self.confusion.sum()) // (len(self.confusion) if self.are_sets else 1)

    @property
    def accuracy(self) -> float:
        """Share of samples whose largest logit is their class's, in [0, 1].

        Of sets, the share of samples and labels of which it was rightly said whether they apply.

        Raises:
            ValueError: of answers that have errors.
        """
        if self.has_errors:
            msg = "such answers have errors, and no accuracy"
            raise ValueError(msg)
        right = np.trace(self.confusion, axis1=-2, axis2=-1).sum()
        return float(right / max(1, int(self.confusion.sum())))

    @property
    def error(self) -> float:
        """Of values, the mean absolute error as a share of their range; 0 without samples."""
        values, estimates = self._columns
        return float(np.abs(estimates - values).mean() / _VALUE_SPAN) if len(values) else 0.0

    @property
    def explained(self) -> float | None:
        """Of values, the coefficient of determination R²; None where all are the same."""
        values, estimates = self._columns
        total = float(np.square(values - values.mean()).sum()) if len(values) else 0.0
        return 1 - float(np.square(estimates - values).sum()) / total if total else None

    @property
    def _columns(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self.estimates is None:
            msg = "classes have an accuracy, and no errors"
            raise ValueError(msg)
        real: NDArray[np.float64] = self.estimates.astype(np.float64)
        return real[:, 0], real[:, 1]

    def figures(self, value_range: tuple[float, float]) -> dict[str, Any]:
        """For JSON; errors are in the unit of the values.

        Args:
            value_range: of the values, if that is what was estimated.
        """
        if self.estimates is None:
            return {"accuracy": self.accuracy, "confusion": self.confusion.tolist()}
        low, high = value_range
        return {"error": self.error * (high - low), "r2": self.explained}

    @property
    def recall(self) -> list[float | None]:
        """For each class, the share of its samples that were found; None where it has none."""
        present = self.confusion[:, 1] if self.are_sets else self.confusion
        counts = present.sum(axis=1).tolist()
        right = (present[:, 1] if self.are_sets else np.diag(present)).tolist()
        return [hits / count if count else None for hits, count in zip(right, counts, strict=True)]


class Answers(Protocol):
    """Compares logits with labels. Logits are int32 [classes], in units of 2^−16."""

    def score(self, logits: NDArray[np.int32], label: int) -> float:
        """How much of the answer is right, in [0, 1]; of a value, its error in ranges."""
        ...

    def loss(self, logits: NDArray[np.int32], label: int) -> float:
        """What is minimized: a cross-entropy in nats, or Huber's; for display only."""
        ...

    def evaluation(self, predictions: Predictions) -> Evaluation:
        """All answers together."""
        ...


@dataclass(frozen=True)
class OneClass:
    """Every sample is of one class.

    Attributes:
        classes: how many there are.
    """

    classes: int

    def score(self, logits: NDArray[np.int32], label: int) -> float:
        """1 where the largest logit is the label's, else 0."""
        return float(int(np.argmax(logits)) == label)

    def loss(self, logits: NDArray[np.int32], label: int) -> float:
        """−log softmax(logits)[label]."""
        real = logits.astype(np.float64) / _LOGIT_ONE
        real -= real.max()
        return float(np.log(np.exp(real).sum()) - real[label])

    def evaluation(self, predictions: Predictions) -> Evaluation:
        """Counts by [true class, predicted class]."""
        counts = np.zeros((self.classes, self.classes), np.int64)
        for logits, label in predictions:
            counts[label, int(np.argmax(logits))] += 1
        return Evaluation(counts)


@dataclass(frozen=True)
class LabelSets:
    """Every sample has any number of labels: bit k of what names them is 1 where k applies.

    Attributes:
        labels: how many there are.
    """

    labels: int

    def _applies(self, label: int) -> NDArray[np.int64]:
        return np.array([label >> k & 1 for k in range(self.labels)], np.int64)

    def score(self, logits: NDArray[np.int32], label: int) -> float:
        """Share of labels of which it is rightly said whether they apply."""
        return float(np.equal(logits > 0, self._applies(label)).mean())

    def loss(self, logits: NDArray[np.int32], label: int) -> float:
        """Σ −log σ(±logit)."""
        real = logits.astype(np.float64) / _LOGIT_ONE
        return float(np.logaddexp(0.0, np.where(self._applies(label) == 1, -real, real)).sum())

    def evaluation(self, predictions: Predictions) -> Evaluation:
        """Counts by [label, whether it applies, whether it was predicted]."""
        counts = np.zeros((self.labels, 2, 2), np.int64)
        every = np.arange(self.labels)
        for logits, label in predictions:
            counts[every, self._applies(label), (logits > 0).astype(np.int64)] += 1
        return Evaluation(counts)


@dataclass(frozen=True)
class Values:
    """Every sample has a value, which the only logit estimates."""

    def score(self, logits: NDArray[np.int32], label: int) -> float:
        """The absolute error, as a share of the range of values."""
        return abs(int(logits[0]) - label) / _VALUE_SPAN

    def loss(self, logits: NDArray[np.int32], label: int) -> float:
        """Huber's, of the error in halves of the range."""
        error = abs(int(logits[0]) - label) / _LOGIT_ONE
        return error**2 / 2 if error <= 1 else error - 1 / 2

    def evaluation(self, predictions: Predictions) -> Evaluation:
        """All estimates beside what is right."""
        rows = [(label, int(logits[0])) for logits, label in predictions]
        estimates = np.array(rows, np.int64).reshape(-1, 2)
        return Evaluation(np.zeros((0, 0), np.int64), estimates)
