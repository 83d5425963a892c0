"""Count confusions: two matrices, or the most confused pairs of many classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.training.answers import Evaluation
    from kilograd.training.loop import TrainingResult

#: A matrix is shown for at most so many classes.
MATRIX_CLASSES = 20

_PAIRS = 15

#: More classes have their matrices below each other.
_BESIDE_CLASSES = 10

#: Pixels that a cell has, and all cells of a row together where they would be larger.
_CELL_PIXELS, _ROW_PIXELS = (28, 44), 200


@dataclass(frozen=True)
class Cell:
    """Samples of one class that were predicted as one class.

    Attributes:
        count: Number of samples.
        share: Share of all samples of the true class, in [0, 1].
        css: Classes for style sheets.
        title: The cell in words.
    """

    count: int
    share: float
    css: str
    title: str


@dataclass(frozen=True)
class MatrixRow:
    """All samples of one true class.

    Attributes:
        name: Name of the class.
        cells: Cells by predicted class.
        recall: Share of correct predictions, in [0, 1]; None without samples.
    """

    name: str
    cells: tuple[Cell, ...]
    recall: float | None


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix.

    Attributes:
        when: Time of the measurement, in words.
        accuracy: Accuracy in [0, 1].
        samples: Number of test samples.
        rows: Rows by true class.
    """

    when: str
    accuracy: float
    samples: int
    rows: tuple[MatrixRow, ...]


@dataclass(frozen=True)
class Pair:
    """Samples of one class that were predicted as another.

    Attributes:
        true: Name of the class.
        predicted: Name of the other class.
        count: Number of such samples after training.
        total: Number of all samples of the true class.
        before: Number of such samples before training.
    """

    true: str
    predicted: str
    count: int
    total: int
    before: int


@dataclass(frozen=True)
class Pairs:
    """The most confused pairs of classes.

    Attributes:
        classes: Number of classes.
        occurring: Number of pairs that were confused at all after training.
        shown: The most confused pairs.
        before: Accuracy before training, in [0, 1].
        after: Accuracy after training, in [0, 1].
        samples: Number of test samples.
    """

    classes: int
    occurring: int
    shown: tuple[Pair, ...]
    before: float
    after: float
    samples: int


@dataclass(frozen=True)
class LabelRow:
    """How often one label of sets was found.

    Attributes:
        name: Name of the label.
        found: Samples that have it, and were said to.
        missed: Samples that have it, and were said not to.
        mistaken: Samples that do not have it, and were said to.
        absent: Samples that do not have it, and were said not to.
        before: Share of samples that were rightly judged before training, in [0, 1].
        after: The same after training.
    """

    name: str
    found: int
    missed: int
    mistaken: int
    absent: int
    before: float
    after: float


@dataclass(frozen=True)
class Confusion:
    """The confusions of a run.

    Attributes:
        matrices: Matrices before and after training; empty for many classes.
        pairs: Confused pairs, for many classes only.
        labels: Rows by label, where samples have sets of labels.
    """

    matrices: tuple[Matrix, ...] = ()
    pairs: Pairs | None = None
    labels: tuple[LabelRow, ...] = ()

    @property
    def is_wide(self) -> bool:
        """True if the matrices need the width of the page."""
        return bool(self.matrices) and len(self.matrices[0].rows) > _BESIDE_CLASSES

    @property
    def cell_pixels(self) -> int:
        """Width and height of a cell."""
        least, most = _CELL_PIXELS
        return max(least, min(most, _ROW_PIXELS // max(1, len(self.matrices[0].rows))))


def confusion(result: TrainingResult, class_names: Sequence[str]) -> Confusion:
    """Return two matrices or, for many classes, the most confused pairs.

    Args:
        result: Result of the run.
        class_names: Names by label; a class without a name is shown by its number.
    """
    count = len(result.after.confusion)
    names = [class_names[i] if i < len(class_names) else str(i) for i in range(count)]
    if result.after.are_sets:
        return Confusion(labels=_labels(result, names))
    if count > MATRIX_CLASSES:
        return Confusion(pairs=_pairs(result, names))
    before = _matrix(result.before, names, "before training")
    after = _matrix(result.after, names, "after training")
    return Confusion(matrices=(before, after))


def _labels(result: TrainingResult, names: Sequence[str]) -> tuple[LabelRow, ...]:
    rows: list[LabelRow] = []
    for k, name in enumerate(names):
        (absent, mistaken), (missed, found) = result.after.confusion[k].tolist()
        before, after = (
            float(np.trace(counts[k]) / max(1, counts[k].sum()))
            for counts in (result.before.confusion, result.after.confusion)
        )
        rows.append(LabelRow(name, found, missed, mistaken, absent, before, after))
    return tuple(rows)


def _matrix(evaluation: Evaluation, names: Sequence[str], when: str) -> Matrix:
    rows: list[MatrixRow] = []
    for true, name in enumerate(names):
        counts = [int(count) for count in evaluation.confusion[true]]
        total = sum(counts)
        cells = tuple(_cell(counts, total, true, p, names) for p in range(len(names)))
        rows.append(MatrixRow(name, cells, counts[true] / total if total else None))
    return Matrix(when, evaluation.accuracy, evaluation.count, tuple(rows))


def _cell(
    counts: Sequence[int], total: int, true: int, predicted: int, names: Sequence[str]
) -> Cell:
    count = counts[predicted]
    share = count / total if total else 0.0
    css = "right" if true == predicted else "wrong"
    title = f"{count} of {total} samples of {names[true]} were predicted as {names[predicted]}"
    return Cell(count, share, css, title)


def _pairs(result: TrainingResult, names: Sequence[str]) -> Pairs:
    before, after = result.before.confusion, result.after.confusion
    classes = range(len(names))
    wrong = [(int(after[t, p]), t, p) for t in classes for p in classes if t != p and after[t, p]]
    wrong.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    shown = tuple(
        Pair(
            names[true],
            names[predicted],
            count,
            total=int(after[true].sum()),
            before=int(before[true, predicted]),
        )
        for count, true, predicted in wrong[:_PAIRS]
    )
    return Pairs(
        classes=len(names),
        occurring=len(wrong),
        shown=shown,
        before=result.before.accuracy,
        after=result.after.accuracy,
        samples=result.after.count,
    )
