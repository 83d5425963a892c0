"""What logits say, and how much of it is right: of one class, or of sets of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kilograd.device.protocol import Device

_LOGIT_ONE = 1 << 16


@dataclass(frozen=True)
class Evaluation:
    """Predictions on labelled samples.

    Attributes:
        confusion: counts [true class, predicted class]; of sets of labels
            [label, whether it applies, whether it was predicted].
    """

    confusion: NDArray[np.int64]

    @property
    def are_sets(self) -> bool:
        """Whether samples have sets of labels."""
        return self.confusion.ndim > 2  # noqa: PLR2004 - a matrix for each label

    @property
    def count(self) -> int:
        """Number of samples."""
        return int(self.confusion.sum()) // (len(self.confusion) if self.are_sets else 1)

    @property
    def accuracy(self) -> float:
        """Share of samples whose largest logit is their class's, in [0, 1].

        Of sets, the share of samples and labels of which it was rightly said whether they apply.
        """
        right = np.trace(self.confusion, axis1=-2, axis2=-1).sum()
        return float(right / max(1, int(self.confusion.sum())))

    @property
    def recall(self) -> list[float | None]:
        """For each class, the share of its samples that were found; None where it has none."""
        present = self.confusion[:, 1] if self.are_sets else self.confusion
        counts = present.sum(axis=1).tolist()
        right = (present[:, 1] if self.are_sets else np.diag(present)).tolist()
        return [hits / count if count else None for hits, count in zip(right, counts, strict=True)]


class Answers(Protocol):
    """Compares logits with labels. Logits are int32 [classes], in units of 2^−16."""

    def right(self, logits: NDArray[np.int32], label: int) -> float:
        """How much of the answer is right, in [0, 1]."""
        ...

    def loss(self, logits: NDArray[np.int32], label: int) -> float:
        """The cross-entropy in nats; for display only."""
        ...

    def empty(self) -> NDArray[np.int64]:
        """Counts of an evaluation without samples."""
        ...

    def count(self, counts: NDArray[np.int64], logits: NDArray[np.int32], label: int) -> None:
        """Add a sample to them."""
        ...


def answers_of(device: Device) -> Answers:
    """What suits a device's network."""
    answers = LabelSets if device.has_label_sets else OneClass
    return answers(device.class_count)


@dataclass(frozen=True)
class OneClass:
    """Every sample is of one class.

    Attributes:
        classes: how many there are.
    """

    classes: int

    def right(self, logits: NDArray[np.int32], label: int) -> float:
        """1 where the largest logit is the label's, else 0."""
        return float(int(np.argmax(logits)) == label)

    def loss(self, logits: NDArray[np.int32], label: int) -> float:
        """−log softmax(logits)[label]."""
        real = logits.astype(np.float64) / _LOGIT_ONE
        real -= real.max()
        return float(np.log(np.exp(real).sum()) - real[label])

    def empty(self) -> NDArray[np.int64]:
        """[true class, predicted class]."""
        return np.zeros((self.classes, self.classes), np.int64)

    def count(self, counts: NDArray[np.int64], logits: NDArray[np.int32], label: int) -> None:
        """One more of the pair."""
        counts[label, int(np.argmax(logits))] += 1


@dataclass(frozen=True)
class LabelSets:
    """Every sample has any number of labels: bit k of what names them is 1 where k applies.

    Attributes:
        labels: how many there are.
    """

    labels: int

    def _applies(self, label: int) -> NDArray[np.int64]:
        return np.array([label >> k & 1 for k in range(self.labels)], np.int64)

    def right(self, logits: NDArray[np.int32], label: int) -> float:
        """Share of labels of which it is rightly said whether they apply."""
        return float(np.equal(logits > 0, self._applies(label)).mean())

    def loss(self, logits: NDArray[np.int32], label: int) -> float:
        """Σ −log σ(±logit)."""
        real = logits.astype(np.float64) / _LOGIT_ONE
        return float(np.logaddexp(0.0, np.where(self._applies(label) == 1, -real, real)).sum())

    def empty(self) -> NDArray[np.int64]:
        """[label, whether it applies, whether it was predicted]."""
        return np.zeros((self.labels, 2, 2), np.int64)

    def count(self, counts: NDArray[np.int64], logits: NDArray[np.int32], label: int) -> None:
        """One more for each label."""
        counts[np.arange(self.labels), self._applies(label), (logits > 0).astype(np.int64)] += 1
