"""Windows with strides of their own down and across, and with taps that lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kilograd.ops.common.window import Window
from kilograd.ops.common.windowed import WindowedAttributes
from kilograd.ops.common.windowed_backward import WindowGradientAttributes
from kilograd.ops.spec import Array


@dataclass(frozen=True)
class SpacedWindow(Window):
    """A window whose strides differ, or whose taps are not neighbours.

    Attributes:
        stride: rows from one window to the next below.
        column_stride: columns from one window to the next beside it.
        row_dilation: rows from one tap to the next below.
        column_dilation: columns from one tap to the next beside it.
    """

    column_stride: int = 1
    row_dilation: int = 1
    column_dilation: int = 1

    @property
    def strides(self) -> tuple[int, int]:
        """Rows and columns from one window to the next."""
        return self.stride, self.column_stride

    @property
    def dilations(self) -> tuple[int, int]:
        """Rows and columns from one tap to the next."""
        return self.row_dilation, self.column_dilation

    def fields(
        self, inputs: tuple[int, ...], outputs: tuple[int, ...]
    ) -> dict[str, int | Array | None]:
        """The members of kg_spaced_window."""
        members = super().fields(inputs, outputs)
        del members["stride"]
        members["row_stride"], members["column_stride"] = self.strides
        members["row_dilation"], members["column_dilation"] = self.dilations
        return members


@dataclass(frozen=True)
class SpacedAttributes(WindowedAttributes):
    """Attributes of the forward operators."""

    window: SpacedWindow


@dataclass(frozen=True)
class SpacedGradientAttributes(WindowGradientAttributes):
    """Attributes of the input gradients and weight updates."""

    window: SpacedWindow


def sliding_window(
    taps: tuple[int, int],
    strides: tuple[int, int],
    pads: Sequence[int],
    dilations: tuple[int, int],
    extents: Sequence[int],
) -> Window:
    """The plainest window that reads the same of a map.

    A single tap cannot be dilated, and along a single position any stride leads nowhere.

    Args:
        taps: rows and columns.
        strides: likewise.
        pads: top, bottom, left, right.
        dilations: rows and columns.
        extents: of the map: height and width.
    """
    top, bottom, left, right = pads
    apart_down, apart_across = (
        dilation if tap > 1 else 1 for tap, dilation in zip(taps, dilations, strict=True)
    )
    window = SpacedWindow(
        *taps, strides[0], top, bottom, left, right, strides[1], apart_down, apart_across
    )
    tall, wide = window.span
    beyond = extents[0] + top + bottom - tall, extents[1] + left + right - wide
    if window.dilations == (1, 1):
        for stride in strides:
            if all(
                stride == own or free < min(stride, own)
                for own, free in zip(strides, beyond, strict=True)
            ):
                return Window(*taps, stride, top, bottom, left, right)
    return window
