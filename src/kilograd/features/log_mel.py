"""Log-mel energies of audio, in integers. docs/features.md is normative.

A frame is ``window`` samples, one every ``hop`` samples. Windowed with sin² it goes through a real
FFT; triangular filters, evenly spaced in mel = 2595 · log10(1 + Hz / 700) with peaks of one, sum
its power; the binary logarithm of each sum, rescaled, is one int8 of the network's input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from kilograd.errors import ModelError
from kilograd.features.base import Features, define, header, read_c, table
from kilograd.features.mulaw import mulaw_sources
from kilograd.features.spectrum import (
    POWER_SHIFT,
    power_spectrum,
    sines,
    window_shift,
    window_table,
)

_FRACTION_BITS = 14
_LOG_BITS = 15
_LOG_SEGMENT_BITS = 5
_RESCALE_BITS = 30

_WINDOWS = (64, 128, 256, 512)
_MAX_BANDS = 128
_MAX_FRAMES = 4096
_MAX_RATE = 48000
_MAX_CENTRE = 63
_SCALES = (1 / 64, 1)

#: Recordings that are transformed at a time: bounds the memory of intermediate results.
_BATCH = 64

_Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class LogMel(Features):
    """Frames of mel bands: a map of height ``frames``, width ``bands`` and one channel.

    Attributes:
        rate: samples a second.
        window: samples of a frame: 64, 128, 256 or 512.
        hop: samples from one frame to the next, at most ``window``.
        frames: of one recording.
        bands: number of mel filters.
        low_hz: where the first filter begins.
        high_hz: where the last one ends, at most half the rate.
        centre: binary logarithm of the filter's sum that becomes ``zero_point``.
        scale: change of that logarithm that is one int8 step, 1/64 to 1.
        zero_point: -128 to 127.

    Raises:
        ModelError: a field is out of its range, or a filter so narrow that no bin lies in it.
    """

    rate: int
    window: int
    hop: int
    frames: int
    bands: int
    low_hz: float
    high_hz: float
    centre: float
    scale: float
    zero_point: int

    kind: ClassVar[str] = "log_mel"
    source: ClassVar[str] = "audio"

    def __post_init__(self) -> None:
        within = {
            "rate": 1 <= self.rate <= _MAX_RATE,
            "window": self.window in _WINDOWS,
            "hop": 1 <= self.hop <= self.window,
            "frames": 1 <= self.frames <= _MAX_FRAMES,
            "bands": 1 <= self.bands <= _MAX_BANDS,
            "low_hz": 0 <= self.low_hz < self.high_hz,
            "high_hz": self.high_hz <= self.rate / 2,
            "centre": 0 <= self.centre <= _MAX_CENTRE,
            "scale": _SCALES[0] <= self.scale <= _SCALES[1],
            "zero_point": -128 <= self.zero_point <= 127,  # noqa: PLR2004 - int8
        }
        for name, is_within in within.items():
            if not is_within:
                raise ModelError(f"log_mel: {name} {getattr(self, name)} is out of range")
        empty = np.flatnonzero(self.filter_bank().sum(axis=1) == 0)
        if empty.size:
            raise ModelError(
                f"log_mel: no bin of the spectrum lies in band {empty[0]}",
                hint="take fewer bands, a longer window or a wider range of frequencies",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, bands and one channel."""
        return self.frames, self.bands, 1

    @property
    def samples(self) -> int:
        """Samples that one recording needs."""
        return (self.frames - 1) * self.hop + self.window

    @property
    def description(self) -> str:
        """One microphone, and the rate."""
        return f"one int16 of one microphone; {self.rate} samples a second"

    @property
    def sample_channels(self) -> int:
        """One microphone."""
        return 1

    @property
    def scratch_bytes(self) -> int:
        """The log-mel features of one frame's spectrum."""
        return 4 * self.window

    def apply(self, samples: NDArray[np.int16]) -> NDArray[np.int8]:
        """The map of each recording.

        Args:
            samples: int16 [..., n], n at least ``samples``; what comes after those is not read.

        Returns:
            int8 [..., frames, bands, 1].

        Raises:
            ValueError: a recording is too short.
        """
        if samples.shape[-1] < self.samples:
            msg = f"{samples.shape[-1]} samples are fewer than {self.samples}"
            raise ValueError(msg)
        flat = samples.reshape(-1, samples.shape[-1])
        result = np.empty((len(flat), *self.shape), np.int8)
        for start in range(0, len(flat), _BATCH):
            logarithms = self.logarithms(flat[start : start + _BATCH])
            result[start : start + _BATCH, :, :, 0] = self.quantize(logarithms)
        return result.reshape(*samples.shape[:-1], *self.shape)

    def logarithms(self, samples: NDArray[np.int16]) -> _Int64:
        """Binary logarithms of the filters' sums in Q15, int64 [..., frames, bands]."""
        windows = sliding_window_view(samples[..., : self.samples], self.window, axis=-1)
        power = power_spectrum(windows[..., :: self.hop, :], self.bins)
        sums: _Int64 = np.matmul(power, np.transpose(self.filter_bank()))
        return integer_log2(np.maximum(sums, 1))

    def quantize(self, logarithms: _Int64) -> NDArray[np.int8]:
        """The network's input for logarithms in Q15, of any shape."""
        product = (logarithms - self._centre) * self._multiplier
        steps = (product + (1 << (_RESCALE_BITS - 1))) >> _RESCALE_BITS
        return np.clip(steps + self.zero_point, -128, 127).astype(np.int8)

    @property
    def bins(self) -> range:
        """Bins of the spectrum that the filters cover."""
        low, high = self._edges()[[0, -1]] * self.window / self.rate
        return range(math.ceil(low), min(math.ceil(high), self.window // 2 + 1))

    def filter_bank(self) -> _Int64:
        """Weight of every bin in every filter, in Q14: int64 [bands, bins]."""
        segments, fractions = self._segments()
        rising = np.where(segments == np.arange(self.bands)[:, None], fractions, 0)
        falling = (1 << _FRACTION_BITS) - fractions
        return rising + np.where(segments == np.arange(1, self.bands + 1)[:, None], falling, 0)

    def as_dict(self) -> dict[str, Any]:
        """What the model file says; shape, scale and zero point are those of its input."""
        names = ("rate", "window", "hop", "low_hz", "high_hz", "centre")
        return {"kind": self.kind} | {name: getattr(self, name) for name in names}

    def sources(self) -> dict[str, str]:
        """kg_log_mel.[ch] with their constants and tables, and the decoder of mu-law."""
        bits = self.window.bit_length() - 1
        constants = {
            "KG_LOG_MEL_RATE": self.rate,
            "KG_LOG_MEL_WINDOW_BITS": bits,
            "KG_LOG_MEL_WINDOW": self.window,
            "KG_LOG_MEL_HOP": self.hop,
            "KG_LOG_MEL_FRAMES": self.frames,
            "KG_LOG_MEL_BANDS": self.bands,
        }
        private = {
            "WINDOW_SHIFT": window_shift(self.window),
            "POWER_SHIFT": POWER_SHIFT,
            "FRACTION_BITS": _FRACTION_BITS,
            "LOG_BITS": _LOG_BITS,
            "LOG_SEGMENT_BITS": _LOG_SEGMENT_BITS,
            "RESCALE_BITS": _RESCALE_BITS,
            "FIRST_BIN": self.bins.start,
            "CENTRE": self._centre,
            "MULTIPLIER": self._multiplier,
            "ZERO_POINT": self.zero_point,
        }
        segments, fractions = self._segments()
        ends = self.bins.start + np.searchsorted(segments, np.arange(self.bands + 1), "right")
        tables = [
            *define(private),
            "",
            "/* First half of 32767 sin^2 over the window. */",
            table("window_table", window_table(self.window)),
            "/* A quarter of the sine wave, Q30. */",
            table("sine_table", sines(self.window)),
            "/* Where the segments between the peaks of neighbouring filters end. */",
            table("segment_end", ends.astype(np.uint16)),
            "/* How far each bin has come from one peak to the next, Q14. */",
            table("fraction_table", fractions.astype(np.uint16)),
            "/* log2(1 + i / 32), Q15. */",
            table("log_table", log_table()),
        ]
        return {
            **read_c("kg_log_mel.h", "kg_log_mel.c"),
            "kg_log_mel_config.h": header("KG_LOG_MEL_CONFIG_H", *define(constants)),
            "kg_log_mel_tables.h": header("KG_LOG_MEL_TABLES_H", *tables),
            **mulaw_sources(),
        }

    @property
    def _centre(self) -> int:
        return round(self.centre * (1 << _LOG_BITS))

    @property
    def _multiplier(self) -> int:
        return round((1 << (_RESCALE_BITS - _LOG_BITS)) / self.scale)

    def _edges(self) -> NDArray[np.float64]:
        """Hertz where filters begin, peak and end: [bands + 2], filter b has b, b + 1 and b + 2."""
        low, high = (2595 * math.log10(1 + hz / 700) for hz in (self.low_hz, self.high_hz))
        return 700 * (10 ** (np.linspace(low, high, self.bands + 2) / 2595) - 1)

    def _segments(self) -> tuple[_Int64, _Int64]:
        """For each bin the segment between two edges it lies in, and how far along it, in Q14."""
        edges = self._edges()
        hertz = np.array(self.bins) * self.rate / self.window
        segments = np.clip(np.searchsorted(edges, hertz, "right") - 1, 0, self.bands)
        along = (hertz - edges[segments]) / np.diff(edges)[segments]
        fractions = np.rint(np.clip(along, 0, 1) * (1 << _FRACTION_BITS))
        return segments.astype(np.int64), fractions.astype(np.int64)


def log_table() -> NDArray[np.uint16]:
    """uint16 [33]: log2(1 + i / 32) in Q15."""
    segments = 1 << _LOG_SEGMENT_BITS
    return np.rint(np.log2(1 + np.arange(segments + 1) / segments) * (1 << _LOG_BITS)).astype(
        np.uint16
    )


def integer_log2(values: _Int64) -> _Int64:
    """log2 of whole numbers from 1 to 2^62 in Q15, by a table and straight lines between."""
    whole = np.zeros_like(values)
    for bits in (32, 16, 8, 4, 2, 1):
        whole += bits * (values >> (whole + bits) > 0)
    # The 15 bits after the first one.
    mantissas = np.where(
        whole < _LOG_BITS,
        values << np.maximum(_LOG_BITS - whole, 0),
        values >> np.maximum(whole - _LOG_BITS, 0),
    ) - (1 << _LOG_BITS)
    between = _LOG_BITS - _LOG_SEGMENT_BITS
    points = log_table().astype(np.int64)
    index, rest = mantissas >> between, mantissas & ((1 << between) - 1)
    rise = (points[index + 1] - points[index]) * rest
    return (whole << _LOG_BITS) + points[index] + ((rise + (1 << (between - 1))) >> between)
