"""What layers read and make, checked; the layers themselves are built elsewhere."""

from __future__ import annotations

import math

from kilograd.frontend.builder import SMALLEST_SCALE, GraphBuilder
from kilograd.frontend.lowering.dimensions import (
    Dimensions,
    as_map,
    completed,
    is_in_order,
    usual,
)
from kilograd.frontend.lowering.names import LayerNames
from kilograd.frontend.lowering.parameters import ParameterReader
from kilograd.frontend.lowering.quantization import int8_range
from kilograd.frontend.lowering.refusals import Refuser
from kilograd.frontend.lowering.windows import NO_PADS, Pads, border_copy, padded
from kilograd.frontend.network import Layer, Network, Tensor
from kilograd.ir import Quantization


class LayerReader:
    """Knows what of a network is in the graph already.

    Attributes:
        values: number of a tensor -> name of the value that holds it in the graph.
        pads: number of a tensor -> what it has around that value: top, bottom, left, right.
        dimensions: number of a tensor -> which of its dimensions is which of that value's, where
            they are in another order.
        lowest: numbers of the tensors that have the lowest number around that value, in place of
            the zero point.
    """

    _builder: GraphBuilder

    def __init__(self, network: Network, where: str) -> None:
        self.values: dict[int, str] = {}
        self.pads: dict[int, Pads] = {}
        self.dimensions: dict[int, Dimensions] = {}
        self.lowest: set[int] = set()
        self._network = network
        self._where = where
        self._refuser = Refuser(network, where)
        self._parameters = ParameterReader(network, self._refuser)
        self._names = LayerNames()
        self._copies: dict[tuple[str, Dimensions, tuple[int, int, int]], str] = {}

    def _tensor(self, layer: Layer, place: int = 0) -> Tensor:
        return self._network.tensors[layer.inputs[place]]

    def _result(self, number: int) -> Tensor:
        return self._network.tensors[self._network.layers[number].outputs[0]]

    def _check_type(self, number: int, *, is_head: bool = False) -> None:
        """Refuse a layer that has no map, or one that is not int8.

        What the head makes may be float32: its logits are made in int32, whatever they are in the
        file.
        """
        layer = self._network.layers[number]
        if not layer.inputs or layer.inputs[0] < 0:
            raise self._refuser.layer(number, "its first input is left out")
        if len(layer.outputs) != 1:
            raise self._refuser.layer(
                number, f"it makes {len(layer.outputs)} tensors, and kilograd's layers make one"
            )
        for what, tensor in (("input", self._tensor(layer)), ("result", self._result(number))):
            is_settled = is_head and (what, tensor.dtype) == ("result", "float32")
            if tensor.dtype != "int8" and not is_settled:
                weight = self._tensor(layer, 1).dtype if len(layer.inputs) > 1 else ""
                is_hybrid = (what, tensor.dtype, weight) == ("input", "float32", "int8")
                raise self._refuser.dtype(number, what, "hybrid" if is_hybrid else tensor.dtype)

    def _quantization(self, number: int) -> Quantization:
        """Of the result of a layer."""
        tensor = self._result(number)
        found = quantization_of(tensor)
        if found is None:
            raise self._refuser.layer(
                number, "its result needs one scale and one zero point of int8"
            )
        return found

    def _kept(self, number: int) -> tuple[int, int]:
        """What a layer's activation leaves of int8."""
        activation = self._network.layers[number].activation
        kept = int8_range(activation, self._quantization(number))
        if kept is None:
            raise self._refuser.layer(number, f"kilograd has no activation {activation}")
        return kept

    def _check_shape(self, number: int) -> None:
        """Refuse a file that says of a result what its layer does not make."""
        output = self._network.layers[number].outputs[0]
        made = padded(self._shape(output), self.pads.get(output, NO_PADS))
        stated = self._result(number).shape
        is_map = len(stated) == 4  # noqa: PLR2004 - batch, height, width, channels
        is_map &= self._network.layers[number].operator != "reshape"
        is_map &= output not in self.dimensions
        if math.prod(stated) != math.prod(made) or (is_map and stated != (1, *made)):
            raise self._refuser.layer(
                number,
                f"the file says that its result has the shape {list(stated)}, and it has "
                f"{[1, *made]}",
            )

    def _shape(self, tensor: int) -> tuple[int, int, int]:
        height, width, channels = self._builder.type_of(self.values[tensor]).shape
        return height, width, channels

    def _name(self, number: int) -> str:
        return self._names.choose(self._result(number).name, self._network.layers[number].operator)

    def _read(
        self,
        number: int,
        layer: Layer,
        place: int = 0,
        *,
        pads: bool = False,
        lowest: bool = False,
        dimensions: bool = False,
    ) -> str:
        """Name of the value that holds an input.

        Args:
            number: of the layer.
            layer: the same.
            place: of the input.
            pads: whether the layer can take padding in; for others there is a copy with padding.
            lowest: whether padding with the lowest number makes no difference to it.
            dimensions: whether it can read dimensions in any order.
        """
        tensor = layer.inputs[place] if place < len(layer.inputs) else -1
        if tensor not in self.values:
            raise self._refuser.layer(
                number, f"its input {place} is neither the sample nor made by a layer before it"
            )
        # What is cropped to one row or column may be in order without the rest.
        settles = not pads or (tensor in self.dimensions and not dimensions)
        if tensor in self.lowest and (settles or not lowest):
            raise self._refuser.layer(
                number,
                "it reads a map padded with the lowest number, and only max pools do, by less than "
                "their window",
            )
        if settles:
            self._settle_border(tensor)
        if not dimensions and not self._is_in_order(tensor):
            self._put_in_order(tensor)
        return self.values[tensor]

    def _read_alike(self, number: int, layer: Layer, *places: int) -> list[str]:
        """Inputs whose elements meet one by one; the result has their dimensions."""
        for place in places:
            self._read(number, layer, place, dimensions=True)
        kept = self._shared_dimensions(layer, places)
        if kept is None:
            self._put_all_in_order(layer, *places)
            kept = self._dimensions(layer, places[0])
        # A flattened map has more dimensions than its tensor.
        ranks = {len(self._tensor(layer, place).shape) for place in places}
        if max(ranks) == len(self._result(number).shape):
            self._hold(number, kept)
        return [self.values[layer.inputs[place]] for place in places]

    def _shared_dimensions(self, layer: Layer, places: tuple[int, ...]) -> Dimensions | None:
        """Dimensions that inputs have in common; None where their elements would not meet.

        Which one a dimension of one is does not matter.
        """
        known = [self._dimensions(layer, place) for place in places]
        stated = [self._tensor(layer, place).shape[1:] for place in places]
        rank = max(map(len, stated))
        if any(len(one) != len(other) for one, other in zip(known, stated, strict=True)):
            is_same = len({*known}) == len({*stated}) == 1  # vectors that were maps
            return known[0] if is_same else None
        for kept in known:
            if len(kept) == rank and all(
                extent == 1 or axis == wanted
                for dimensions, extents in zip(known, stated, strict=True)
                for axis, extent, wanted in zip(
                    dimensions, extents, kept[rank - len(dimensions) :], strict=True
                )
            ):
                return kept
        return None

    def _read_map(
        self, number: int, layer: Layer, *, pads: bool = False, lowest: bool = False
    ) -> str:
        """As ``_read`` for a layer to which height and width matter."""
        value = self._read(number, layer, pads=pads, lowest=lowest)
        tensor = layer.inputs[0]
        if tensor in self.dimensions and tensor not in self.pads:
            return self._put_in_order(tensor)
        made = padded(self._shape(tensor), self.pads.get(tensor, NO_PADS))
        if self._network.tensors[tensor].shape != (1, *made):
            raise self._refuser.reshaped(number, made, self._network.tensors[tensor].shape)
        return value

    def _put_in_order(self, tensor: int) -> str:
        """Make a map that has a tensor's extents, and its elements in the order of the file."""
        self._settle_border(tensor)
        x, shape = self.values[tensor], self._shape(tensor)
        stated = self._network.tensors[tensor]
        dimensions = self.dimensions.pop(tensor, usual(len(stated.shape)))
        made = as_map(stated.shape)
        if not is_in_order(dimensions, shape):
            self.values[tensor] = self._reordered(x, completed(dimensions), made)
        elif made != shape:
            name = self._names.choose(f"{stated.name}/map", "map")
            self.values[tensor] = self._builder.reshape(name, x, made)
        return self.values[tensor]

    def _reordered(self, x: str, order: Dimensions, made: tuple[int, int, int]) -> str:
        """A copy of a map with its elements in another order; the same for all that read it so."""
        key = x, order, made
        if key not in self._copies:
            name = self._names.choose(f"{x}_transposed", "transposed")
            extents = self._builder.type_of(x).shape
            self._copies[key] = self._builder.transpose(name, x, extents, order, made)
        return self._copies[key]

    def _put_all_in_order(self, layer: Layer, *places: int) -> list[str]:
        """The same for inputs whose elements meet, so that the result is in order, too."""
        self.dimensions.pop(layer.outputs[0], None)
        return [self._put_in_order(layer.inputs[place]) for place in places]

    def _settle_border(self, tensor: int) -> None:
        """Make a copy of a map that has its padding, or lacks what is cropped, if it has any."""
        pads = self.pads.pop(tensor, NO_PADS)
        if pads == NO_PADS:
            return
        x = self.values[tensor]
        type_ = self._builder.type_of(x)
        p, window = border_copy(type_.shape[2], pads)
        name = self._names.choose(f"{x}_border", "border")
        self.values[tensor] = self._builder.depthwise(name, x, p, window, type_.quantized())

    def _is_in_order(self, tensor: int) -> bool:
        """Whether a tensor has its elements as they lie in memory."""
        dimensions = self.dimensions.get(tensor)
        return dimensions is None or is_in_order(dimensions, self._shape(tensor))

    def _is_as_stated(self, tensor: int) -> bool:
        """Whether a map has the extents of its tensor, each where its dimensions say."""
        stated = self._network.tensors[tensor].shape
        shape = padded(self._shape(tensor), self.pads.get(tensor, NO_PADS))
        dimensions = self.dimensions.get(tensor, usual(len(stated)))
        return stated == (1, *(shape[axis] for axis in dimensions))

    def _dimensions(self, layer: Layer, place: int = 0) -> Dimensions:
        """Of an input."""
        usually = usual(len(self._tensor(layer, place).shape))
        return self.dimensions.get(layer.inputs[place], usually)

    def _hold(self, number: int, dimensions: Dimensions) -> None:
        """Note the dimensions of a result."""
        if dimensions != usual(len(self._result(number).shape)):
            self.dimensions[self._network.layers[number].outputs[0]] = dimensions

    def _flattened(self, tensor: int, x: str) -> str:
        """A map as a vector, its elements in row-major order.

        Args:
            tensor: number of the one that the map is of.
            x: name of the value that holds it.
        """
        type_ = self._builder.type_of(x)
        if type_.shape[:2] == (1, 1):
            return x
        name = self._names.choose(f"{self._network.tensors[tensor].name}/flat", "flat")
        return self._builder.reshape(name, x, (1, 1, type_.size))

    def _check_same_scale(self, number: int, layer: Layer, place: int = 0) -> None:
        x, result = self._tensor(layer, place), self._result(number)
        if (x.scales, x.zero_point) != (result.scales, result.zero_point):
            raise self._refuser.layer(
                number, "its result has another scale or zero point than its input"
            )


def quantization_of(tensor: Tensor) -> Quantization | None:
    """Of a map; None where it has not one scale and a zero point of int8."""
    is_quantized = (
        tensor.dtype == "int8"
        and len(tensor.scales) == 1
        and SMALLEST_SCALE <= tensor.scales[0] <= 1 / SMALLEST_SCALE
        and -128 <= tensor.zero_point <= 127  # noqa: PLR2004 - int8
    )
    return Quantization(tensor.scales, tensor.zero_point) if is_quantized else None
