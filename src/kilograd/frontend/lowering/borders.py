"""Layers that put zero points around a map, or take rows and columns off it."""

from __future__ import annotations

from kilograd.frontend.lowering.reading import LayerReader
from kilograd.frontend.lowering.windows import NO_PADS, Pads, padded, sum_of_pads
from kilograd.frontend.network import Layer

#: Largest extent of a map, to refuse what no device can hold before it is built.
MOST_EXTENT = 65536


class BorderBuilder(LayerReader):
    """Notes padding and cropping, for the windows behind to take in."""

    def _pad(self, number: int, layer: Layer) -> str:
        return self._bordered(number, layer, "padding", self._along_map(number, layer, "pads"))

    def _crop(self, number: int, layer: Layer) -> str:
        top, bottom, left, right = self._along_map(number, layer, "crops")
        x = self._bordered(number, layer, "cropping", (-top, -bottom, -left, -right))
        dropped = layer.options.get("dropped", ())
        if isinstance(dropped, tuple) and dropped:
            if 0 in dropped or len(layer.outputs) != 1:
                raise self._refuser.layer(number, "it drops the dimension of the batch")
            self._hold(
                number,
                tuple(
                    axis
                    for place, axis in enumerate(self._dimensions(layer), 1)
                    if place not in dropped
                ),
            )
        return x

    def _along_map(self, number: int, layer: Layer, option: str) -> Pads:
        """Of an option with two numbers for each dimension of a tensor, those of the map."""
        found, dimensions = layer.options.get(option), self._dimensions(layer)
        what = "padding" if option == "pads" else "cropping"
        if not isinstance(found, tuple):
            raise self._refuser.layer(number, f"its {what} is not a constant")
        if len(found) != 2 * (1 + len(dimensions)) or min(found) < 0:
            raise self._refuser.layer(number, f"its {what} is {list(found)}")
        pairs = [found[at : at + 2] for at in range(0, len(found), 2)]
        along: dict[int, tuple[int, ...]] = dict(zip(dimensions, pairs[1:], strict=True))
        if any(pairs[0] + along.get(2, ())):
            raise self._refuser.layer(number, f"kilograd has {what} of height and width only")
        (top, bottom), (left, right) = (along.get(axis, (0, 0)) for axis in (0, 1))
        return top, bottom, left, right

    def _bordered(self, number: int, layer: Layer, what: str, pads: Pads) -> str:
        (tensor, *_), output = layer.inputs, layer.outputs[0]
        self._check_same_scale(number, layer)
        x = self._read(number, layer, pads=True)
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

    def _is_same_map(self, tensor: int, stated: tuple[int, ...]) -> bool:
        """Whether a shape is that of a padded map, a height of 1 put in front or taken off."""
        made = padded(self._shape(tensor), self.pads[tensor])
        without = (1, *made[1:]) if made[0] == 1 else None
        return tensor not in self.dimensions and stated in {(1, *made), without}
