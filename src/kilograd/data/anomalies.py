"""Samples for a network that learns what is normal: those to learn, and others to judge it by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kilograd.data.samples import Dataset, Samples, with_class_order
from kilograd.errors import DataError
from kilograd.ir import LabelKind

#: What the class of normal samples is called.
NORMAL = "normal"


def normal_class(dataset: Dataset) -> str | None:
    """Which class is what is normal; None where nothing says so.

    It is the one called "normal", or else the only one that has training samples.
    """
    if dataset.label_kind is not LabelKind.CLASS:
        return None
    named = [name for name in dataset.class_names if name.casefold() == NORMAL]
    if len(named) == 1:
        return named[0]
    if len(dataset.class_names) == 1:
        return dataset.class_names[0]
    learned: list[int] = np.unique(dataset.train.labels).tolist()
    return dataset.class_names[learned[0]] if len(learned) == 1 else None


def as_anomalies(
    dataset: Dataset, value_range: tuple[float, float], normal: str | None = None
) -> Dataset:
    """The samples with normal ones first, and only these to learn from.

    Args:
        dataset: of classes. What is no normal sample is judged by, wherever it was.
        value_range: of an element of a sample.
        normal: which class is normal; None for `normal_class`.

    Raises:
        DataError: nothing says which class is normal, or samples have no classes.
    """
    if dataset.label_kind is not LabelKind.CLASS or normal not in dataset.class_names:
        normal = normal_class(dataset)
    if normal is None:
        what = "nothing says which class is normal"
        if dataset.label_kind is not LabelKind.CLASS:
            what = f"samples have {dataset.label_kind.noun}, and what is normal is a class"
        raise DataError(what, where=dataset.name, hint=f'call the class of normal ones "{NORMAL}"')
    others = tuple(name for name in dataset.class_names if name != normal)
    ordered = with_class_order(dataset, (normal, *others))
    train, test = ordered.train, ordered.test
    is_normal = train.labels == 0
    moved = int(np.count_nonzero(~is_normal))
    notes = dataset.notes
    if moved:
        notes += (f"{moved} training samples are not {normal}: they are tested on instead",)
    return replace(
        ordered,
        train=train.chosen(np.flatnonzero(is_normal).tolist()),
        test=Samples(
            np.concatenate([test.inputs, train.inputs[~is_normal]]),
            np.concatenate([test.labels, train.labels[~is_normal]]),
        ),
        label_kind=LabelKind.ANOMALY,
        value_range=value_range,
        notes=notes,
    )
