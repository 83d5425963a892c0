"""Sliding windows, and the padding that they take in from layers before them."""

from __future__ import annotations

from collections.abc import Sequence

from kilograd.frontend.lowering.refusals import Refuser
from kilograd.frontend.network import Layer
from kilograd.ops.common.window import Window
from kilograd.ops.pool.window import PoolWindow

#: Top, bottom, left, right.
Pads = tuple[int, int, int, int]

NO_PADS: Pads = (0, 0, 0, 0)


def padded(shape: tuple[int, int, int], pads: Pads) -> tuple[int, int, int]:
    """Shape of a map with pads around it."""
    height, width, channels = shape
    top, bottom, left, right = pads
    return height + top + bottom, width + left + right, channels


def sum_of_pads(inner: Pads, outer: Sequence[int]) -> Pads:
    """Pads around pads."""
    top, bottom, left, right = (a + b for a, b in zip(inner, outer, strict=True))
    return top, bottom, left, right


def extents(shape: Sequence[int]) -> str:
    """A shape in a message."""
    return "×".join(map(str, shape))


def convolution_window(
    refuser: Refuser,
    number: int,
    layer: Layer,
    taps: tuple[int, int],
    before: Pads,
    result: tuple[int, ...],
) -> Window:
    """Geometry of a convolution.

    Args:
        refuser: of the network.
        number: of the layer.
        layer: of that number.
        taps: height and width of the window.
        before: what a layer before it pads the map with.
        result: shape of the layer's result, with the batch.

    Raises:
        ModelError: for dilated windows, different strides, and padding as large as the window.
    """
    for tap, dilation in zip(taps, layer.pair("dilations"), strict=True):
        if tap > 1 and dilation > 1:
            raise refuser.layer(
                number, f"its window is dilated by {dilation}, and kilograd's are not dilated"
            )
    pads = sum_of_pads(before, layer.numbers("pads"))
    top, bottom, left, right = pads
    if max(top, bottom) >= taps[0] or max(left, right) >= taps[1]:
        raise refuser.padding(number, taps, pads)
    return Window(*taps, _stride(refuser, number, layer, result), *pads)


def _stride(refuser: Refuser, number: int, layer: Layer, result: tuple[int, ...]) -> int:
    """One stride for both directions; along a result of one position any will do."""
    vertical, horizontal = layer.pair("strides")
    if vertical == horizontal or result[2:3] == (1,):
        return vertical
    if result[1:2] == (1,):
        return horizontal
    raise refuser.layer(
        number,
        f"its strides differ, {vertical} down and {horizontal} across, and kilograd's windows "
        "have one",
    )


def pool_window(refuser: Refuser, number: int, layer: Layer) -> PoolWindow:
    """Geometry of a pool.

    Raises:
        ModelError: for padding as large as the window.
    """
    height, width = layer.pair("window")
    top, bottom, left, right = pads = layer.numbers("pads")
    if max(top, bottom) >= height or max(left, right) >= width:
        raise refuser.padding(number, (height, width), pads)
    return PoolWindow(height, width, *layer.pair("strides"), top, bottom, left, right)
