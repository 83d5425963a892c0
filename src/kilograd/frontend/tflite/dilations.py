"""Convolutions whose dilation a converter wrote as another order of their map.

To dilate a convolution, TensorFlow puts every other row, or every d-th, into a map of its own
(SPACE_TO_BATCH_ND), slides an ordinary window over each of these maps, and puts the results where
they belong (BATCH_TO_SPACE_ND). What is between the two becomes one dilated convolution, and what
they pad and crop becomes layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kilograd.frontend.network import Layer, Tensor

_CONVOLUTIONS = frozenset({"conv", "depthwise"})

#: Most layers between the two, on all ways; a damaged file may go in circles.
_MOST_LAYERS = 64


def with_dilations(
    tensors: Sequence[Tensor], layers: Sequence[Layer]
) -> tuple[list[Tensor], list[Layer]]:
    """The same network, where possible without layers that take a map apart.

    Args:
        tensors: of the network.
        layers: in their order.
    """
    tensors, layers = list(tensors), list(layers)
    readers: dict[int, list[int]] = {}
    for number, layer in enumerate(layers):
        for tensor in layer.inputs:
            if tensor >= 0:
                readers.setdefault(tensor, []).append(number)
    for number, layer in enumerate(layers):
        if layer.operator != "space_to_batch":
            continue
        inner = _between(layers, readers, number)
        if inner is None:
            continue
        blocks, rank = layer.numbers("blocks"), len(tensors[layer.inputs[0]].shape)
        for place in (number, *inner):
            found = layers[place]
            if found.operator == "batch_to_space":
                layers[place] = _border(found, "crop", "crops", rank)
                continue
            tensors[found.outputs[0]] = _whole(tensors[found.outputs[0]], blocks)
            if found.operator in _CONVOLUTIONS:
                options = dict(found.options) | {"dilations": (1, *blocks)[-2:]}
                layers[place] = replace(found, options=options)
        layers[number] = _border(layer, "pad", "pads", rank)
    return tensors, layers


def _between(
    layers: Sequence[Layer], readers: Mapping[int, Sequence[int]], first: int
) -> list[int] | None:
    """The layers behind one that takes a map apart, up to those that put it together.

    None where it is not convolutions that slide by single steps that are between, one on each way,
    and beside them what only changes a shape.
    """
    blocks = layers[first].options.get("blocks")
    if not isinstance(blocks, tuple) or len(blocks) > 2:  # noqa: PLR2004 - rows, columns
        return None
    found: list[int] = []
    ahead = [(first, False)]  # a layer, and whether there was a convolution up to it
    while ahead and len(found) <= _MOST_LAYERS:
        number, is_convolved = ahead.pop()
        (made, *more) = layers[number].outputs or (-1,)
        following = readers.get(made, ())
        if more or not following:
            return None
        for place in following:
            layer = layers[place]
            is_convolution = layer.operator in _CONVOLUTIONS
            if layer.inputs[0] != made or (
                is_convolution and (is_convolved or not _is_plain(layer))
            ):
                return None
            found.append(place)
            if layer.operator == "batch_to_space":
                if not is_convolved or layer.options.get("blocks") != blocks:
                    return None
            elif is_convolution or layer.operator == "reshape":
                ahead.append((place, is_convolved or is_convolution))
            else:
                return None
    return found if not ahead else None


def _is_plain(layer: Layer) -> bool:
    """Whether a convolution slides by single steps, is not dilated yet, and pads nothing."""
    steps = {layer.pair("strides"), layer.pair("dilations")}
    return steps == {(1, 1)} and not any(layer.numbers("pads"))


def _whole(tensor: Tensor, blocks: tuple[int, ...]) -> Tensor:
    """A tensor of a map that was taken apart, as if it had not been."""
    has_height = len(tensor.shape) > len(blocks) + 2  # a sequence as a map with a height of 1
    extents = (1, *blocks, 1) if has_height else (*blocks, 1)
    shape = (1, *(n * block for n, block in zip(tensor.shape[1:], extents, strict=False)))
    return replace(tensor, shape=shape)


def _border(layer: Layer, operator: str, option: str, rank: int) -> Layer:
    """What such a layer pads or crops."""
    borders = layer.numbers("borders")
    numbers = (0, 0, *borders, *(0,) * (2 * rank - 2 - len(borders)))
    return replace(layer, operator=operator, options={option: numbers})
