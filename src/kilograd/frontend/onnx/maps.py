"""Where a tensor's elements lie: ONNX has channels first, and kilograd has them last."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from kilograd.frontend.onnx.errors import RefusedError
from kilograd.frontend.pieces import Pieces, is_in_order

#: Batch, channels, and at least one more.
_MAP_RANK = 3

#: Height and width; further positions are columns, too.
_DIRECTIONS = 2

#: Batch, height, width, channels.
_STORED_RANK = 4


@dataclass(frozen=True)
class Map:
    """A tensor of the file, and how kilograd stores it.

    Attributes:
        shape: as the file has it, with the batch; see ``lacks_batch``.
        is_channels_last: whether the file has the channels last, too.
        pieces: how the elements lie in memory where that is neither of both; for vectors, where it
            is not the order of the file.
        held: of a map with pieces: the shape in which kilograd stores it, as it was before the file
            reshaped and reordered it.
        spread: of a map with one position: extents of the map that has it everywhere. kilograd
            stores it once.
        has_one_channel: whether the file has no dimension for its only channel, as sequences of
            features have it that a network reads as pictures.
        lacks_batch: whether the file has no dimension for the batch, or not as the first one:
            ``shape`` has one of one in front of the file's dimensions.
    """

    shape: tuple[int, ...]
    is_channels_last: bool = False
    pieces: Pieces | None = None
    held: tuple[int, ...] = ()
    spread: tuple[int, ...] | None = None
    has_one_channel: bool = False
    lacks_batch: bool = False

    @property
    def in_file(self) -> tuple[int, ...]:
        """The shape as the file has it."""
        return self.shape[1:] if self.lacks_batch else self.shape

    @property
    def is_map(self) -> bool:
        """Whether it has positions beside channels."""
        return len(self.shape) >= _MAP_RANK

    @property
    def is_loose(self) -> bool:
        """Whether it is a map whose channels lie neither first nor last in the file."""
        return self.is_map and self.pieces is not None

    @property
    def channels(self) -> int:
        """Of a map that is not loose, or elements of a vector."""
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
        if self.has_one_channel:
            return self.shape[1:]
        return self.shape[1:-1] if self.is_channels_last else self.shape[2:]

    @property
    def stored(self) -> tuple[int, ...]:
        """The shape in kilograd: [batch, height, width, channels], or that of a vector."""
        if not self.is_map:
            return self.shape
        if self.pieces is not None:
            return self.held
        ones = (1,) * (_DIRECTIONS - len(self.positions))
        first, *others = (*ones, *self.positions)
        return (self.shape[0], first, math.prod(others), self.channels)

    @property
    def lies(self) -> Pieces:
        """How the elements lie in memory."""
        if self.pieces is not None:
            return self.pieces
        rank = len(self.shape) - 1
        is_first = self.is_map and not self.is_channels_last and not self.has_one_channel
        memory = (*range(1, rank), 0) if is_first else range(rank)
        return Pieces.of(self.shape[1:], memory)

    def with_positions(self, positions: tuple[int, ...], channels: int) -> Map:
        """A map of other extents, stored the same way."""
        if self.has_one_channel and channels == 1:
            return replace(self, shape=(self.shape[0], *positions))
        if self.is_channels_last:
            return Map((self.shape[0], *positions, channels), is_channels_last=True)
        return Map((self.shape[0], channels, *positions))

    def reshaped(self, shape: tuple[int, ...]) -> Map | None:
        """The same elements in another shape; None if they have to be in the file's order first.

        Args:
            shape: of the file, with or without the batch.
        """
        lacks_batch = shape[:1] != self.shape[:1]
        shape = (*self.shape[:1], *shape) if lacks_batch else shape
        pieces = self.lies.cut(shape[1:])
        if pieces is None:
            return None
        return self._of(shape, pieces, lacks_batch=lacks_batch)

    def without(self, axes: set[int]) -> Map:
        """The map without some dimensions, of which each has an extent of one."""
        shape = tuple(extent for axis, extent in enumerate(self.shape) if axis not in axes)
        return self._of(shape, self.lies, lacks_batch=self.lacks_batch)

    def transposed(self, order: tuple[int, ...]) -> Map:
        """The map with its dimensions in another order.

        Args:
            order: of the file's dimensions; the batch may not be the first if it is one.
        """
        rank = len(order)
        if order == tuple(range(rank)):
            return self
        has_last = order == (0, *range(2, rank), 1)
        has_last |= self.is_channels_last and order != (0, rank - 1, *range(1, rank - 1))
        shape, lacks_batch = self.shape, self.lacks_batch
        if order[0] != 0 and not lacks_batch:
            shape, lacks_batch = (1, *shape), True
        if lacks_batch:
            order = (0, *(axis + 1 for axis in order))
        pieces = self.lies.transposed(shape[1:], [axis - 1 for axis in order[1:]])
        shape = tuple(shape[axis] for axis in order)
        return self._of(shape, pieces, has_last=has_last, lacks_batch=lacks_batch)

    def _of(
        self,
        shape: tuple[int, ...],
        pieces: Pieces,
        *,
        has_last: bool = False,
        lacks_batch: bool,
    ) -> Map:
        """The same elements as another map: with its channels first or last, if they are.

        Args:
            shape: of the result.
            pieces: how the elements lie.
            has_last: what it is where it may be either.
            lacks_batch: whether the first dimension of the shape is none of the file's.
        """
        if lacks_batch and shape[1:2] == (1,):
            shape, lacks_batch = shape[1:], False
        if len(shape) < _MAP_RANK:
            left = None if pieces.is_in_order else pieces.merged
            return Map(shape, pieces=left, lacks_batch=lacks_batch)
        for is_last in (has_last, not has_last):
            made = Map(shape, is_channels_last=is_last, lacks_batch=lacks_batch)
            moves = pieces.moves_to(made.lies)
            if moves is not None and is_in_order(moves[1]):
                return made
        return Map(shape, pieces=pieces.merged, held=self.stored, lacks_batch=lacks_batch)

    def in_file_order(self) -> Map:
        """The map as it is once its elements lie in memory in the order of the file."""
        return Map(self.shape, is_channels_last=self.is_map, lacks_batch=self.lacks_batch)

    def channels_first(self) -> Map:
        """The map as it is once its elements lie with its channels, the second dimension, last."""
        return Map(self.shape, lacks_batch=self.lacks_batch)

    def turned(self) -> Map:
        """The map with its channels last if they are first, and the other way round."""
        return self.channels_first() if self.is_channels_last else self.in_file_order()

    def stored_axis(self, axis: int) -> int:
        """Which dimension of ``stored`` is one of the file's; the batch and vectors have the same.

        Args:
            axis: of ``shape``, not negative.

        Raises:
            RefusedError: when it is stored as one with others.
        """
        if axis == 0 or not self.is_map:
            return axis
        if axis == self.channel_axis:
            return _STORED_RANK - 1
        place = axis - (1 if self.is_channels_last or self.has_one_channel else _DIRECTIONS)
        if len(self.positions) < _DIRECTIONS:
            return _DIRECTIONS
        if place == 0:
            return 1
        if math.prod(self.positions[1:]) != self.positions[place]:
            raise RefusedError(
                f"dimension {axis} of the shape {list(self.in_file)} is one of more than a map has"
            )
        return _DIRECTIONS
