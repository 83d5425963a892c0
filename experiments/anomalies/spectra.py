"""Spectra of a fan's vibration as samples: 64 bands of a logarithm, as the factory saw them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: Lines of a spectrum that make a band.
_LINES = 8
#: Amplitudes far below this are noise.
_FLOOR = 0.01
#: A fan that stands still is no normal sample of one that runs.
_OFF = 3


@dataclass(frozen=True)
class Place:
    """What was recorded in one place.

    Attributes:
        normal: bands of normal spectra to learn from, by speed, [n, 64] each, in time.
        tested: bands of other spectra, [n, 64].
        labels: of those: 0 is normal, others are kinds of damage, [n].
        class_names: of labels.
    """

    normal: tuple[NDArray[np.float64], ...]
    tested: NDArray[np.float64]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]

    def first(self, count: int) -> NDArray[np.float64]:
        """As many normal spectra, the first of each speed."""
        each = count // len(self.normal)
        return np.concatenate([spectra[:each] for spectra in self.normal])


def read_place(path: Path) -> Place:
    """The recordings in a pack; see its own description for how they were made."""
    with np.load(path) as pack:
        spectra = pack["x"].astype(np.float64)[:, :, 0]
        labels, split, speed = (
            pack[name].astype(np.int64) for name in ("labels", "split", "speed")
        )
        names = tuple(str(name) for name in pack["class_names"])
    power = np.square(spectra).reshape(len(spectra), -1, _LINES).mean(axis=2)
    bands = np.log(np.sqrt(power) + _FLOOR)
    speeds = [number for number in np.unique(speed).tolist() if number != _OFF]
    normal = tuple(bands[(split == 0) & (speed == number)] for number in speeds)
    is_tested = split == 1
    return Place(normal, bands[is_tested], labels[is_tested], names)


@dataclass(frozen=True)
class Statistics:
    """Of each band, over what the factory recorded.

    Attributes:
        mean: [64].
        spread: standard deviations, [64].
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(cls, bands: NDArray[np.float64]) -> Statistics:
        """Of spectra [n, 64]."""
        return cls(bands.mean(axis=0), bands.std(axis=0))

    def standardized(self, bands: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bands [n, 64] less their mean, in standard deviations."""
        return (bands - self.mean) / self.spread


def write_pack(
    path: Path, learned: NDArray[np.float64], place: Place, statistics: Statistics
) -> None:
    """A pack of normal spectra to learn, [n, 64], and of a place's others to be judged by."""
    bands = statistics.standardized(np.concatenate([learned, place.tested]))
    normal = np.zeros(len(learned), np.int64)
    np.savez(
        path,
        inputs=bands.astype(np.float32).reshape(-1, 1, 1, bands.shape[1]),
        labels=np.concatenate([normal, place.labels]),
        split=np.concatenate([normal, np.ones_like(place.labels)]),
        class_names=np.array(place.class_names),
    )
