"""Layers that make one position of many: means and maxima over some dimensions of a map."""

from __future__ import annotations

import math

from kilograd.frontend.lowering.reading import LayerReader
from kilograd.frontend.network import Layer
from kilograd.ops.pool.window import PoolWindow


class ReductionBuilder(LayerReader):
    """Builds what is over height and width in a graph, whichever dimensions of a file these are."""

    def _mean(self, number: int, layer: Layer) -> str:
        """Over height, width or both, wherever these are among the dimensions."""
        x, spread = self._reduced(number, layer, "a mean")
        height, width, channels = self._builder.type_of(x).shape
        kept = {axis for axis, extent in ((0, height), (1, width)) if extent > 1} - spread
        axes = tuple(sorted({0, 1} - kept))
        if axes:
            return self._builder.mean(self._name(number), x, self._quantization(number), axes)
        # Of one channel each, which may get another scale: as of rows, of which there is one.
        rows = self._builder.reshape(
            self._names.choose(f"{x}_rows", "rows"), x, (1, height * width, channels)
        )
        made = self._builder.mean(self._name(number), rows, self._quantization(number), (0,))
        return self._builder.reshape(self._name(number), made, (height, width, channels))

    def _maximum(self, number: int, layer: Layer) -> str:
        """Likewise: a window as long as what it is over."""
        x, spread = self._reduced(number, layer, "a maximum")
        self._check_same_scale(number, layer)
        shape = self._builder.type_of(x).shape
        height, width = (shape[axis] if axis in spread else 1 for axis in (0, 1))
        window = PoolWindow(height, width, height, width)
        return self._builder.max_pool(self._name(number), x, window)

    def _turned(self, x: str, axes: set[int]) -> tuple[str, tuple[int, ...]]:
        """A map with these axes in front of the others, and all of them in their new order."""
        shape = self._builder.type_of(x).shape
        order = (*sorted(axes), *({0, 1, 2} - axes))
        if len(axes) == len(shape):  # one position of one channel is left of it
            name = self._names.choose(f"{x}_rows", "rows")
            return self._builder.reshape(name, x, (shape[0], math.prod(shape[1:]), 1)), order
        height, width, channels = (shape[axis] for axis in order)
        return self._reordered(x, order, (height, width, channels)), order

    def _reduced(self, number: int, layer: Layer, what: str) -> tuple[str, set[int]]:
        """A map, and which of height and width its positions become one along; no extent of one."""
        x = self._read(number, layer, dimensions=True)
        axes = layer.options.get("axes")
        if not isinstance(axes, tuple):
            raise self._refuser.layer(number, "its axes are not a constant")
        (tensor, *_), stated = layer.inputs, self._tensor(layer).shape
        if not self._is_as_stated(tensor):
            x = self._put_in_order(tensor)
        dimensions, shape = self._dimensions(layer), self._shape(tensor)
        rank = len(stated)
        places = {axis + rank if -rank <= axis < 0 else axis for axis in axes}
        if not self._is_as_stated(tensor) or not places <= set(range(1, rank)) or not places:
            raise self._refuser.layer(
                number,
                f"it is {what} over the dimensions {list(axes)} of the shape {list(stated)}, and "
                "kilograd's is over those of one map",
            )
        over = {dimensions[place - 1] for place in places}
        spread = {axis for axis in over if shape[axis] > 1}
        if 2 in spread:  # noqa: PLR2004 - the channels
            x, turned = self._turned(x, spread)
            dimensions = tuple(turned.index(axis) for axis in dimensions)
            over, spread = ({turned.index(axis) for axis in axes} for axes in (over, spread))
        has_all = len(self._result(number).shape) == rank
        self._hold(number, tuple(axis for axis in dimensions if has_all or axis not in over))
        return x, spread
