"""Layers that say how the same elements are read, and move them only where that cannot be said."""

from __future__ import annotations

import math

from kilograd.frontend.lowering.borders import BorderBuilder
from kilograd.frontend.lowering.channels import GROUPED, ChannelBuilder
from kilograd.frontend.lowering.dimensions import as_map, regrouped, reordered
from kilograd.frontend.lowering.ends import is_trivial_transpose
from kilograd.frontend.lowering.windows import NO_PADS, padded
from kilograd.frontend.network import Layer

#: Batch, height, width, channels.
_MAP_RANK = 4

_CHANNELS_FIRST = (2, 0, 1)


def _map_of(stated: tuple[int, ...], shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The extents that a map gets by a reshape, to a map or to rows of channels.

    Args:
        stated: shape of the result, in which rows may stand in the place of the batch.
        shape: of the map before, which stays where the elements are read as a vector, or in rows of
            as many channels as it has.
    """
    match stated:
        case (1, height, width, channels):
            return height, width, channels
        case (1, steps, channels):
            same_rows = steps == shape[0] * shape[1] and 1 in shape[:2]
            return shape if same_rows and channels == shape[2] else (1, steps, channels)
        case (rows, channels) if rows > 1 and channels != shape[2]:
            return 1, rows, channels
        case _:
            return shape


class ViewBuilder(BorderBuilder, ChannelBuilder):
    """Notes which dimension is which, and what is padded, for the layers behind."""

    def _reshape(self, number: int, layer: Layer) -> str:
        """Only a map of other extents is a layer; what reads a vector takes the map as it is."""
        self._check_same_scale(number, layer)
        (tensor, *_), output = layer.inputs, layer.outputs[0]
        stated, before = self._result(number).shape, self._dimensions(layer)
        x = self._read(number, layer, pads=True, dimensions=True)
        pads = self.pads.get(tensor, NO_PADS)
        if tensor in self.dimensions or pads != NO_PADS:
            after = regrouped(before, padded(self._shape(tensor), pads), stated)
            if after is not None:
                self._hold(number, after)
                self.pads.update({output: pads} if pads != NO_PADS else {})
                return x
            x = self._read(number, layer, dimensions=True)
        shape = self._shape(tensor)
        if not self._is_in_order(tensor):
            after = self._with_groups(before, shape, stated)
            if after is not None or math.prod(stated) == max(stated, default=0):
                self.dimensions[output] = after or before
                return x
            x = self._read(number, layer)
            shape = self._shape(tensor)
        made = _map_of(stated, shape)
        if made == shape or math.prod(made) != math.prod(shape):
            return x
        return self._builder.reshape(self._name(number), x, made)

    def _with_groups(
        self, before: tuple[int, ...], shape: tuple[int, int, int], stated: tuple[int, ...]
    ) -> tuple[int, ...] | None:
        """Dimensions of a map with its channels first, once they become two or one again."""
        height, width, channels = shape
        if before == _CHANNELS_FIRST and len(stated) == len(GROUPED) + 1:
            is_split = stated[3:] == (height, width) and math.prod(stated[:3]) == channels
            return GROUPED if is_split else None
        is_joined = before == GROUPED and stated == (1, channels, height, width)
        return _CHANNELS_FIRST if is_joined else None

    def _moved(self, number: int, layer: Layer, x: str, order: tuple[int, ...]) -> str:
        """Elements of a tensor of more dimensions than a map has, in another order of these."""
        made, extents = as_map(self._result(number).shape), self._tensor(layer).shape[1:]
        return self._builder.transpose(self._name(number), x, extents, order, made)

    def _transpose(self, number: int, layer: Layer) -> str:
        """What reads the result is told which dimension is which; nothing moves in memory.

        In more dimensions than a map has, elements are moved at once.
        """
        groups = self._exchanged_groups(layer)
        if groups is not None:
            return self._shuffled(number, layer, groups)
        (tensor, *_), stated = layer.inputs, self._tensor(layer).shape
        x = self._read(number, layer, pads=True, dimensions=True)
        pads = self.pads.get(tensor, NO_PADS)
        order, shape = layer.options.get("order"), padded(self._shape(tensor), pads)
        before = self._dimensions(layer)
        is_known = stated == (1, *(shape[axis] for axis in before))
        if not is_known and is_trivial_transpose(self._tensor(layer)):
            return self._reshape(number, layer)
        is_order = isinstance(order, tuple) and sorted(order) == [*range(len(stated))]
        if not isinstance(order, tuple) or not is_order or order[0] != 0 or stated[0] != 1:
            raise self._refuser.operator(number)
        self._check_same_scale(number, layer)
        if self._result(number).shape != tuple(stated[place] for place in order):
            raise self._refuser.layer(
                number,
                f"the file says that its result has the shape {list(self._result(number).shape)}, "
                f"and it reorders {list(stated)} by {list(order)}",
            )
        if not is_known or len(stated) > _MAP_RANK:
            x, pads = self._put_in_order(tensor), NO_PADS
        if len(stated) > _MAP_RANK:
            return self._moved(number, layer, x, tuple(place - 1 for place in order[1:]))
        self._hold(number, reordered(self._dimensions(layer), order))
        self.pads.update({layer.outputs[0]: pads} if pads != NO_PADS else {})
        return x

    def _depth_to_space(self, number: int, layer: Layer) -> str:
        """Channels as blocks of rows and columns."""
        x, block = self._read_map(number, layer), self._block(layer)
        height, width, channels = self._builder.type_of(x).shape
        left = channels // block**2
        if left * block**2 != channels:
            raise self._refuser.layer(
                number, f"it makes blocks of {block} by {block} of {channels} channels"
            )
        made = height * block, width * block, left
        return self._blocks_moved(number, layer, x, (height, width, block, block, left), made)

    def _space_to_depth(self, number: int, layer: Layer) -> str:
        """Blocks of rows and columns as channels."""
        x, block = self._read_map(number, layer), self._block(layer)
        height, width, channels = self._builder.type_of(x).shape
        rows, columns = height // block, width // block
        if (rows * block, columns * block) != (height, width):
            raise self._refuser.layer(
                number, f"it takes blocks of {block} by {block} off a map of {height}×{width}"
            )
        made = rows, columns, block**2 * channels
        return self._blocks_moved(number, layer, x, (rows, block, columns, block, channels), made)

    @staticmethod
    def _block(layer: Layer) -> int:
        block = layer.options["block"]
        if not isinstance(block, int):
            msg = f"the block of {layer.file_operator} is {block!r}, not a number"
            raise TypeError(msg)
        return block

    def _blocks_moved(
        self,
        number: int,
        layer: Layer,
        x: str,
        extents: tuple[int, ...],
        made: tuple[int, int, int],
    ) -> str:
        """A map whose second dimension of these and the third one have changed places."""
        self._check_same_scale(number, layer)
        return self._builder.transpose(self._name(number), x, extents, (0, 2, 1, 3, 4), made)
