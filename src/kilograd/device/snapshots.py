"""A host device that runs the frozen prefix once a sample, however many runs read it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from kilograd.device.host import HostDevice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SnapshotCache(HostDevice):
    """Keeps every snapshot that it has taken, by the sample's contents.

    A snapshot stays good whatever the network learns, so runs with other seeds or rates on the
    same samples need not run the frozen layers again. Nothing is ever dropped: a sample costs as
    many bytes as the layers behind the prefix read.

    Args:
        library: path of a shared library, as for `HostDevice`.
    """

    def __init__(self, library: Path) -> None:
        super().__init__(library)
        self._snapshots: dict[bytes, NDArray[np.uint8]] = {}

    def prefix_snapshot(self, sample: NDArray[np.int8]) -> NDArray[np.uint8]:
        """As `HostDevice.prefix_snapshot`, remembered; read-only, since all runs share it."""
        key = hashlib.blake2b(sample.tobytes(), digest_size=16).digest()
        if key not in self._snapshots:
            snapshot = super().prefix_snapshot(sample)
            snapshot.flags.writeable = False
            self._snapshots[key] = snapshot
        return self._snapshots[key]
