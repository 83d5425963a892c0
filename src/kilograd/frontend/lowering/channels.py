"""Layers that put maps side by side in their channels, take some of them, or reorder them."""

from __future__ import annotations

import math

from kilograd.frontend.lowering.reading import LayerReader
from kilograd.frontend.network import Layer

#: Dimensions of a map with its channels first and in two dimensions, as a reshape made them.
GROUPED = (2, 2, 0, 1)


class ChannelBuilder(LayerReader):
    """Builds what moves channels and computes nothing."""

    def _concatenate(self, number: int, layer: Layer) -> str:
        """Two at a time."""
        axis, rank = layer.options["axis"], len(self._result(number).shape)
        if not isinstance(axis, int) or not -rank < axis < rank or axis == 0:
            raise self._refuser.layer(
                number,
                f"it joins its maps along dimension {axis} of {rank}, and the first is the batch",
            )
        if axis not in {rank - 1, -1} or any(map(self._is_moved, layer.inputs)):
            return self._joined(number, layer, axis % rank)
        joined = ""
        for place in range(len(layer.inputs)):
            x = self._with_channels_last(number, layer, place)
            joined = self._builder.concatenate(self._name(number), joined, x) if place else x
        return joined

    def _is_moved(self, tensor: int) -> bool:
        return tensor in self.values and not self._is_in_order(tensor)

    def _joined(self, number: int, layer: Layer, axis: int) -> str:
        """Maps one behind the other along any of their dimensions.

        What lies behind each element of the dimensions in front of that is joined as channels are.
        """
        places = range(len(layer.inputs))
        for place in places:
            self._check_same_scale(number, layer, place)
            self._read(number, layer, place, dimensions=True)
        known = {self._dimensions(layer, place) for place in places}
        if len(known) > 1 or not all(self._is_as_stated(tensor) for tensor in layer.inputs):
            self._put_all_in_order(layer, *places)
        dimensions = self._dimensions(layer)
        if not all(self._is_as_stated(tensor) for tensor in layer.inputs):
            raise self._refuser.layer(number, "it joins tensors of more dimensions than a map has")
        along, joined = dimensions[axis - 1], ""
        shapes = [self._shape(tensor) for tensor in layer.inputs]
        others = {(*shape[:along], *shape[along + 1 :]) for shape in shapes}
        if len(others) > 1:
            raise self._refuser.layer(
                number, f"it joins maps of {' and '.join(map(str, map(list, shapes)))} along {axis}"
            )
        made = [*shapes[0]]
        made[along] = sum(shape[along] for shape in shapes)
        for place, tensor in enumerate(layer.inputs):
            x, ahead = self.values[tensor], math.prod(shapes[place][:along])
            if along < 2:  # noqa: PLR2004 - the channels
                rows = self._names.choose(f"{x}_rows", "rows")
                x = self._builder.reshape(rows, x, (1, ahead, math.prod(shapes[place][along:])))
            joined = self._builder.concatenate(self._name(number), joined, x) if place else x
        if along < 2:  # noqa: PLR2004 - the channels
            joined = self._builder.reshape(self._name(number), joined, tuple(made))
        self._hold(number, dimensions)
        return joined

    def _channel_slice(self, number: int, layer: Layer) -> str:
        x = self._with_channels_last(number, layer)
        first, count = (layer.options.get(name) for name in ("first", "count"))
        if not isinstance(first, int) or not isinstance(count, int):
            msg = f"{layer.file_operator} takes {count!r} channels from {first!r} on, not numbers"
            raise TypeError(msg)
        return self._builder.channel_slice(self._name(number), x, first, count)

    def _channel_shuffle(self, number: int, layer: Layer) -> str:
        groups = layer.options["groups"]
        if not isinstance(groups, int):
            msg = f"groups of {layer.file_operator} is {groups!r}, not a number"
            raise TypeError(msg)
        return self._shuffled(number, layer, groups)

    def _shuffled(self, number: int, layer: Layer, groups: int) -> str:
        self._check_same_scale(number, layer)
        is_first = self._dimensions(layer) == GROUPED
        x = self._read(number, layer, dimensions=is_first)
        if is_first:
            self._hold(number, GROUPED)
        return self._builder.channel_shuffle(self._name(number), x, groups)

    def _exchanged_groups(self, layer: Layer) -> int | None:
        """How many groups of channels a layer transposes with what is in them, if it does that.

        Its tensor has the channels in two dimensions, which a reshape made of one.
        """
        stated, order = self._tensor(layer).shape, layer.options.get("order")
        if order == (0, 2, 1, 3, 4) and self._dimensions(layer) == GROUPED:
            return stated[1]
        if order != (0, 1, 2, 4, 3) or layer.inputs[0] not in self.values:
            return None
        height, width, channels = self._shape(layer.inputs[0])
        is_grouped = stated[:3] == (1, height, width) and math.prod(stated[3:]) == channels
        return stated[3] if is_grouped else None

    def _with_channels_last(self, number: int, layer: Layer, place: int = 0) -> str:
        """An input whose last dimension has a map's channels, or all elements of a vector."""
        self._check_same_scale(number, layer, place)
        tensor, stated = layer.inputs[place], self._tensor(layer, place).shape
        x = self._read(number, layer, place)
        if tensor in self.dimensions:
            return self._put_in_order(tensor)
        made = self._shape(tensor)
        if stated[1:] == made or (len(stated) <= len(made) and stated[-1] == made[2]):
            return x
        if len(stated) > len(made) or stated[-1] != math.prod(made):
            raise self._refuser.layer(number, f"its input {place} is a map of another shape")
        return self._flattened(layer.inputs[place], x)
