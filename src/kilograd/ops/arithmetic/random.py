"""Counter-based random bits and stochastic rounding (docs/numerics.md, section 3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MASK = np.uint64(0xFFFFFFFF)
_BITS = 32
_GOLDEN = 0x9E3779B9
_STREAM = 0x85EBCA6B


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A 32-bit finalizer with two multiplications (constants by C. Wellons, "lowbias32")."""
    values = values ^ (values >> np.uint64(16))
    values = (values * np.uint64(0x7FEB352D)) & _MASK
    values = values ^ (values >> np.uint64(15))
    values = (values * np.uint64(0x846CA68B)) & _MASK
    return values ^ (values >> np.uint64(16))


def random_bits(seed: int, step: int, rng_stream: int, count: int) -> NDArray[np.uint64]:
    """``count`` uniform 32-bit numbers; number i depends on (seed, step, rng_stream, i) only."""
    first = mix(np.array([(seed + rng_stream * _STREAM) & 0xFFFFFFFF], np.uint64))
    key = mix((first + np.uint64(step)) & _MASK)
    return numbers_of(key, np.arange(count, dtype=np.uint64))


def numbers_of(key: NDArray[np.uint64], indices: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The uniform 32-bit numbers that a key, one number, has at some indices."""
    return mix((key + indices * np.uint64(_GOLDEN)) & _MASK)


def stochastic_round(
    values: NDArray[np.int64], shift: NDArray[np.int64] | int, bits: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """``values / 2^shift``, rounded down or up so that the mean is exact to 32 bits.

    Args:
        values: int64, |value| < 2^62.
        shift: any integers; above 62 the value is first shifted down to 62, below 0 counts
            as 0 (the callers saturate to far less than such values).
        bits: uniform 32-bit numbers, the shape of ``values``.
    """
    shift = np.broadcast_to(np.asarray(shift, np.int64), values.shape)
    excess = np.clip(shift - 62, 0, 63)
    values = values >> excess
    shift = np.clip(shift, 0, 62)
    bits = bits.reshape(values.shape)
    wide = bits << np.maximum(shift - _BITS, 0).astype(np.uint64)
    narrow = bits >> np.maximum(_BITS - shift, 0).astype(np.uint64)
    noise = np.where(shift >= _BITS, wide, narrow).astype(np.int64)
    return (values + noise) >> shift
