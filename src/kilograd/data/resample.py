"""Brings signals from one sampling rate to another, by a polyphase filter.

The low-pass is a Blackman-windowed sinc at 0.9 of the lower of the two Nyquist rates. What lies
above 1.15 of that rate comes out at least 60 dB lower.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_T = TypeVar("_T", np.int64, np.float64)

_TAP_BITS = 15
#: Taps to each side, in samples of the lower rate: the filter falls by 60 dB.
_TAPS_EACH_SIDE = 12
_CUTOFF = 0.9


def resample_audio(samples: NDArray[np.int16], ratio: Fraction) -> NDArray[np.int16]:
    """Samples at another rate; before and after them is silence.

    The taps are integers of 15 fraction bits, and sums are exact: equal samples give equal bytes on
    every machine.

    Args:
        samples: int16 [n].
        ratio: the new rate divided by the old one.

    Returns:
        int16 [⌈n · ratio⌉].
    """
    if ratio == 1:
        return samples
    taps = np.rint(_taps(ratio) * (1 << _TAP_BITS)).astype(np.int64)
    padded = np.pad(samples.astype(np.int64), _reach(ratio))
    sums = _filter(padded, taps, ratio, len(samples))
    rounded = (sums + (1 << (_TAP_BITS - 1))) >> _TAP_BITS
    return np.clip(rounded, -32768, 32767).astype(np.int16)


def resample_real(values: NDArray[np.float64], ratio: Fraction) -> NDArray[np.float64]:
    """Real signals at another rate; before and after them their ends go on.

    Args:
        values: float64 [n, channels].
        ratio: the new rate divided by the old one.

    Returns:
        float64 [⌈n · ratio⌉, channels].
    """
    if ratio == 1:
        return values
    reach = _reach(ratio)
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    return _filter(padded, _taps(ratio), ratio, len(values))


def _reach(ratio: Fraction) -> int:
    """Old samples to each side of a new one that it is made of."""
    return math.ceil(_TAPS_EACH_SIDE * max(1, 1 / ratio))


def _taps(ratio: Fraction) -> NDArray[np.float64]:
    """Weights of old samples in a new one: [phases, 2 · reach + 1], each row with a sum of one.

    A new sample lies at phase / phases behind an old one.
    """
    phases = ratio.numerator
    reach = _reach(ratio)
    distance = np.arange(-reach, reach + 1) - np.arange(phases)[:, None] / phases
    angle = np.pi * distance / (reach + 1)
    window = 0.42 + 0.5 * np.cos(angle) + 0.08 * np.cos(2 * angle)
    taps = np.sinc(_CUTOFF * distance * min(1.0, float(ratio))) * window
    return taps / taps.sum(axis=1, keepdims=True)


def _filter(padded: NDArray[_T], taps: NDArray[_T], ratio: Fraction, count: int) -> NDArray[_T]:
    """New samples of `count` old ones with `reach` more on each side."""
    places = np.arange(math.ceil(count * ratio)) * ratio.denominator
    first, phase = places // ratio.numerator, places % ratio.numerator
    sums = np.zeros((len(places), *padded.shape[1:]), padded.dtype)
    for tap in range(taps.shape[1]):
        weights = taps[phase, tap].reshape(-1, *(1,) * (padded.ndim - 1))
        sums += weights * padded[first + tap]
    return sums
