"""Map nodes and addresses to pixels of the memory map."""

from __future__ import annotations

from dataclasses import dataclass

# Pixels of the view box.
WIDTH = 1080.0
MAP_LEFT, MAP_RIGHT = 256.0, 1066.0
TOP, _MAP_HEIGHT = 64.0, 480.0
_LIVE_GAP, _LIVE_HEIGHT = 52.0, 96.0


@dataclass(frozen=True)
class Axes:
    """Map node indices and addresses to pixels.

    Attributes:
        nodes: Number of nodes.
        top: Bytes at the upper edge.
    """

    nodes: int
    top: int

    def x(self, index: float) -> float:
        """Return the left edge of a node."""
        return MAP_LEFT + (MAP_RIGHT - MAP_LEFT) * index / max(1, self.nodes)

    def y(self, address: float) -> float:
        """Return the height of an address in the map."""
        return TOP + _MAP_HEIGHT * (1 - address / max(1, self.top))

    def live_y(self, size: float) -> float:
        """Return the height of a number of live bytes, below the map."""
        return self.bottom - _LIVE_HEIGHT * size / max(1, self.top)

    @property
    def map_bottom(self) -> float:
        """The lower edge of the map."""
        return TOP + _MAP_HEIGHT

    @property
    def live_top(self) -> float:
        """The upper edge of the live bytes."""
        return self.bottom - _LIVE_HEIGHT

    @property
    def bottom(self) -> float:
        """The lower edge of the live bytes."""
        return TOP + _MAP_HEIGHT + _LIVE_GAP + _LIVE_HEIGHT
