"""How often a run goes over its samples when nobody says so."""

from __future__ import annotations

import numpy as np

from kilograd.data import Dataset
from kilograd.ir import LabelKind

#: Passes over few samples; docs/few-samples.md says what they teach.
FEW_SAMPLES_EPOCHS = 30

#: A class has few samples up to so many, in the median over the classes.
FEW_SAMPLES = 20


def default_epochs(dataset: Dataset) -> int:
    """One pass, or `FEW_SAMPLES_EPOCHS` where the classes have few training samples."""
    have_classes = dataset.label_kind in {LabelKind.CLASS, LabelKind.ANOMALY}
    if not have_classes or not len(dataset.train):
        return 1
    # Of what is normal there is one class to learn.
    classes = len(dataset.class_names) if dataset.label_kind is LabelKind.CLASS else 1
    counts = np.bincount(dataset.train.labels, minlength=classes)
    return FEW_SAMPLES_EPOCHS if np.median(counts) <= FEW_SAMPLES else 1
