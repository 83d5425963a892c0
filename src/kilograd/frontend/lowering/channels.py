"""Layers that put maps side by side in their channels, take some of them, or reorder them."""

from __future__ import annotations

import math

from kilograd.frontend.lowering.reading import LayerReader
from kilograd.frontend.network import Layer

#: Batch, height, width, channels.
_MAP_RANK = 4


class ChannelBuilder(LayerReader):
    """Builds what moves channels and computes nothing."""

    def _concatenate(self, number: int, layer: Layer) -> str:
        """Two at a time."""
        axis, rank = layer.options["axis"], len(self._result(number).shape)
        if axis not in {rank - 1, -1}:
            raise self._refuser.layer(
                number,
                f"it joins its maps along dimension {axis}, and kilograd does so along the last, "
                "their channels",
            )
        joined = ""
        for place, tensor in enumerate(layer.inputs):
            x = self._read(number, layer, place)
            self._check_same_scale(number, layer, place)
            if rank != _MAP_RANK:
                x = self._flattened(tensor, x)
            elif self._tensor(layer, place).shape[1:] != self._shape(tensor):
                raise self._refuser.layer(number, f"its input {place} is a map of another shape")
            joined = self._builder.concatenate(self._name(number), joined, x) if place else x
        return joined

    def _channel_slice(self, number: int, layer: Layer) -> str:
        x = self._vector_or_map(number, layer)
        first, count = (layer.options.get(name) for name in ("first", "count"))
        if not isinstance(first, int) or not isinstance(count, int):
            raise self._refuser.layer(
                number, "what it takes is not a constant part of the channels, and nothing else"
            )
        return self._builder.channel_slice(self._name(number), x, first, count)

    def _exchanges_groups(self, layer: Layer) -> bool:
        """Whether a layer transposes groups of channels and what is in them.

        Its map has its channels in two dimensions, which a reshape made of one.
        """
        stated = self._tensor(layer).shape
        if layer.options.get("order") != (0, 1, 2, 4, 3) or layer.inputs[0] not in self.values:
            return False
        height, width, channels = self._shape(layer.inputs[0])
        return stated == (1, height, width, *stated[3:]) and math.prod(stated[3:]) == channels

    def _channel_shuffle(self, number: int, layer: Layer) -> str:
        self._check_same_scale(number, layer)
        x = self._read(number, layer)
        groups = layer.options.get("groups", self._tensor(layer).shape[-2])
        if not isinstance(groups, int):
            msg = f"groups of {layer.file_operator} is {groups!r}, not a number"
            raise TypeError(msg)
        return self._builder.channel_shuffle(self._name(number), x, groups)

    def _vector_or_map(self, number: int, layer: Layer) -> str:
        """What has its channels in its last dimension, and keeps its scale."""
        self._check_same_scale(number, layer)
        if len(self._tensor(layer).shape) == _MAP_RANK:
            return self._read_map(number, layer)
        return self._flattened(layer.inputs[0], self._read(number, layer))
