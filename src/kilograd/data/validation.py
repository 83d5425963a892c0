"""Judging by training samples: a part that is held back, or each of several in turn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kilograd.data.choose import shuffled, split_by_class
from kilograd.data.samples import Dataset
from kilograd.errors import DataError
from kilograd.ir import LabelKind


def hold_back(dataset: Dataset, share: float, seed: int) -> Dataset:
    """Training samples alone: most to learn from, a part of each class to be judged by.

    Args:
        dataset: its test samples are left out.
        share: of each class's training samples that are held back, between 0 and 1; at least one
            sample of each class stays on each side.
        seed: decides which.

    Raises:
        DataError: the share is out of range, or a class has a single training sample.
    """
    if not 0 < share < 1:
        raise DataError(
            f"a part between 0 and 1 of the training samples is held back, not {share:g}",
            hint="0.2 holds back every fifth",
        )
    labels, names = _kinds(dataset)
    fit, held = split_by_class(labels, names, share=share, seed=seed)
    return _parted(dataset, fit, held)


def folds(dataset: Dataset, count: int, seed: int) -> list[Dataset]:
    """k-fold cross-validation: each part of the training samples once to be judged by.

    Every class is spread over the parts as evenly as it goes.

    Args:
        dataset: its test samples are left out.
        count: of parts, at least 2.
        seed: decides which samples are in which.

    Raises:
        DataError: a class has fewer training samples than there are parts.
    """
    if count < 2:  # noqa: PLR2004 - one part would leave nothing to learn from
        raise DataError(f"there are at least 2 folds, not {count}")
    labels, names = _kinds(dataset)
    part = np.zeros(len(labels), np.int64)
    for label, name in enumerate(names):
        members = [index for index in shuffled(range(len(labels)), seed) if labels[index] == label]
        if 0 < len(members) < count:
            raise DataError(
                f"the class {name!r} has {len(members)} training samples for {count} folds",
                where=dataset.name,
                hint=f"ask for at most {len(members)} folds, or give the class more samples",
            )
        # Each class begins with another part, so that the parts are of one size.
        part[members] = (np.arange(len(members)) + label) % count
    return [
        _parted(dataset, np.flatnonzero(part != k).tolist(), np.flatnonzero(part == k).tolist())
        for k in range(count)
    ]


def _kinds(dataset: Dataset) -> tuple[list[int], tuple[str, ...]]:
    """The class of each training sample; where labels are no classes, all are of one kind."""
    if dataset.label_kind is not LabelKind.CLASS:
        return [0] * len(dataset.train), ("all samples",)
    return dataset.train.labels.tolist(), dataset.class_names


def _parted(dataset: Dataset, fit: list[int], held: list[int]) -> Dataset:
    return replace(dataset, train=dataset.train.chosen(fit), test=dataset.train.chosen(held))
