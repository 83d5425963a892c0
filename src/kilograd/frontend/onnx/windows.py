"""Windows and pads of convolutions and pools, as attributes give them."""

from __future__ import annotations

from dataclasses import dataclass

from kilograd.frontend.onnx.errors import DamagedError, RefusedError, shown
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map

_MOST_DIRECTIONS = 2


@dataclass(frozen=True)
class Geometry:
    """How a window moves over a map, in two directions.

    Attributes:
        window: vertical and horizontal extent.
        strides: likewise.
        dilations: likewise.
        pads: top, bottom, left, right.
        result: of the map that it makes, in as many directions as the file's map has.
    """

    window: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    result: tuple[int, ...]


def geometry(node: Node, x: Map, window: tuple[int, ...]) -> Geometry:
    """How a node's window moves.

    Args:
        node: a convolution or a pool.
        x: what it reads.
        window: extents of the window, in as many directions as the map has.

    Raises:
        DamagedError: when the attributes contradict each other or the map.
        RefusedError: for maps of other than one or two directions.
    """
    directions = len(x.positions)
    strides, dilations = _steps(node, x, window)
    pads = _pads(node, x, window, strides, dilations)
    result: list[int] = []
    for direction, extent in enumerate(x.positions):
        span = (window[direction] - 1) * dilations[direction] + 1
        free = extent + sum(pads[direction]) - span
        places = free // strides[direction] + 1
        if node.whole("ceil_mode", 0):
            before, after = pads[direction]
            places = -(-free // strides[direction]) + 1
            # A window that would begin behind the map and the pads before it is left out.
            places -= (places - 1) * strides[direction] >= extent + before
            beyond = (places - 1) * strides[direction] + span - (extent + before + after)
            pads[direction] = (before, after + max(beyond, 0))
        if places < 1 or free < 0:
            msg = f"its window {list(window)} is larger than its input {list(x.shape)}"
            raise DamagedError(msg)
        result.append(places)
    rows = _MOST_DIRECTIONS - directions
    (top, bottom), (left, right) = [(0, 0)] * rows + pads
    return Geometry(
        _both(window), _both(strides), _both(dilations), (top, bottom, left, right), tuple(result)
    )


def _steps(node: Node, x: Map, window: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Strides and dilations, in as many directions as the map has."""
    directions = len(x.positions)
    if not x.is_map or len(window) != directions:
        msg = f"its window has {len(window)} extents, and its input has the shape {list(x.shape)}"
        raise DamagedError(msg)
    if directions > _MOST_DIRECTIONS:
        raise RefusedError(f"its window moves in {directions} directions, and kilograd's in two")
    ones = (1,) * directions
    strides, dilations = node.numbers("strides", ones), node.numbers("dilations", ones)
    for what, numbers in (("window", window), ("strides", strides), ("dilations", dilations)):
        if min(numbers) < 1:
            msg = f"its {what} are {list(numbers)}"
            raise DamagedError(msg)
    return strides, dilations


def transposed_geometry(node: Node, x: Map, window: tuple[int, ...]) -> Geometry:
    """How a transposed convolution's window moves over the map with zeros between its positions.

    Args:
        node: the convolution.
        x: what it reads.
        window: extents of the window, in as many directions as the map has.

    Returns:
        The strides from one position of the map to the next, and pads around all of it, with zeros
        behind the last position too; they are negative where it is cut.

    Raises:
        DamagedError: when the attributes contradict each other or the map.
        RefusedError: for what kilograd cannot do.
    """
    directions = len(x.positions)
    strides, dilations = _steps(node, x, window)
    if max(dilations) > 1:
        raise RefusedError(f"its dilations are {list(dilations)}, and it is transposed")
    kind = node.attributes.get("auto_pad", "NOTSET")
    if "output_shape" in node.attributes or kind not in {"NOTSET", "VALID"}:
        raise RefusedError("it does not state its pads", "export the network with pads")
    zeros = (0,) * directions
    more, pads = node.numbers("output_padding", zeros), node.numbers("pads", zeros * 2)
    if min(more) < 0 or min(pads) < 0:
        msg = f"its pads are {list(pads)}, and {list(more)} of its result"
        raise DamagedError(msg)
    around: list[tuple[int, int]] = []
    result: list[int] = []
    for direction, extent in enumerate(x.positions):
        tap, stride = window[direction], strides[direction]
        before, after = pads[direction], pads[direction + directions]
        places = stride * (extent - 1) + more[direction] + tap - before - after
        if places < 1:
            msg = f"its pads {list(pads)} leave nothing of its result"
            raise DamagedError(msg)
        top = tap - 1 - before
        around.append((top, places - extent * stride - top + tap - 1))
        result.append(places)
    (top, bottom), (left, right) = [(0, 0)] * (_MOST_DIRECTIONS - directions) + around
    pads_of_all = (top, bottom, left, right)
    return Geometry(_both(window), _both(strides), (1, 1), pads_of_all, tuple(result))


def _both(numbers: tuple[int, ...]) -> tuple[int, int]:
    """One number for each of two directions; a map of one direction is a row."""
    vertical, horizontal = (1,) * (_MOST_DIRECTIONS - len(numbers)) + numbers
    return vertical, horizontal


def _pads(
    node: Node,
    x: Map,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
) -> list[tuple[int, int]]:
    """Before and after, in each direction."""
    kind = node.attributes.get("auto_pad", "NOTSET")
    directions = len(window)
    if kind == "NOTSET":
        pads = node.numbers("pads", (0,) * (2 * directions))
        if min(pads) < 0:
            msg = f"its pads are {list(pads)}"
            raise DamagedError(msg)
        return list(zip(pads[:directions], pads[directions:], strict=True))
    if kind == "VALID":
        return [(0, 0)] * directions
    if kind not in {"SAME_UPPER", "SAME_LOWER"}:
        msg = f"its padding is {shown(kind)}"
        raise DamagedError(msg)
    result: list[tuple[int, int]] = []
    for extent, tap, stride, dilation in zip(x.positions, window, strides, dilations, strict=True):
        span = (tap - 1) * dilation + 1
        total = max((-(-extent // stride) - 1) * stride + span - extent, 0)
        less, more = total // 2, total - total // 2
        result.append((less, more) if kind == "SAME_UPPER" else (more, less))
    return result
