"""Layers that put zero points around a map, or take rows and columns off it."""

from __future__ import annotations

from kilograd.frontend.lowering.groups import copies
from kilograd.frontend.lowering.reading import LayerReader
from kilograd.frontend.lowering.windows import NO_PADS, Pads, padded, sum_of_pads
from kilograd.frontend.network import MOST_EXTENT, Layer
from kilograd.ops.pool.window import PoolWindow

#: Padding with it never is the largest number under a window.
_LOWEST = -128


class BorderBuilder(LayerReader):
    """Notes padding and cropping, for the windows behind to take in."""

    def _pad(self, number: int, layer: Layer) -> str:
        pads, channels = self._along_map(number, layer, "pads")
        zero = self._tensor(layer).zero_point
        fill = layer.options.get("fill", zero)
        if fill not in {zero, _LOWEST}:
            raise self._refuser.layer(
                number, f"it pads with {fill}, and kilograd pads with the zero point, {zero}"
            )
        if any(channels) and fill != zero:
            raise self._refuser.layer(
                number, f"it pads channels with {fill}, and kilograd does so with the zero point"
            )
        if max(channels) > MOST_EXTENT:
            raise self._refuser.layer(number, f"its padding is more than {MOST_EXTENT}")
        (tensor, *_), is_lowest = layer.inputs, fill != zero and pads != NO_PADS
        if is_lowest and tensor not in self.lowest:
            self._read(number, layer, dimensions=True)  # a copy that has other padding
        x = self._bordered(number, layer, "padding", pads, is_lowest=is_lowest)
        if is_lowest or tensor in self.lowest:
            self.lowest.add(layer.outputs[0])
        return self._with_more_channels(number, x, *channels) if any(channels) else x

    def _border(self, number: int, layer: Layer) -> str:
        """Padding with positions of the map itself."""
        (top, bottom, left, right), channels = self._along_map(number, layer, "pads")
        if any(channels) and layer.inputs[0] in self.dimensions:
            self._put_in_order(layer.inputs[0])
            (top, bottom, left, right), channels = self._along_map(number, layer, "pads")
        if any(channels):
            raise self._refuser.layer(number, "it pads channels with others of them")
        kind = layer.options["kind"]
        if not isinstance(kind, str):
            msg = f"the kind of {layer.file_operator} is {kind!r}, not a name"
            raise TypeError(msg)
        self._check_same_scale(number, layer)
        x = self._read(number, layer, dimensions=True)
        self._hold(number, self._dimensions(layer))
        return self._builder.border(self._name(number), x, kind, (top, bottom, left, right))

    def _with_more_channels(self, number: int, x: str, before: int, behind: int) -> str:
        """A copy of a map with channels of zero in front of its own, and behind them."""
        type_ = self._builder.type_of(x)
        count = before + type_.shape[2] + behind
        self._parameters.count(number, count * type_.shape[2])
        p = copies(type_.shape[2], 1, before, behind)
        return self._builder.pointwise(self._name(number), x, p, type_.quantized())

    def _crop(self, number: int, layer: Layer) -> str:
        """A part of the map: of its channels at once, of height and width as windows behind do."""
        if "crops" not in layer.options:
            raise self._refuser.layer(number, "what it takes is not a constant part of its map")
        (top, bottom, left, right), (first, behind) = self._along_map(number, layer, "crops")
        if first or behind:
            self._read(number, layer, dimensions=True)  # a copy that has the border
        x = self._bordered(number, layer, "cropping", (-top, -bottom, -left, -right))
        if first or behind:
            count = self._shape(layer.inputs[0])[2] - first - behind
            if count < 1:
                raise self._refuser.layer(number, "it leaves nothing of its map")
            x = self._builder.channel_slice(self._name(number), x, first, count)
        x = self._every_so_many(number, layer, x)
        dropped = layer.options.get("dropped", ())
        if isinstance(dropped, tuple) and dropped:
            if 0 in dropped:
                raise self._refuser.layer(number, "it drops the dimension of the batch")
            kept = enumerate(self._dimensions(layer), 1)
            self._hold(number, tuple(axis for place, axis in kept if place not in dropped))
        return x

    def _every_so_many(self, number: int, layer: Layer, x: str) -> str:
        """Rows and columns of what is cropped that are so many apart, where a layer says so."""
        steps, dimensions = layer.options.get("steps"), self._dimensions(layer)
        if not isinstance(steps, tuple):
            return x
        along = dict(zip((-1, *dimensions), steps, strict=True))
        rows, columns = along.get(0, 1), along.get(1, 1)
        if along.get(2, 1) > 1 or along[-1] > 1:
            raise self._refuser.layer(
                number, f"it takes every {list(steps)} elements, and kilograd rows and columns"
            )
        self.values[layer.outputs[0]] = x
        self._settle_border(layer.outputs[0])
        window = PoolWindow(1, 1, rows, columns)
        return self._builder.max_pool(self._name(number), self.values[layer.outputs[0]], window)

    def _along_map(self, number: int, layer: Layer, option: str) -> tuple[Pads, tuple[int, int]]:
        """Of an option with two numbers for each dimension of a tensor, the map's and channels'."""
        self._read(number, layer, pads=True, lowest=True, dimensions=True)
        (tensor, *_) = layer.inputs
        if not self._is_as_stated(tensor) and tensor not in self.lowest:
            self._put_in_order(tensor)
        found, dimensions = layer.options.get(option), self._dimensions(layer)
        what = "padding" if option == "pads" else "cropping"
        if not isinstance(found, tuple):
            raise self._refuser.layer(number, f"its {what} is not a constant")
        if len(found) != 2 * (1 + len(dimensions)) or min(found) < 0:
            raise self._refuser.layer(number, f"its {what} is {list(found)}")
        if any(found[:2]):
            raise self._refuser.layer(number, f"it has {what} of the batch")
        pairs = zip(found[2::2], found[3::2], strict=True)
        along = dict(zip(dimensions, pairs, strict=True))
        rows, columns, channels = (along.get(axis, (0, 0)) for axis in range(3))
        return (*rows, *columns), channels

    def _bordered(
        self, number: int, layer: Layer, what: str, pads: Pads, *, is_lowest: bool = False
    ) -> str:
        (tensor, *_), output = layer.inputs, layer.outputs[0]
        self._check_same_scale(number, layer)
        is_lowest |= pads == NO_PADS
        x = self._read(number, layer, pads=True, lowest=is_lowest, dimensions=True)
        before = self.pads.get(tensor, NO_PADS)
        if any(one < 0 < other for one, other in zip(before, pads, strict=True)):
            self._settle_border(tensor)  # what is cropped does not come back as padding
            x, before = self.values[tensor], NO_PADS
        stated, dimensions = self._tensor(layer).shape, self._dimensions(layer)
        made = padded(self._shape(tensor), before)
        if stated != (1, *(made[axis] for axis in dimensions)):
            raise self._refuser.reshaped(number, made, stated)
        both = sum_of_pads(before, pads)
        if max(both) > MOST_EXTENT:
            raise self._refuser.layer(number, f"its {what} is more than {MOST_EXTENT}")
        if min(padded(self._shape(tensor), both)) < 1:
            raise self._refuser.layer(number, "it leaves nothing of its map")
        if both != NO_PADS:
            self.pads[output] = both
        if tensor in self.dimensions:
            self.dimensions[output] = self.dimensions[tensor]
        return x
