"""Audio and motion of packs, turned into the features that a network reads.

Audio is mu-law codes (`kilograd.features.mulaw`), one recording a row, or behind each other with
`offsets`; its rate is the network's unless the pack has an array `rate`. A recording that is
longer than the network's is cut, a shorter one is filled up with silence, on both sides alike.
Motion is real values in the units of the model file, one window a row; only its beginning is read
where it is longer than the network's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kilograd.data.pack import Pack, describe
from kilograd.features import LogMel, Motion, decode_mulaw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kilograd.data.source import Decoder

_WINDOW_DIMENSIONS = 3


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

    def decode(indices: Sequence[int]) -> NDArray[np.int8]:
        clips = np.zeros((len(indices), features.samples), np.int16)
        for clip, index in zip(clips, indices, strict=True):
            clip[:] = fit_recording(
                decode_mulaw(codes[offsets[index] : offsets[index + 1]]), features.samples
            )
        return features.apply(clips)

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
    if x.dtype.kind != "f" or x.ndim != _WINDOW_DIMENSIONS:
        pack.fail(f"x is {describe(x)} instead of float [n, samples, channels]")
    if len(x) != count:
        pack.fail(f"x has {len(x)} windows for {count} labels")
    if x.shape[1] < features.length:
        pack.fail(f"its windows have {x.shape[1]} samples; the network needs {features.length}")
    columns = _columns(pack, x.shape[2], features)
    finite = np.isfinite(x).all(axis=(1, 2))
    if not finite.all():
        pack.fail(f"window {np.flatnonzero(~finite)[0]} of x holds NaN or infinity")
    return lambda indices: features.apply(features.counts(x[list(indices)][..., columns]))


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
