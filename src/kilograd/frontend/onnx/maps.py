"""Where a tensor's elements lie: ONNX has channels first, and kilograd has them last."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

#: Batch, channels, and at least one more.
_MAP_RANK = 3


@dataclass(frozen=True)
class Map:
    """A tensor of the file, and how kilograd stores it.

    Attributes:
        shape: as the file has it, with the batch.
        is_channels_last: whether the file has the channels last, too.
        flattened: of a vector that was a map with its channels first: how many channels, and how
            many positions. The file has its elements channel by channel; kilograd stores them
            position by position.
        is_grouped: whether its channels are the second and the third dimension: groups of them,
            and those in each. kilograd stores it as if they were one dimension.
        spread: of a map with one position: extents of the map that has it everywhere. kilograd
            stores it once.
        has_one_channel: whether the file has no dimension for its only channel, as sequences of
            features have it that a network reads as pictures.
    """

    shape: tuple[int, ...]
    is_channels_last: bool = False
    flattened: tuple[int, int] | None = None
    is_grouped: bool = False
    spread: tuple[int, ...] | None = None
    has_one_channel: bool = False

    @property
    def is_map(self) -> bool:
        """Whether it has positions beside channels."""
        return len(self.shape) >= _MAP_RANK

    @property
    def channels(self) -> int:
        """Of a map, or elements of a vector."""
        if self.is_grouped:
            return self.shape[1] * self.shape[2]
        if self.has_one_channel:
            return 1
        return self.shape[self.channel_axis]

    @property
    def channel_axis(self) -> int:
        """Which dimension has the channels, or the elements of a vector.

        One that it does not have, if it has none for its only channel.
        """
        if self.has_one_channel:
            return len(self.shape)
        return len(self.shape) - 1 if self.is_channels_last or not self.is_map else 1

    @property
    def positions(self) -> tuple[int, ...]:
        """Extents of a map beside its channels: height and width, or a length."""
        if self.is_grouped:
            return self.shape[3:]
        if self.has_one_channel:
            return self.shape[1:]
        return self.shape[1:-1] if self.is_channels_last else self.shape[2:]

    @property
    def stored(self) -> tuple[int, ...]:
        """The shape in kilograd: [batch, height, width, channels], or that of a vector."""
        if not self.is_map:
            return self.shape
        rows = (1,) * (_MAP_RANK - 1 - len(self.positions))
        return (self.shape[0], *rows, *self.positions, self.channels)

    @property
    def order(self) -> tuple[int, int] | None:
        """Channels and positions, or None where kilograd has the elements in the file's order."""
        if not self.is_map or self.is_channels_last:
            return self.flattened
        channels, positions = self.channels, math.prod(self.positions)
        return None if 1 in {channels, positions} else (channels, positions)

    def with_positions(self, positions: tuple[int, ...], channels: int) -> Map:
        """A map of other extents, stored the same way."""
        if self.has_one_channel and channels == 1:
            return replace(self, shape=(self.shape[0], *positions))
        if self.is_channels_last:
            return Map((self.shape[0], *positions, channels), is_channels_last=True)
        return Map((self.shape[0], channels, *positions))

    def reshaped(self, shape: tuple[int, ...]) -> Map | None:
        """The same elements in another shape; None if kilograd would have to move them."""
        if math.prod(shape) != math.prod(self.shape) or shape[:1] != self.shape[:1] or self.spread:
            return None
        if len(shape) < _MAP_RANK:
            return Map(shape, flattened=self.order)
        made = Map(shape)
        return made if made.order == self.order else self._grouped(shape)

    def _grouped(self, shape: tuple[int, ...]) -> Map | None:
        """The same with its channels in groups, if that is what a shape says."""
        if not self.is_map or self.is_channels_last or shape[3:] != self.positions:
            return None
        return Map(shape, is_grouped=True)

    def shuffled(self, order: tuple[int, ...]) -> Map | None:
        """The map with groups and what is in them exchanged, if an order of dimensions says so."""
        if not self.is_grouped or order != (0, 2, 1, *range(3, len(self.shape))):
            return None
        return Map(tuple(self.shape[axis] for axis in order), is_grouped=True)

    def transposed(self, order: tuple[int, ...]) -> Map | None:
        """The map with its dimensions in another order; None if elements would have to move."""
        rank = len(self.shape)
        shape = tuple(self.shape[axis] for axis in order)
        if order == tuple(range(rank)):
            return self
        last, first = (0, *range(2, rank), 1), (0, rank - 1, *range(1, rank - 1))
        if self.is_grouped or self.spread:
            return None
        if self.is_map and not self.is_channels_last and order == last:
            return Map(shape, is_channels_last=True)
        # A map of one channel or one position lies in memory as it stands in the file.
        if self.is_map and order == first and (self.is_channels_last or self.order is None):
            return Map(shape)
        return None

    def stored_axis(self, axis: int) -> int:
        """Which dimension of ``stored`` is one of the file's; the batch and vectors have the same.

        Args:
            axis: of ``shape``, not negative.
        """
        if axis == 0 or not self.is_map:
            return axis
        rank = len(self.stored)
        if axis == self.channel_axis:
            return rank - 1
        from_end = len(self.shape) - axis + (0 if self.is_channels_last else 1)
        return rank - from_end
