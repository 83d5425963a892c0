"""Audio and motion of packs, turned into the features that a network reads.

Audio is mu-law codes (`kilograd.features.mulaw`), one recording a row, or behind each other with
`offsets`; its rate is the network's unless the pack has an array `rate`. A recording that is
longer than the network's is cut, a shorter one is filled up with silence, on both sides alike.
Motion is real values in the units of the model file, or int16 counts, of which `units` says what
one of each channel stands for (else they are those of the model file); one window a row. Windows
of another `rate` are resampled; only the beginning is read of one longer than the network's.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from kilograd.data.motion_maps import (
    MAX_RATE,
    MIN_RATE,
    motion_maps,
    rate_ratio,
    resample_windows,
)
from kilograd.data.pack import Pack, describe
from kilograd.data.recording_notes import RecordingNotes
from kilograd.data.source import Decoded
from kilograd.features import LogMel, Motion, decode_mulaw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kilograd.data.source import Decoder

_WINDOW_DIMENSIONS = 3
_INT16_ENDS = (-32768, 32767)


def audio_decoder(pack: Pack, count: int, features: LogMel) -> Decoder:
    """Returns a decoder of recordings by index; `count` is how many the pack should have."""
    mulaw = pack.arrays["mulaw"]
    rate = pack.arrays.get("rate")
    if rate is not None and (rate.size != 1 or rate.ravel()[0] != features.rate):
        pack.fail(
            f"its rate is {rate.tolist()} Hz, and the network listens at {features.rate} Hz",
            hint="resample the recordings",
        )
    if mulaw.dtype != np.uint8 or mulaw.ndim not in (1, 2) or mulaw.size == 0:
        pack.fail(f"mulaw is {describe(mulaw)} instead of uint8 [n, samples] or [bytes]")
    if mulaw.ndim == 1:
        offsets = pack.offsets("mulaw", count, len(mulaw))
    elif len(mulaw) != count:
        pack.fail(f"mulaw has {len(mulaw)} recordings for {count} labels")
    else:
        offsets = np.arange(count + 1, dtype=np.int64) * mulaw.shape[1]
    codes = mulaw.ravel()

    def decode(indices: Sequence[int]) -> Decoded:
        clips = np.zeros((len(indices), features.samples), np.int16)
        told = RecordingNotes(features)
        for clip, index in zip(clips, indices, strict=True):
            recording = decode_mulaw(codes[offsets[index] : offsets[index + 1]])
            clip[:] = fit_recording(recording, features.samples)
            told.add(len(recording), clip, rate=features.rate)
        return Decoded(features.apply(clips), told.notes())

    return decode


def fit_recording(samples: NDArray[np.int16], count: int) -> NDArray[np.int16]:
    """The middle `count` samples, or all of them between silence."""
    excess = len(samples) - count
    if excess >= 0:
        return samples[excess // 2 : excess // 2 + count]
    before = -excess // 2
    return np.pad(samples, (before, -excess - before))


def motion_decoder(pack: Pack, count: int, features: Motion) -> Decoder:
    """Returns a decoder of windows by index; `count` is how many the pack should have."""
    x = pack.arrays["x"]
    if (x.dtype.kind != "f" and x.dtype != np.int16) or x.ndim != _WINDOW_DIMENSIONS:
        pack.fail(f"x is {describe(x)} instead of float [n, samples, channels], or int16")
    if len(x) != count:
        pack.fail(f"x has {len(x)} windows for {count} labels")
    ratio = _ratio(pack, features)
    length = math.ceil(x.shape[1] * ratio)
    if length < features.length:
        at_rate = "" if ratio == 1 else f" at {features.rate:g} Hz"
        pack.fail(
            f"its windows have {length} samples{at_rate}; the network needs {features.length}"
        )
    columns = _columns(pack, x.shape[2], features)
    units = _units(pack, x, features)
    if units is not None:
        units = units[columns]
    finite = np.isfinite(x).all(axis=(1, 2))
    if not finite.all():
        pack.fail(f"window {np.flatnonzero(~finite)[0]} of x holds NaN or infinity")

    def decode(indices: Sequence[int]) -> Decoded:
        windows = x[list(indices)][..., columns]
        is_saturated = units is not None and np.isin(windows, _INT16_ENDS)
        real = windows.astype(np.float64) * (1 if units is None else units)
        return motion_maps(resample_windows(real, ratio), features, np.mean(is_saturated))

    return decode


def _ratio(pack: Pack, features: Motion) -> Fraction:
    """The network's rate divided by that of the pack."""
    rate = pack.arrays.get("rate")
    if rate is None:
        return Fraction(1)
    found = float(rate.ravel()[0]) if rate.size == 1 and rate.dtype.kind in "iuf" else math.nan
    if not MIN_RATE <= found <= MAX_RATE:
        pack.fail(
            f"its rate is {rate.tolist()}, which is not one number of {MIN_RATE} to {MAX_RATE:,} Hz"
        )
    return rate_ratio(found, features)


def _units(pack: Pack, x: NDArray[Any], features: Motion) -> NDArray[np.float64] | None:
    """What a count of each channel of the pack stands for; None where x is real values."""
    units = pack.arrays.get("units")
    if x.dtype.kind == "f":
        return None
    if units is None:
        counted = dict(zip(features.channels, features.units, strict=True))
        names = pack.arrays["channels"].tolist()
        return np.array([counted.get(str(name), 1.0) for name in names])
    if units.dtype.kind not in "iuf" or units.shape != (x.shape[2],) or not _are_positive(units):
        pack.fail(f"units must be {x.shape[2]} numbers above 0: what a count of each channel is")
    return units.astype(np.float64)


def _are_positive(numbers: NDArray[Any]) -> bool:
    return bool((np.isfinite(numbers) & (numbers > 0)).all())


def _columns(pack: Pack, count: int, features: Motion) -> list[int]:
    """Where in the pack the channels are that the network reads."""
    names = pack.arrays.get("channels")
    if names is None or names.dtype.kind != "U" or names.shape != (count,):
        pack.fail(f"channels must be the names of the {count} channels of x")
    at = {str(name): column for column, name in enumerate(names)}
    missing = [name for name in features.channels if name not in at]
    if missing:
        pack.fail(
            f"the pack has no channel {missing[0]!r}, which the network reads",
            hint=f"it has {', '.join(at)}",
        )
    return [at[name] for name in features.channels]
