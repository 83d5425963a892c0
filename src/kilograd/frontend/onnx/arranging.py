"""Tensors and layers of a network in the making, and maps whose elements are put in order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kilograd.frontend.network import Layer, Option, Tensor
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.values import Dequantized, Mapped, Pending
from kilograd.frontend.pieces import is_in_order, merged

#: Dimensions of a map behind the batch: more axes than these are moved as few as possible.
_OF_MAP = 3

_TITLE = "Transpose"

#: What the names of layers that move elements end with.
_DONE = {"transpose": "transposed", "channel_shuffle": "shuffled"}


class Arranging:
    """What files of ONNX leave where it is until a layer reads it.

    Attributes:
        tensors: of the network.
        layers: of the network.
    """

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.layers: list[Layer] = []
        self._arranged: dict[tuple[int, Map, Map], int] = {}

    def store(self, tensor: Tensor) -> int:
        """Number of a tensor that is added."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def arranged(self, x: Dequantized, made: Map) -> Dequantized:
        """A map as another one of the same shape; the same for all that read it so.

        Args:
            x: the map.
            made: how it lies then.
        """
        if made == x.map and self.tensors[x.number].shape == made.stored:
            return x  # a vector may still be stored as the map that it was
        key = x.number, x.map, made
        if key not in self._arranged:
            self._arranged[key] = self._moved(x, made)
        return Dequantized(self._arranged[key], made)

    def expanded(self, value: Dequantized) -> Dequantized:
        """A map of one position with as many as it stands for."""
        x, map_ = self.tensors[value.number], value.map
        made = map_.with_positions(map_.spread or (), map_.channels)
        number = self.store(replace(x, shape=made.stored))
        options: Mapping[str, Option] = {"repeats": made.stored[1:3]}
        self.layers.append(Layer("resize", (value.number,), (number,), "none", options, "Expand"))
        return Dequantized(number, made)

    def channels_first(self, x: Dequantized) -> Dequantized:
        """A map with its second dimension as the channels, as most operators of ONNX read maps."""
        return self.arranged(x, x.map.channels_first()) if x.map.is_channels_last else x

    def in_file_order(self, x: Dequantized) -> Dequantized:
        """A map with its last dimension as the channels, or a vector as it stands in the file."""
        return self.arranged(x, x.map.in_file_order())

    def alike(self, maps: Sequence[Dequantized]) -> list[Dequantized]:
        """Maps with their channels at the same place; vectors in the order of the file."""
        layouts = {x.map.is_channels_last for x in maps}
        if all(x.map.is_map and not x.map.has_one_channel for x in maps) and len(layouts) == 1:
            return [*maps]
        return [self.in_file_order(x) for x in maps]

    def _moved(self, x: Dequantized, made: Map) -> int:
        """Number of the tensor that has the elements of a map where another one has them."""
        moves = x.map.lies.moves_to(made.lies)
        if moves is None:
            msg = f"{x.map} cannot lie as {made}"
            raise ValueError(msg)
        extents, order = moves
        shape = self.tensors[x.number].shape
        if is_in_order(order):
            return self._reshaped(x.number, made.stored)
        few, places = merged(extents, order)
        is_shuffle = (
            made.is_map and is_in_order(places[:-2]) and math.prod(few[-2:]) == made.stored[-1]
        )
        if is_shuffle:  # groups of channels, and what is in them
            number = self._reshaped(x.number, made.stored)
            return self._put("channel_shuffle", number, {"groups": few[-2]}, made.stored)
        if extents == tuple(extent for extent in shape[1:] if extent > 1):
            extents, order = shape[1:], _with_ones(shape[1:], order, made.stored[1:])
        elif len(extents) > _OF_MAP:
            extents, order = few, places
        number = self._reshaped(x.number, (shape[0], *extents))
        moved = (shape[0], *(extents[axis] for axis in order))
        options = {"order": (0, *(axis + 1 for axis in order))}
        return self._reshaped(self._put("transpose", number, options, moved), made.stored)

    def _reshaped(self, number: int, shape: tuple[int, ...]) -> int:
        if self.tensors[number].shape == shape:
            return number
        return self._put("reshape", number, {}, shape)

    def _put(
        self, operator: str, number: int, options: Mapping[str, Option], shape: tuple[int, ...]
    ) -> int:
        """Number of the tensor that a layer makes that computes nothing."""
        x = self.tensors[number]
        name = f"{x.name}_{_DONE[operator]}" if x.name and operator in _DONE else x.name
        made = self.store(replace(x, name=name, shape=shape))
        options = {**options, "is_kept": True}
        self.layers.append(Layer(operator, (number,), (made,), "none", options, _TITLE))
        return made


def _with_ones(
    extents: tuple[int, ...], order: tuple[int, ...], wanted: tuple[int, ...]
) -> tuple[int, ...]:
    """An order of axes that counts those of one, too: where they are wanted, or at the end.

    Args:
        extents: of all axes.
        order: of those above one, counted without the others.
        wanted: extents of the result, if it has as many.
    """
    large = [axis for axis, extent in enumerate(extents) if extent > 1]
    ones = [axis for axis, extent in enumerate(extents) if extent == 1]
    moved = [large[place] for place in order]
    if sorted(wanted) != sorted(extents):
        return (*moved, *ones)
    left, rest = iter(moved), iter(ones)
    return tuple(next(left if extent > 1 else rest) for extent in wanted)


def relabelled(value: Mapped, map_: Map) -> Mapped:
    """The same as another map of the same tensor."""
    if isinstance(value, Pending):
        *steps, last = value.steps
        return replace(value, steps=(*steps, replace(last, map=map_)))
    return replace(value, map=map_)
