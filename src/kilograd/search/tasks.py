"""What a search learns from: samples of the training split, and a part of them to judge by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from kilograd.data import Dataset, Samples
from kilograd.data.choose import choose_balanced, split_by_class
from kilograd.errors import DataError

#: Most samples that a short run learns from, and is judged by.
MOST_SAMPLES, MOST_VALIDATION = 960, 480
#: Share of the training split that schemes are judged by.
VALIDATION_SHARE = 0.25


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
    if count < 2:  # noqa: PLR2004 - nothing to tell apart
        raise DataError(
            "there is one class only, and nothing to tell it from",
            where=dataset.name,
            hint="a search needs samples of two classes or more",
        )
    if dataset.has_label_sets:
        raise DataError(
            "a search compares by the right class, and these samples have sets of labels",
            where=dataset.name,
            hint="search with samples of one class each, and train with the scheme it finds",
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
