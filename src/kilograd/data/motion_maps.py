"""Real values of motion as the network reads them, and what is odd about them."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from kilograd.data.resample import resample_real
from kilograd.data.source import Decoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kilograd.features import Motion

#: Samples a second.
MIN_RATE, MAX_RATE = 1, 20_000

#: A rate that is off by less than this share is taken for the network's.
_RATE_TOLERANCE = 0.02
_LARGEST_DENOMINATOR = 100

#: Told are channels of which more than this share was clipped.
_TOLD_SHARE = 0.001
#: From this share on a gyroscope's values may be in another unit.
_SUSPICIOUS_SHARE = 0.1

_GRAVITY = 9.81
#: Networks that read acceleration in g reach 16 of them at most; in m/s² they reach 19 at least.
_MOST_G = 17
#: Networks that read rotation in rad/s reach 35 at most; in degrees a second 125 at least.
_MOST_RADIANS = 40
#: How far from one g a sensor that is carried is in the median.
_NEAR_ONE = (0.7, 1.3)


def rate_ratio(rate: float, features: Motion) -> Fraction:
    """The network's rate divided by another one; 1 where they are as good as equal.

    Args:
        rate: samples a second.
        features: of the network.
    """
    ratio = features.rate / rate
    if abs(ratio - 1) <= _RATE_TOLERANCE:
        return Fraction(1)
    if ratio < 1:
        return 1 / Fraction(rate / features.rate).limit_denominator(_LARGEST_DENOMINATOR)
    return Fraction(ratio).limit_denominator(_LARGEST_DENOMINATOR)


def resample_windows(windows: NDArray[np.float64], ratio: Fraction) -> NDArray[np.float64]:
    """Windows at another rate: float64 [n, samples, channels]."""
    if ratio == 1:
        return windows
    count, length, channels = windows.shape
    columns: NDArray[np.float64] = np.moveaxis(windows, 1, 0).reshape(length, count * channels)
    moved: NDArray[np.float64] = resample_real(columns, ratio).reshape(-1, count, channels)
    return np.moveaxis(moved, 1, 0)


def motion_maps(
    real: NDArray[np.float64], features: Motion, saturated: float | np.floating = 0.0
) -> Decoded:
    """The network's input for windows of real values, with notes on clipping and on units.

    Args:
        real: float64 [n, samples, channels of the network], at the network's rate; what comes after
            the length of its window is not read.
        features: of the network.
        saturated: the share of the sensor's counts that are at the ends of int16.
    """
    real = real[:, : features.length]
    maps = features.apply(features.counts(real))
    if not real.size:
        return Decoded(maps)
    notes: list[str] = []
    if saturated > _TOLD_SHARE:
        notes.append(f"{saturated:.1%} of the counts are at the ends of int16: the sensor clipped")
    return Decoded(maps, (*notes, *_clipped(maps, features), *_units(real, maps, features)))


def _clipped(maps: NDArray[np.int8], features: Motion) -> list[str]:
    """A note for each group of channels of which much is beyond what the network reads."""
    shares = _clipped_shares(maps)
    told = zip(features.channels, shares, strict=True)
    named = [f"{name} {share:.1%}" for name, share in told if share > _TOLD_SHARE]
    if not named:
        return []
    most = {f"{127 * scale:.3g}" for scale in features.scales}
    reach = f"±{most.pop()}" if len(most) == 1 else "the ends of its range"
    return [f"clipped, since the network reads no more than {reach}: {', '.join(named)}"]


def _clipped_shares(maps: NDArray[np.int8]) -> NDArray[np.float64]:
    return ((maps == -128) | (maps == 127)).mean(axis=(0, 1, 2))  # noqa: PLR2004 - int8


def _units(real: NDArray[np.float64], maps: NDArray[np.int8], features: Motion) -> list[str]:
    """Notes on sensors whose values look like those of another unit."""
    notes: list[str] = []
    for sensor, columns in _triples(features).items():
        reach = 127 * min(features.scales[column] for column in columns)
        if "acc" in sensor.lower() and not re.search("body|lin|user", sensor.lower()):
            length = float(np.median(np.sqrt((real[..., columns] ** 2).sum(axis=-1))))
            notes += _acceleration(sensor, length, reach)
        if "gyr" in sensor.lower() and reach < _MOST_RADIANS:
            share = float(_clipped_shares(maps)[columns].max())
            if share > _SUSPICIOUS_SHARE:
                notes.append(
                    f"the values of {sensor} look like degrees a second, and the network seems to "
                    "read rad/s: divide them by 57.3 if so"
                )
    return notes


def _triples(features: Motion) -> dict[str, list[int]]:
    """Columns of the three axes of each sensor, by what their names begin with."""
    at = {name: column for column, name in enumerate(features.channels)}
    found: dict[str, list[int]] = {}
    for name in features.channels:
        stem = name[:-1]
        axes = [stem + axis for axis in ("xyz" if name.endswith("x") else "XYZ")]
        if name[-1] in "xX" and all(axis in at for axis in axes):
            found[stem.rstrip("_.-") or stem] = [at[axis] for axis in axes]
    return found


def _acceleration(sensor: str, length: float, reach: float) -> list[str]:
    """A note on acceleration that has gravity in it, in another unit than the network's."""
    low, high = _NEAR_ONE
    sizes = {"g": 1.0, "m/s²": _GRAVITY, "thousandths of g": 1000.0}
    found = [unit for unit, one in sizes.items() if low * one <= length <= high * one]
    wanted = "g" if reach < _MOST_G else "m/s²"
    if not found or found[0] == wanted:
        return []
    factor = sizes[wanted] / sizes[found[0]]
    change = f"multiply them by {factor:g}" if factor > 1 else f"divide them by {1 / factor:g}"
    look = f"the values of {sensor} look like {found[0]} (in the median they come to {length:.3g})"
    return [f"{look}, and the network seems to read {wanted}: {change} if so"]
