"""In which order a network has the dimensions of its sample, where first layers reorder them."""

from __future__ import annotations

from collections.abc import Sequence

from kilograd.frontend.lowering.dimensions import Dimensions, order_in_memory, usual
from kilograd.frontend.network import Layer, Network
from kilograd.frontend.pieces import Pieces

#: Layers to which it does not matter which dimension is which.
_INDIFFERENT = frozenset(
    {
        *("add", "subtract", "multiply", "lookup", "logistic", "prelu", "smaller", "larger"),
        *("quantize", "activation", "pad", "crop"),
    }
)

#: Orders that put channels last, by the number of dimensions.
_CHANNELS_LAST = {3: (0, 2, 1), 4: (0, 2, 3, 1)}

#: Place among a sample's dimensions; None for a dimension that was put in.
_Places = Sequence[int | None]


def sample_dimensions(network: Network, sample: int) -> Dimensions:
    """Which dimension of the sample is its height, its width or its channels.

    Networks from PyTorch have the channels first, and put them last for the first convolution.

    Args:
        network: with one sample.
        sample: number of its tensor, of two to four dimensions.
    """
    rank = len(network.tensors[sample].shape)
    readers: dict[int, list[Layer]] = {}
    for layer in network.layers:
        for tensor in layer.inputs[:2]:
            readers.setdefault(tensor, []).append(layer)
    ahead: list[tuple[int, _Places]] = [(sample, range(rank))]
    seen = {sample}
    while ahead:
        tensor, places = ahead.pop()
        for layer in readers.get(tensor, ()):
            if len(layer.outputs) != 1:
                continue
            (output,) = layer.outputs
            found = _behind(network, layer, tensor, places)
            if layer.options.get("is_kept"):
                continue
            if layer.operator == "transpose" and found is not None:
                dimensions = _dimensions(layer, found, rank)
                if dimensions is not None:
                    return dimensions
            elif found is not None and output not in seen:
                seen.add(output)
                ahead.append((output, found))
    return usual(rank)


def order_as_given(network: Network, sample: int, shape: tuple[int, int, int]) -> Pieces:
    """How the elements of what a file takes lie in a graph's input.

    Args:
        network: with one sample.
        sample: number of the tensor that is the input.
        shape: of the input: height, width and channels.
    """
    makers = {output: layer for layer in network.layers for output in layer.outputs}
    lies = order_in_memory(shape, sample_dimensions(network, sample))
    while sample in makers and makers[sample].operator != "resize":
        layer = makers[sample]
        if layer.operator == "transpose":
            order = layer.numbers("order")
            before = [order.index(axis) - 1 for axis in range(1, len(order))]
            lies = lies.transposed(network.tensors[sample].shape[1:], before)
        (sample, *_) = layer.inputs
    return lies


def _behind(network: Network, layer: Layer, tensor: int, places: _Places) -> _Places | None:
    """Where a layer leaves the dimensions of one of its inputs; None where it matters to it."""
    before, after = (network.tensors[number].shape for number in (tensor, layer.outputs[0]))
    if layer.operator in _INDIFFERENT:
        return places if len(after) == len(before) == len(places) else None
    if layer.inputs[0] != tensor:
        return None
    if layer.operator == "reshape":
        moving = [place for place, extent in zip(places, before, strict=True) if extent > 1]
        is_same = [n for n in before if n > 1] == [n for n in after if n > 1]
        left = iter(moving)
        return [next(left) if extent > 1 else None for extent in after] if is_same else None
    order = layer.options.get("order")
    if layer.operator != "transpose" or not isinstance(order, tuple):
        return None
    is_order = sorted(order) == [*range(len(after))] and len(before) == len(after)
    return [places[number] for number in order] if is_order else None


def _dimensions(layer: Layer, places: _Places, rank: int) -> Dimensions | None:
    """A sample's dimensions, by their places behind a layer that puts channels last."""
    if layer.options.get("order") != _CHANNELS_LAST.get(len(places)):
        return None
    axes = dict(zip(places[1:], usual(len(places)), strict=True))
    left = [axis for axis in range(3) if axis not in {axes.get(place) for place in range(1, rank)}]
    return tuple(axes.get(place, left[0] if left else 0) for place in range(1, rank))
