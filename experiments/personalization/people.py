"""People of the audio and motion packs, and what each of them gives to train and to test on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.common.paths import data_file
from kilograd.data import Dataset, InputSpec, Samples
from kilograd.data.signals import fit_recording
from kilograd.features import LogMel, Motion, decode_mulaw

#: Recordings a word that a speaker of the Arabic pack is tested on; 10 are all there are.
WORDS_TESTED = 5

#: Recordings below this index are the test split of the digits.
DIGITS_TESTED = 5


@dataclass(frozen=True)
class Person:
    """Somebody's samples in the order they were taken: maps int8 [n, ...], labels int32 [n]."""

    maps: NDArray[np.int8]
    labels: NDArray[np.int32]
    is_test: NDArray[np.bool_] | None = None


def arabic_speakers(spec: InputSpec, split: int) -> tuple[dict[str, Person], tuple[str, ...]]:
    """Speakers of a split (0 train, 1 validation, 2 test) of the Arabic pack, and the words."""
    with np.load(data_file("arabic_kws10_mulaw8k.npz")) as pack:
        rows = np.flatnonzero(pack["split"] == split)
        speakers = [re.search(r"/(\d+)_", i.decode())[1] for i in pack["ids"][rows]]
        clips = [decode_mulaw(codes) for codes in pack["mulaw"][rows]]
        people = _people(spec, speakers, clips, pack["labels"][rows])
        return people, tuple(pack["class_names"].tolist())


def digit_speakers(spec: InputSpec) -> tuple[dict[str, Person], tuple[str, ...]]:
    """Speakers of the English digits; nothing of theirs was pretrained on."""
    with np.load(data_file("fsdd_digits_mulaw8k.npz")) as pack:
        codes, offsets, ids = pack["mulaw"], pack["offsets"], pack["ids"]
        parts = [i.decode().removesuffix(".wav").split("_") for i in ids]
        clips = [decode_mulaw(codes[a:b]) for a, b in pairwise(offsets)]
        is_test = np.array([int(index) < DIGITS_TESTED for _, _, index in parts])
        people = _people(spec, [name for _, name, _ in parts], clips, pack["labels"], is_test)
        return people, tuple(f"digit {name}" for name in pack["class_names"])


def moving_people(
    spec: InputSpec, turn: NDArray[np.float64] | None = None
) -> tuple[dict[str, Person], tuple[str, ...]]:
    """Everyone in the motion pack; with ``turn`` [3, 3] they wear the sensor another way round."""
    features = spec.features
    assert isinstance(features, Motion)
    with np.load(data_file("uci_har_testsubjects.npz")) as pack:
        names = pack["channels"].tolist()
        x = pack["x"][..., [names.index(channel) for channel in features.channels]]
        x = x.astype(np.float64)
        if turn is not None:
            x = np.concatenate([x[..., i : i + 3] @ turn.T for i in range(0, x.shape[-1], 3)], -1)
        maps = features.apply(features.counts(x))
        labels, subjects = pack["labels"].astype(np.int32), pack["subject"]
        people = {
            str(subject): Person(maps[subjects == subject], labels[subjects == subject])
            for subject in np.unique(subjects)
        }
        return people, tuple(pack["class_names"].tolist())


def _people(
    spec: InputSpec,
    names: list[str],
    clips: list[NDArray[np.int16]],
    labels: NDArray[Any],
    is_test: NDArray[np.bool_] | None = None,
) -> dict[str, Person]:
    features = spec.features
    assert isinstance(features, LogMel)
    maps = features.apply(np.stack([fit_recording(clip, features.samples) for clip in clips]))
    by_name: dict[str, Person] = {}
    for name in sorted(set(names)):
        rows = np.array([other == name for other in names])
        marked = None if is_test is None else is_test[rows]
        by_name[name] = Person(maps[rows], labels[rows].astype(np.int32), marked)
    return by_name


def recordings_apart(person: Person, shots: int, seed: int) -> tuple[list[int], list[int]]:
    """Train and test samples where each is a recording of its own, drawn class by class."""
    rng = np.random.Generator(np.random.PCG64(seed))
    train: list[int] = []
    test: list[int] = []
    for label in np.unique(person.labels):
        rows = rng.permutation(np.flatnonzero(person.labels == label)).tolist()
        if person.is_test is None:
            test += rows[-WORDS_TESTED:]
            train += rows[: len(rows) - WORDS_TESTED][:shots]
        else:
            test += [row for row in rows if person.is_test[row]]
            train += [row for row in rows if not person.is_test[row]][:shots]
    return train, test


def halves_in_time(person: Person, shots: int, seed: int) -> tuple[list[int], list[int]]:
    """Train on samples of the first half of each class in time, test on all of the second.

    Neighbouring windows overlap by half, so the last one of the first half is left out.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    train: list[int] = []
    test: list[int] = []
    for label in np.unique(person.labels):
        rows = np.flatnonzero(person.labels == label)
        half = len(rows) // 2
        train += rng.permutation(rows[: half - 1])[:shots].tolist()
        test += rows[half:].tolist()
    return train, test


def dataset(
    name: str, person: Person, rows: tuple[list[int], list[int]], class_names: tuple[str, ...]
) -> Dataset:
    """Samples of one person to train and to test on."""
    train, test = (Samples(person.maps[part], person.labels[part]) for part in rows)
    return Dataset(name, train, test, class_names)


#: 90 degrees about the first axis and then about the third: a sensor worn another way round.
QUARTER_TURNS: Mapping[str, NDArray[np.float64]] = {
    "x": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "z": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
}
