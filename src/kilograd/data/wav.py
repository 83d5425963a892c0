"""Reads WAV files as int16 at the rate that a network listens at."""

from __future__ import annotations

import math
import wave
from typing import TYPE_CHECKING

import numpy as np

from kilograd.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES = frozenset({".wav"})
MAX_SAMPLES = 100_000_000
MAX_RATE = 384_000

_TAP_BITS = 15
#: Taps a step of decimation, to each side: the filter falls by 60 dB.
_TAPS_EACH_SIDE = 12
_SIXTEEN_BITS = 2


def read_wav(path: Path, rate: int) -> NDArray[np.int16]:
    """Samples of a PCM WAV file: int16, channels averaged, brought to `rate`.

    A file at a whole multiple of `rate` goes through a low-pass in integers first.

    Raises:
        DataError: not a PCM WAV file of 16 bits, empty, too long, or at another rate.
    """
    try:
        with wave.open(str(path), "rb") as file:
            if file.getnframes() * file.getnchannels() > MAX_SAMPLES:
                what = f"the recording has more than {MAX_SAMPLES:,} samples"
                raise DataError(what, where=str(path))
            width, channels, found = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError, OSError, RuntimeError) as error:
        raise DataError(
            f"this is no WAV file that can be read: {error}",
            where=str(path),
            hint="read is PCM of 16 bits",
        ) from error
    if width != _SIXTEEN_BITS:
        what = f"the recording has {8 * width} bits a sample, not 16"
        raise DataError(what, where=str(path), hint="save it as PCM of 16 bits")
    samples = np.frombuffer(data[: len(data) // (2 * channels) * 2 * channels], "<i2")
    if not samples.size:
        raise DataError("the recording is empty", where=str(path))
    if found % rate or not 0 < found <= MAX_RATE:
        raise DataError(
            f"the recording has {found} Hz, and the network listens at {rate} Hz",
            where=str(path),
            hint=f"resample it to {rate} Hz, or to a multiple",
        )
    mono = np.rint(samples.reshape(-1, channels).mean(axis=1)).astype(np.int16)
    return decimate(mono, found // rate)


def decimate(samples: NDArray[np.int16], factor: int) -> NDArray[np.int16]:
    """Every `factor`-th sample, after a low-pass at 0.9 of the new Nyquist rate.

    The low-pass is a Blackman-windowed sinc with Q15 taps, and exact: equal samples give equal
    bytes on every machine.
    """
    if factor == 1:
        return samples
    reach = _TAPS_EACH_SIDE * factor
    time = np.arange(-reach, reach + 1)
    window = np.blackman(len(time) + 2)[1:-1]
    taps = np.sinc(0.9 * time / factor) * window
    weights = np.rint(taps / taps.sum() * (1 << _TAP_BITS)).astype(np.int64)
    padded = np.pad(samples.astype(np.int64), reach)
    count = math.ceil(len(samples) / factor)
    sums = np.zeros(count, np.int64)
    for offset, weight in enumerate(weights.tolist()):
        sums += weight * padded[offset : offset + factor * (count - 1) + 1 : factor]
    rounded = (sums + (1 << (_TAP_BITS - 1))) >> _TAP_BITS
    return np.clip(rounded, -32768, 32767).astype(np.int16)
