"""Layers that repeat a map's rows, columns or channels, by themselves or to fit another map."""

from __future__ import annotations

import math

from kilograd.frontend.lowering.groups import copies
from kilograd.frontend.lowering.reading import LayerReader
from kilograd.frontend.network import Layer
from kilograd.ops.upsample.op import MOST_COPIES


class RepeatBuilder(LayerReader):
    """Builds what makes larger maps of the same numbers."""

    def _resize(self, number: int, layer: Layer) -> str:
        """Each position several times, where that is what the nearest one means."""
        repeats = layer.options.get("repeats")
        if not isinstance(repeats, tuple):
            raise self._refuser.operator(number)
        self._check_same_scale(number, layer)
        return self._repeated(number, self._read_map(number, layer), *repeats)

    def _tile(self, number: int, layer: Layer) -> str:
        """Blocks of elements several times: rows or columns, as converters write upsampling.

        A dimension of one that is repeated stands behind what is in a row or in a column, or in
        front of it: what counts is how many elements follow.
        """
        x, counts = self._read(number, layer), layer.options.get("counts")
        self._check_same_scale(number, layer)
        height, width, channels = self._shape(layer.inputs[0])
        stated, repeats = self._tensor(layer).shape, {"rows": 1, "columns": 1}
        if not isinstance(counts, tuple) or math.prod(stated) != height * width * channels:
            raise self._refuser.operator(number)
        # In a map of one column, a row is as long as a column.
        is_map = stated == (1, height, width, channels)
        for axis, (extent, count) in enumerate(zip(stated, counts, strict=True)):
            behind = math.prod(stated[axis + 1 :])
            is_row = axis == 1 if is_map else behind == width * channels != channels
            if count != 1 and (extent != 1 or not (is_row or behind == channels)):
                raise self._refuser.operator(number)
            repeats["rows" if is_row else "columns"] *= count
        return self._repeated(number, x, **repeats)

    def _repeated(self, number: int, x: str, rows: int, columns: int) -> str:
        if rows * columns > MOST_COPIES:
            raise self._refuser.layer(
                number,
                f"each position of its map becomes {rows}×{columns}, and kilograd makes at most "
                f"{MOST_COPIES:,} of one",
            )
        return self._builder.upsample(self._name(number), x, rows, columns)

    def _alike(self, number: int, layer: Layer, a: str, b: str) -> tuple[str, str]:
        """Two maps, each repeated along the dimensions in which it has one position."""
        shapes = [self._builder.type_of(x).shape for x in (a, b)]
        if shapes[0] == shapes[1]:
            return a, b
        for place, made in enumerate(shapes):
            stated = self._tensor(layer, place).shape
            is_aligned = (*(1,) * (4 - len(stated)), *stated) == (1, *made)
            if not is_aligned or not self._is_in_order(layer.inputs[place]):
                a, b = self._put_all_in_order(layer, 0, 1)
                break
        shapes = [self._builder.type_of(x).shape for x in (a, b)]
        shape = tuple(max(extents) for extents in zip(*shapes, strict=True))
        if any(
            1 < extent < most for made in shapes for extent, most in zip(made, shape, strict=True)
        ):
            raise self._refuser.layer(
                number,
                f"its maps have the shapes {list(shapes[0])} and {list(shapes[1])}, and kilograd "
                "repeats a map where it has one row, column or channel",
            )
        return self._spread(number, a, shape), self._spread(number, b, shape)

    def _spread(self, number: int, x: str, shape: tuple[int, ...]) -> str:
        """A map with the extents of a larger one, of which it has one where they differ."""
        rows, columns, each = (
            new // old for new, old in zip(shape, self._builder.type_of(x).shape, strict=True)
        )
        if each > 1:
            self._parameters.count(number, each)
            name = self._names.choose(f"{x}_copies", "copies")
            same = self._builder.type_of(x).quantized()
            x = self._builder.pointwise(name, x, copies(1, each), same)
        if rows * columns == 1:
            return x
        name = self._names.choose(f"{x}_spread", "spread")
        return self._builder.upsample(name, x, rows, columns)
