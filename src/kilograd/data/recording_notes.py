"""What is done to recordings before a network hears them, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kilograd.features import LogMel

#: A recording without a louder sample is called silent: 80 dB below full scale.
_SILENCE = 3


class RecordingNotes:
    """Counts what is done to recordings, to say it afterwards.

    Args:
        features: of the network.
    """

    def __init__(self, features: LogMel) -> None:
        self._features = features
        self._count = self._short = self._long = self._silent = self._clipped = 0
        self._rates: dict[int, int] = {}

    def add(
        self, length: int, clip: NDArray[np.int16], *, rate: int, is_clipped: bool = False
    ) -> None:
        """Count a recording.

        Args:
            length: samples that it has at the network's rate.
            clip: what the network hears of it.
            rate: samples a second that it was recorded with.
            is_clipped: whether it went beyond full scale.
        """
        self._count += 1
        self._short += length < len(clip)
        self._long += length > len(clip)
        self._silent += bool(np.abs(clip.astype(np.int32)).max() <= _SILENCE)
        self._clipped += is_clipped
        self._rates[rate] = self._rates.get(rate, 0) + 1

    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that was done."""
        wanted = self._features.rate
        seconds = f"{self._features.samples / wanted:.3g} s"
        others = sorted(rate for rate in self._rates if rate != wanted)
        changed = sum(self._rates[rate] for rate in others)
        lower = sum(self._rates[rate] for rate in others if rate < wanted)
        named = ", ".join(map(str, others[:4])) + (", …" if len(others) > 4 else "")  # noqa: PLR2004
        told = (
            (changed, f"resampled from {named} Hz to {wanted} Hz"),
            (lower, f"under {wanted} Hz, so the highest sounds are missing"),
            (self._short, f"shorter than {seconds}, padded with silence on both sides"),
            (self._long, f"longer than {seconds}, cut to the middle"),
            (self._silent, "silent in the part that the network hears"),
            (self._clipped, "beyond full scale, clipped"),
        )
        return tuple(
            f"{count} of {self._count} recordings: {text}" for count, text in told if count
        )
