"""Loads a dataset: opens the source, chooses the samples, decodes only those."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kilograd.data.broken import BrokenSamplesError, name_under
from kilograd.data.choose import choose_balanced, split_by_class
from kilograd.data.folders import open_folder
from kilograd.data.packs import open_pack
from kilograd.data.samples import Dataset, InputSpec, Samples, Skipped
from kilograd.data.source import Decoded
from kilograd.errors import DataError
from kilograd.ir import LabelKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from kilograd.data.broken import UnreadableError
    from kilograd.data.source import Source


def load_dataset(
    path: str | Path,
    spec: InputSpec,
    *,
    limit: int | None = None,
    test_limit: int | None = None,
    seed: int = 0,
    test_share: float = 0.25,
    skip_broken: bool = False,
    fewest_classes: int = 2,
) -> Dataset:
    """Loads a folder or an .npz pack of images, audio or motion as int8 samples.

    Args:
        path: the folder or the pack; its name, less the suffix of a file, names the dataset.
        spec: the network's input.
        limit: at most so many train samples, balanced over the classes; None for all, 0 for none.
        test_limit: the same for test samples.
        seed: decides the split, the choice and the order; equal seeds give equal bytes.
        test_share: the part of each class that is tested on, in 0..1, where the source itself does
            not tell train from test.
        skip_broken: leave out what cannot be read, as if it had never been there; `Dataset.skipped`
            says what that was.
        fewest_classes: as few classes as there may be.

    Raises:
        DataError: names what cannot be read, and where; all samples at once.
    """
    path = Path(path)
    for name, value in (("limit", limit), ("test_limit", test_limit)):
        if value is not None and value < 0:
            raise DataError(f"{name} is {value}; it cannot be negative")
    if not 0 < test_share < 1:
        raise DataError(f"test_share is {test_share}; it must lie between 0 and 1")
    try:
        source = _open(path, spec, fewest_classes)
        left_out: list[Skipped] = []
        while True:
            train, test = _split(source, share=test_share, seed=seed)
            _check_train(train, limit)
            kinds = _kinds(source)
            train = choose_balanced(train, kinds, limit, seed)
            test = choose_balanced(test, kinds, test_limit, seed)
            decoded, broken = _decode(source, [*train, *test])
            if not skip_broken:
                _refuse(path, source, broken.values(), len(train) + len(test))
            if decoded is not None:
                break
            left_out += _skipped(path, source, broken)
            source = source.without(broken)
    except OSError as error:
        what = f"it cannot be read ({type(error).__name__})"
        raise DataError(what, where=str(path)) from error
    except DataError as error:
        error.where = error.where or str(path)
        raise
    inputs = decoded.inputs
    return Dataset(
        name=path.resolve().name if path.is_dir() else path.stem,
        train=Samples(inputs[: len(train)], _labels(source, train)),
        test=Samples(inputs[len(train) :], _labels(source, test)),
        class_names=source.class_names,
        label_kind=source.label_kind,
        value_range=source.value_range,
        skipped=(*left_out, *_never_read(path, source)),
        notes=(*source.notes, *decoded.notes),
    )


def _open(path: Path, spec: InputSpec, fewest: int) -> Source:
    if not path.exists():
        raise DataError("there is no such file or folder")
    return open_folder(path, spec, fewest) if path.is_dir() else open_pack(path, spec, fewest)


def _split(source: Source, *, share: float, seed: int) -> tuple[Sequence[int], Sequence[int]]:
    if source.test is not None:
        return source.train, source.test
    # Sets of labels are not split set by set, nor values: most of them occur once.
    labels = [source.labels[index] if source.has_classes else 0 for index in source.train]
    train, test = split_by_class(labels, source.class_names, share=share, seed=seed)
    return [source.train[index] for index in train], [source.train[index] for index in test]


def _kinds(source: Source) -> Sequence[int]:
    """What a choice of samples is balanced over."""
    is_value = source.label_kind is LabelKind.VALUE
    return [0] * len(source.labels) if is_value else source.labels


def _check_train(train: Sequence[int], limit: int | None) -> None:
    if not train and limit != 0:
        raise DataError(
            "it has test samples only, nothing to train on",
            hint="limit=0 loads the test samples alone",
        )


def _decode(
    source: Source, indices: Sequence[int]
) -> tuple[Decoded | None, Mapping[int, UnreadableError]]:
    """Samples at indices; None, and by index those that cannot be read, where there are such."""
    try:
        return source.decode(indices), {}
    except BrokenSamplesError as error:
        found = {indices[one.position]: one.error for one in error.broken}
        return None, dict(sorted(found.items()))


def _refuse(path: Path, source: Source, broken: Iterable[UnreadableError], tried: int) -> None:
    errors = [*(error for _, error in source.unreadable), *broken]
    if errors:
        total = tried + len(source.unreadable)
        raise BrokenSamplesError(source.noun, errors, total, path)


def _skipped(path: Path, source: Source, broken: Mapping[int, UnreadableError]) -> list[Skipped]:
    return [
        Skipped(
            name_under(path, error.where),
            error.reason,
            source.class_names[source.labels[index]] if source.has_classes else None,
        )
        for index, error in broken.items()
    ]


def _never_read(path: Path, source: Source) -> list[Skipped]:
    """What the source left out itself."""
    unreadable = [
        Skipped(name_under(path, error.where), error.reason, class_name)
        for class_name, error in source.unreadable
    ]
    return [*unreadable, *source.skipped]


def _labels(source: Source, indices: Sequence[int]) -> NDArray[np.int32]:
    return np.array([source.labels[index] for index in indices], np.int32)
