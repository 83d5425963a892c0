"""What a search learns from: samples of the training split, and a part of them to judge by."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

import numpy as np

from kilograd.data import Dataset, Samples, folds
from kilograd.data.choose import choose_balanced, split_by_class
from kilograd.errors import DataError
from kilograd.ir import LabelKind

#: Most samples that a short run learns from, and is judged by.
MOST_SAMPLES, MOST_VALIDATION = 960, 480
#: Share of the training split that schemes are judged by.
VALIDATION_SHARE = 0.25
#: Most samples of a data set that schemes are compared on, and the folds that these are in.
MOST_COMPARED, FOLDS = 4000, 4


@dataclass(frozen=True, eq=False)
class Task:
    """One data set's samples for the search; test samples are none of them.

    Attributes:
        name: of the data set.
        fit: samples that runs learn from.
        validation: samples that runs are judged by.
        classes: how many there are.
    """

    name: str
    fit: Samples
    validation: Samples
    classes: int

    @property
    def digest(self) -> str:
        """SHA-256 of samples and labels."""
        found = hashlib.sha256()
        for samples in (self.fit, self.validation):
            found.update(np.ascontiguousarray(samples.inputs).tobytes())
            found.update(samples.labels.astype("<i4").tobytes())
        return found.hexdigest()


def make_task(dataset: Dataset, seed: int = 0) -> Task:
    """Split a data set's training samples; its test samples are not looked at.

    Args:
        dataset: with at least two classes.
        seed: decides the split.

    Raises:
        DataError: one class only, sets of labels, or too few samples to hold any back.
    """
    train, count = dataset.train, len(dataset.class_names)
    if dataset.label_kind is not LabelKind.CLASS:
        raise DataError(
            "a search compares by the right class, and these samples have "
            f"{dataset.label_kind.noun}",
            where=dataset.name,
            hint="search with samples of one class each, and train with the scheme it finds",
        )
    if count < 2:  # noqa: PLR2004 - nothing to tell apart
        raise DataError(
            "there is one class only, and nothing to tell it from",
            where=dataset.name,
            hint="a search needs samples of two classes or more",
        )
    if len(train) < count:
        raise DataError(
            f"there are {len(train)} training samples for {count} classes",
            where=dataset.name,
            hint="a search needs two samples of each class: one to learn from, one to judge by",
        )
    labels = train.labels.tolist()
    fit, held = split_by_class(labels, dataset.class_names, share=VALIDATION_SHARE, seed=seed)
    return Task(
        dataset.name,
        train.chosen(choose_balanced(fit, labels, MOST_SAMPLES, seed)),
        train.chosen(choose_balanced(held, labels, MOST_VALIDATION, seed)),
        count,
    )


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """One data set's training samples as schemes are compared on them: all, up to some thousand.

    A run learns from all folds but one, and is judged by that one. Of small data sets several folds
    are held back in turn, so that enough samples judge.

    Attributes:
        dataset: of which only training samples are read; at most `MOST_COMPARED` of them.
        seed: decides which sample is in which fold.
    """

    dataset: Dataset
    seed: int

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.dataset.class_names)

    def tasks(self, number: int) -> list[Task]:
        """What a round of runs learns; each round begins with the next fold.

        Args:
            number: of the round, from 0.
        """
        labels = self.dataset.train.labels
        count = min(FOLDS, int(np.bincount(labels)[np.unique(labels)].min()))
        several = min(count, math.ceil(MOST_VALIDATION * count / len(labels)))
        parts = folds(self.dataset, count, self.seed)
        held_back = [(number + k) % count for k in range(several)]
        return [
            Task(f"{self.dataset.name}, fold {k + 1}", parts[k].train, parts[k].test, self.classes)
            for k in held_back
        ]


def cross_validation(dataset: Dataset, seed: int = 0) -> CrossValidation:
    """Choose a data set's training samples; its test samples are not looked at.

    Args:
        dataset: that `make_task` accepts.
        seed: decides which samples are chosen, and their folds.
    """
    train = dataset.train
    chosen = choose_balanced(range(len(train)), train.labels.tolist(), MOST_COMPARED, seed)
    return CrossValidation(replace(dataset, train=train.chosen(chosen)), seed)
