"""Folders of motion, a CSV file a recording, as the network reads them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kilograd.data.broken import UnreadableError, read_each
from kilograd.data.motion_csv import read_motion_csv
from kilograd.data.motion_maps import motion_maps, rate_ratio
from kilograd.data.resample import resample_real

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kilograd.data.source import Decoded
    from kilograd.features import Motion


def read_motion_files(files: Sequence[Path], features: Motion) -> Decoded:
    """Reads recordings and brings them to the network's rate and length.

    A longer one is cut to its middle; one that has at least half of the length begins and ends as
    if the sensor had stood still.

    Raises:
        BrokenSamplesError: recordings that cannot be read or are too short; all of them.
    """
    windows = np.zeros((len(files), features.length, len(features.channels)))
    counts = {"resampled": 0, "unknown": 0, "lower": 0, "short": 0, "long": 0}

    def read(index: int) -> None:
        recording = read_motion_csv(files[index], features.channels)
        rate = recording.rate
        ratio = rate_ratio(features.rate if rate is None else rate, features)
        values = resample_real(recording.values, ratio)
        windows[index] = _fit(files[index], values, features)
        counts["resampled"] += ratio != 1
        counts["lower"] += ratio > 1
        counts["unknown"] += rate is None
        counts["short"] += len(values) < features.length
        counts["long"] += len(values) > features.length

    read_each("recordings of motion", len(files), read)
    decoded = motion_maps(windows, features)
    return replace(decoded, notes=(*_notes(counts, len(files), features), *decoded.notes))


def _fit(path: Path, values: NDArray[np.float64], features: Motion) -> NDArray[np.float64]:
    """The middle, or all of it with its ends held."""
    excess = len(values) - features.length
    if excess >= 0:
        return values[excess // 2 : excess // 2 + features.length]
    if 2 * len(values) < features.length:
        has, needs = (f"{n / features.rate:.3g} s" for n in (len(values), features.length))
        raise UnreadableError(
            f"the recording lasts {has}, and the network reads {needs}",
            reason=f"lasts {has}",
            where=str(path),
            hint=f"record for {needs} or longer; at least half of that is needed",
        )
    before = -excess // 2
    return np.pad(values, ((before, -excess - before), (0, 0)), mode="edge")


def _notes(counts: dict[str, int], total: int, features: Motion) -> tuple[str, ...]:
    seconds = f"{features.length / features.rate:.3g} s"
    texts = {
        "unknown": f"no column time or rate, taken to be sampled at {features.rate:g} Hz",
        "resampled": f"resampled to {features.rate:g} Hz",
        "lower": f"under {features.rate:g} Hz, so the fastest motions are missing",
        "short": f"shorter than {seconds}, with the first and the last sample held",
        "long": f"longer than {seconds}, cut to the middle",
    }
    return tuple(
        f"{counts[what]} of {total} recordings: {text}"
        for what, text in texts.items()
        if counts[what]
    )
