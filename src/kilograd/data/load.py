"""Loads a dataset: opens the source, chooses the samples, decodes only those."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kilograd.data.choose import choose_balanced, split_by_class
from kilograd.data.folders import open_folder
from kilograd.data.packs import open_pack
from kilograd.data.samples import Dataset, InputSpec, Samples
from kilograd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kilograd.data.source import Source


def load_dataset(
    path: Path,
    spec: InputSpec,
    *,
    limit: int | None = None,
    test_limit: int | None = None,
    seed: int = 0,
    test_share: float = 0.25,
) -> Dataset:
    """Loads a folder of images or recordings, or an .npz pack of either or motion, as int8 samples.

    Args:
        path: the folder or the pack; its name, less the suffix of a file, names the dataset.
        spec: the network's input.
        limit: at most so many train samples, balanced over the classes; None for all, 0 for none.
        test_limit: the same for test samples.
        seed: decides the split, the choice and the order; equal seeds give equal bytes.
        test_share: the part of each class that is tested on, in 0..1, where the source itself does
            not tell train from test.

    Raises:
        DataError: names what cannot be read, and where.
    """
    for name, value in (("limit", limit), ("test_limit", test_limit)):
        if value is not None and value < 0:
            raise DataError(f"{name} is {value}; it cannot be negative")
    if not 0 < test_share < 1:
        raise DataError(f"test_share is {test_share}; it must lie between 0 and 1")
    try:
        source = _open(path, spec)
        train, test = _split(source, share=test_share, seed=seed)
    except OSError as error:
        what = f"it cannot be read ({type(error).__name__})"
        raise DataError(what, where=str(path)) from error
    except DataError as error:
        raise DataError(error.what, where=error.where or str(path), hint=error.hint) from error
    if not train and limit != 0:
        raise DataError(
            "it has test samples only, nothing to train on",
            where=str(path),
            hint="limit=0 loads the test samples alone",
        )
    return Dataset(
        name=path.resolve().name if path.is_dir() else path.stem,
        train=_decode(source, choose_balanced(train, source.labels, limit, seed)),
        test=_decode(source, choose_balanced(test, source.labels, test_limit, seed)),
        class_names=source.class_names,
        has_label_sets=source.has_label_sets,
    )


def _open(path: Path, spec: InputSpec) -> Source:
    if not path.exists():
        raise DataError("there is no such file or folder")
    return open_folder(path, spec) if path.is_dir() else open_pack(path, spec)


def _split(source: Source, *, share: float, seed: int) -> tuple[Sequence[int], Sequence[int]]:
    if source.test is not None:
        return source.train, source.test
    # Sets of labels are not split set by set: most of them occur once.
    labels = [0 if source.has_label_sets else source.labels[index] for index in source.train]
    train, test = split_by_class(labels, source.class_names, share=share, seed=seed)
    return [source.train[index] for index in train], [source.train[index] for index in test]


def _decode(source: Source, indices: Sequence[int]) -> Samples:
    labels = np.array([source.labels[index] for index in indices], np.int32)
    return Samples(source.decode(indices), labels)
