"""Folders of images, and packs of images, audio or motion, turned into int8 samples.

`load_dataset` opens a source (`packs` or `folders`), chooses which samples are wanted (`choose`)
and only then decodes those (`images`, `signals`). The same path, spec and seed always give the
same bytes. `drift` changes samples as a camera might, `augmentation` as a trainer would, and
`validation` holds a part of the training samples back; `anomalies` keeps what is normal to learn.
"""

from __future__ import annotations

from kilograd.data.anomalies import as_anomalies, normal_class
from kilograd.data.augmentation import Augment, Augmentation
from kilograd.data.drift import Drift
from kilograd.data.load import load_dataset
from kilograd.data.samples import (
    Dataset,
    InputSpec,
    Samples,
    pack_digest,
    value_of,
    with_class_order,
    with_value_range,
)
from kilograd.data.validation import folds, hold_back

__all__ = [
    "Augment",
    "Augmentation",
    "Dataset",
    "Drift",
    "InputSpec",
    "Samples",
    "as_anomalies",
    "folds",
    "hold_back",
    "load_dataset",
    "normal_class",
    "pack_digest",
    "value_of",
    "with_class_order",
    "with_value_range",
]
