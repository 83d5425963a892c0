"""The power spectrum of a frame in fixed point: window, real FFT, squares. docs/features.md.

With N = 2^n samples a frame: windowed samples are shifted so that |v| <= 2^(30 − n), and the FFT
grows them at most by the window's sum, N / 2. No value passes 2^30, and none is ever scaled down,
so what is lost by rounding does not depend on the signal.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_WINDOW_BITS = 15
_SAMPLE_BITS = 15
_TWIDDLE_BITS = 30

#: The power is shifted down by so much: it then has at most 47 bits.
POWER_SHIFT = 14

_Int64 = NDArray[np.int64]


def window_table(size: int) -> NDArray[np.int16]:
    """int16 [size / 2]: the first half of 32767 · sin² over the window; the rest mirrors it."""
    angles = math.pi * (np.arange(size // 2) + 0.5) / size
    return np.rint(np.sin(angles) ** 2 * ((1 << _WINDOW_BITS) - 1)).astype(np.int16)


def window_shift(size: int) -> int:
    """Bits that a sample times its window is shifted down by."""
    return _SAMPLE_BITS + _WINDOW_BITS - (30 - _bits(size))


def sines(size: int) -> NDArray[np.int32]:
    """int32 [size / 4 + 1]: sin(2πk / size) in Q30, a quarter of the wave."""
    angles = 2 * math.pi * np.arange(size // 4 + 1) / size
    return np.rint(np.sin(angles) * (1 << _TWIDDLE_BITS)).astype(np.int32)


def power_spectrum(frames: NDArray[np.int16], bins: range) -> _Int64:
    """⌊|2 X[k]|² / 2^14⌋ of windowed frames, where X is their discrete Fourier transform.

    Args:
        frames: int16 [..., N], N a power of two from 64 to 512.
        bins: which k, within 0..N / 2.

    Returns:
        int64 [..., bins].
    """
    size = frames.shape[-1]
    half = window_table(size).astype(np.int64)
    shift = window_shift(size)
    product = frames.astype(np.int64) * np.concatenate([half, half[::-1]])
    windowed = (product + (1 << (shift - 1))) >> shift
    real, imaginary = _fft(windowed[..., 0::2], windowed[..., 1::2])
    k = np.arange(bins.start, bins.stop)
    near, far = k % (size // 2), -k % (size // 2)
    # Twice the even samples' transform, and twice the odd ones' times -i.
    even_re = real[..., near] + real[..., far]
    even_im = imaginary[..., near] - imaginary[..., far]
    odd_re = imaginary[..., near] + imaginary[..., far]
    odd_im = real[..., far] - real[..., near]
    turned_re, turned_im = _turn(odd_re, odd_im, *_twiddles(k, size))
    return ((even_re + turned_re) ** 2 + (even_im + turned_im) ** 2) >> POWER_SHIFT


def _fft(real: _Int64, imaginary: _Int64) -> tuple[_Int64, _Int64]:
    """Radix-2 transform of [..., M] complex numbers, decimated in time."""
    size = real.shape[-1]
    order = _bit_reversed(size)
    real, imaginary = real[..., order], imaginary[..., order]
    half = 1
    while half < size:
        blocks = (*real.shape[:-1], size // (2 * half), 2, half)
        re, im = real.reshape(blocks), imaginary.reshape(blocks)
        cosine, sine = _twiddles(np.arange(half) * (size // half), 2 * size)
        turned_re, turned_im = _turn(re[..., 1, :], im[..., 1, :], cosine, sine)
        real = np.stack([re[..., 0, :] + turned_re, re[..., 0, :] - turned_re], -2)
        imaginary = np.stack([im[..., 0, :] + turned_im, im[..., 0, :] - turned_im], -2)
        real = real.reshape(*blocks[:-3], size)
        imaginary = imaginary.reshape(*blocks[:-3], size)
        half *= 2
    return real, imaginary


def _turn(re: _Int64, im: _Int64, cosine: _Int64, sine: _Int64) -> tuple[_Int64, _Int64]:
    """(re + i·im) · (cosine − i·sine), rounded to nearest, halves up."""
    rounding = 1 << (_TWIDDLE_BITS - 1)
    turned_re = (cosine * re + sine * im + rounding) >> _TWIDDLE_BITS
    turned_im = (cosine * im - sine * re + rounding) >> _TWIDDLE_BITS
    return turned_re, turned_im


def _twiddles(index: _Int64, size: int) -> tuple[_Int64, _Int64]:
    """Cosine and sine of 2π · index / size in Q30, 0 <= index <= size / 2, from a quarter wave."""
    table = sines(size).astype(np.int64)
    quarter = size // 4
    is_late = index > quarter
    cosine = np.where(is_late, -table[np.abs(index - quarter)], table[np.abs(quarter - index)])
    return cosine, table[np.where(is_late, 2 * quarter - index, index)]


def _bit_reversed(size: int) -> NDArray[np.int64]:
    order = np.zeros(1, np.int64)
    while len(order) < size:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


def _bits(size: int) -> int:
    return size.bit_length() - 1
