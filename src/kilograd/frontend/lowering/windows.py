"""Sliding windows, and the padding that they take in from layers before them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kilograd.frontend.builder import Parameters
from kilograd.frontend.lowering.groups import COPY, COPY_SCALE
from kilograd.frontend.lowering.refusals import Refuser
from kilograd.frontend.network import Layer
from kilograd.ops.common.window import Window
from kilograd.ops.pool.window import PoolWindow
from kilograd.ops.spaced import sliding_window

#: Top, bottom, left, right; negative where rows or columns are taken off instead.
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


def takes_in(layer: Layer, span: tuple[int, int], before: Pads) -> bool:
    """Whether a window can pad as a layer before it does.

    Args:
        layer: that slides the window.
        span: rows and columns from the first tap to the last, both counted.
        before: what the layer before it pads the map with.
    """
    pads = sum_of_pads(before, layer.numbers("pads"))
    return min(before) >= 0 and max(pads[:2]) < span[0] and max(pads[2:]) < span[1]


def span_of(layer: Layer, taps: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns from the first tap of a convolution to the last, both counted."""
    (height, width), (down, across) = taps, layer.pair("dilations")
    return (height - 1) * down + 1, (width - 1) * across + 1


def convolution_window(
    refuser: Refuser,
    number: int,
    layer: Layer,
    taps: tuple[int, int],
    before: Pads,
    shape: Sequence[int],
) -> Window:
    """Geometry of a convolution.

    Args:
        refuser: of the network.
        number: of the layer.
        layer: of that number.
        taps: height and width of the window.
        before: what a layer before it pads the map with.
        shape: of the map, height and width first.

    Raises:
        ModelError: for padding as large as the window.
    """
    dilations = layer.pair("dilations")
    pads = sum_of_pads(before, layer.numbers("pads"))
    top, bottom, left, right = pads
    tall, wide = span_of(layer, taps)
    if max(top, bottom) >= tall or max(left, right) >= wide:
        raise refuser.padding(number, (tall, wide), pads)
    return sliding_window(taps, layer.pair("strides"), pads, dilations, shape[:2])


def pool_window(refuser: Refuser, number: int, layer: Layer, before: Pads) -> PoolWindow:
    """Geometry of a pool.

    Args:
        refuser: of the network.
        number: of the layer.
        layer: of that number.
        before: what a layer before it pads the map with, which does not count.

    Raises:
        ModelError: for padding as large as the window.
    """
    height, width = layer.pair("window")
    top, bottom, left, right = pads = sum_of_pads(before, layer.numbers("pads"))
    if max(top, bottom) >= height or max(left, right) >= width:
        raise refuser.padding(number, (height, width), pads)
    return PoolWindow(height, width, *layer.pair("strides"), top, bottom, left, right)


def border_copy(channels: int, pads: Pads) -> tuple[Parameters, Window]:
    """A depthwise layer that puts zero points around a map, or takes rows and columns off it.

    Its window is as large as padding needs, with zeros for all taps but the one that copies.

    Args:
        channels: of the map.
        pads: rows above and below, columns before and behind; negative ones are taken off.
    """
    (row, rows, top, bottom), (column, columns, left, right) = (
        _along(pads[0], pads[1]),
        _along(pads[2], pads[3]),
    )
    weight = np.zeros((rows, columns, channels), np.int8)
    weight[row, column] = COPY
    parameters = Parameters(weight, np.zeros(channels, np.int32), np.full(channels, COPY_SCALE))
    return parameters, Window(rows, columns, 1, top, bottom, left, right)


def _along(before: int, behind: int) -> tuple[int, int, int, int]:
    """The tap that copies, the number of taps, and the window's padding before and behind.

    Place i of the result is place i − before of the map, and padding is less than the window.
    """
    tap = max(behind, -before, 0)
    taps = max(tap + before, tap - behind, tap) + 1
    return tap, taps, before + tap, behind + taps - 1 - tap
