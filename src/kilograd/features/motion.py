"""Motion: counts of an accelerometer and a gyroscope to int8, channel by channel."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kilograd.errors import ModelError
from kilograd.features.base import Features, define, header, read_c, table

_RESCALE_BITS = 16
_MAX_LENGTH = 4096
_MAX_CHANNELS = 64

#: Channels are named in a comment of the sources.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


@dataclass(frozen=True)
class Motion(Features):
    """A window of sensor samples: a map of height ``length``, width one, and the channels.

    Attributes:
        rate: samples a second.
        length: samples of a window.
        channels: what is measured, as the sensor or the data pack calls it.
        units: for each channel, what one count of the sensor's int16 stands for.
        scales: for each channel, in the same unit, what one int8 step stands for.

    Raises:
        ModelError: a field is out of its range.
    """

    rate: float
    length: int
    channels: tuple[str, ...]
    units: tuple[float, ...]
    scales: tuple[float, ...]

    kind: ClassVar[str] = "motion"
    source: ClassVar[str] = "motion"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ModelError(f"motion: rate {self.rate} is out of range")
        if not 1 <= self.length <= _MAX_LENGTH:
            raise ModelError(f"motion: length {self.length} is out of range")
        if not 1 <= len(self.channels) <= _MAX_CHANNELS:
            raise ModelError(f"motion: {len(self.channels)} channels are out of range")
        self._check_names()
        counts = {"units": len(self.units), "scales": len(self.scales)}
        for name, count in counts.items():
            if count != len(self.channels):
                raise ModelError(f"motion: {count} {name} for {len(self.channels)} channels")
        for name, unit, scale in zip(self.channels, self.units, self.scales, strict=True):
            if not (0 < unit <= scale < math.inf and scale / unit < 1 << _RESCALE_BITS):
                raise ModelError(
                    f"motion: channel {name}: the scale {scale} is not 1 to 65,535 units of {unit}"
                )

    def _check_names(self) -> None:
        for name in self.channels:
            if not _NAME.fullmatch(name):
                raise ModelError(f"motion: {name!r} is not a valid name for a channel")
            if self.channels.count(name) > 1:
                raise ModelError(f"motion: the channel {name} is there twice")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Length, one and channels."""
        return self.length, 1, len(self.channels)

    @property
    def description(self) -> str:
        """The channels in order, what a count of each is, and the rate."""
        channels = ", ".join(
            f"{name} ({unit:.9g} a count)"
            for name, unit in zip(self.channels, self.units, strict=True)
        )
        return f"int16 counts in this order: {channels}; {self.rate:g} samples a second"

    @property
    def samples(self) -> int:
        """Samples of a window."""
        return self.length

    @property
    def sample_channels(self) -> int:
        """As many as there are channels."""
        return len(self.channels)

    @property
    def scratch_bytes(self) -> int:
        """None."""
        return 0

    def counts(self, real: NDArray[np.floating[Any]]) -> NDArray[np.int16]:
        """What a sensor would count, of real values [..., channels]: to nearest, halves to even."""
        counts = np.rint(real.astype(np.float64) / np.array(self.units))
        return np.clip(counts, -32768, 32767).astype(np.int16)

    def apply(self, samples: NDArray[np.int16]) -> NDArray[np.int8]:
        """The map of each window: int8 [..., length, 1, channels] of counts [..., n, channels].

        Raises:
            ValueError: a window is too short, or has other channels.
        """
        if samples.shape[-2] < self.length or samples.shape[-1] != len(self.channels):
            msg = f"samples of shape {samples.shape} are no windows of {self.shape}"
            raise ValueError(msg)
        product = samples[..., : self.length, :].astype(np.int64) * self._multipliers()
        steps = (product + (1 << (_RESCALE_BITS - 1))) >> _RESCALE_BITS
        return np.clip(steps, -128, 127).astype(np.int8)[..., None, :]

    def as_dict(self) -> dict[str, Any]:
        """What the model file says; the shape is that of its input."""
        return {
            "kind": self.kind,
            "rate": self.rate,
            "channels": list(self.channels),
            "units": list(self.units),
            "scales": list(self.scales),
        }

    def sources(self) -> dict[str, str]:
        """kg_motion.[ch] with their constants and table."""
        constants = {"KG_MOTION_LENGTH": self.length, "KG_MOTION_CHANNELS": len(self.channels)}
        multipliers = table("multiplier_table", self._multipliers().astype(np.int32))
        return {
            **read_c("kg_motion.h", "kg_motion.c"),
            "kg_motion_config.h": header("KG_MOTION_CONFIG_H", *define(constants)),
            "kg_motion_tables.h": header(
                "KG_MOTION_TABLES_H",
                *define({"RESCALE_BITS": _RESCALE_BITS}),
                "",
                f"/* Int8 steps a count of {', '.join(self.channels)}, Q16. */",
                multipliers,
            ),
        }

    def _multipliers(self) -> NDArray[np.int64]:
        ratios = np.array(self.units) / np.array(self.scales)
        return np.rint(ratios * (1 << _RESCALE_BITS)).astype(np.int64)
