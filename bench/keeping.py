"""A host device that runs the frozen prefix once a sample, however many runs read it."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from kilograd.device.host import HostDevice


class KeepingDevice(HostDevice):
    """Keeps every snapshot it has taken, by the sample's contents."""

    def prefix_snapshot(self, sample: NDArray[np.int8]) -> NDArray[np.uint8]:
        """As `HostDevice.prefix_snapshot`, remembered."""
        kept: dict[bytes, NDArray[np.uint8]] = self.__dict__.setdefault("_kept_snapshots", {})
        key = hashlib.blake2b(sample.tobytes(), digest_size=16).digest()
        if key not in kept:
            kept[key] = super().prefix_snapshot(sample)
        return kept[key]
