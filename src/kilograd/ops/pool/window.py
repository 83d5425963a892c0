"""Windows of pools: what lies outside the map does not count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilograd.ops.spec import Array


@dataclass(frozen=True)
class PoolWindow:
    """A window of height × width positions that slides over a map.

    Attributes:
        height: rows under the window.
        width: columns under the window.
        row_stride: rows from one window to the next below.
        column_stride: columns from one window to the next beside it.
        top: rows of the first windows that lie above the map.
        bottom: rows that lie below it, at most, of the last.
        left: columns before the map.
        right: columns after it.
    """

    height: int
    width: int
    row_stride: int = 1
    column_stride: int = 1
    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    @property
    def positions(self) -> int:
        """Under the window."""
        return self.height * self.width

    def output_shape(self, shape: Sequence[int]) -> tuple[int, int, int]:
        """Rows and columns of windows on a map [H, W, C], and its channels.

        Raises:
            ValueError: if the window does not fit, or lies outside the map by more than itself.
        """
        height, width, channels = shape
        least = min(self.height, self.width, self.row_stride, self.column_stride)
        if least < 1 or min(self.top, self.bottom, self.left, self.right) < 0:
            msg = f"window {self} has an extent or stride below 1, or negative padding"
            raise ValueError(msg)
        if max(self.top, self.bottom) >= self.height or max(self.left, self.right) >= self.width:
            msg = "padding must be smaller than the window"
            raise ValueError(msg)
        rows = height + self.top + self.bottom - self.height
        columns = width + self.left + self.right - self.width
        if min(rows, columns) < 0:
            msg = f"a {self.height}×{self.width} window does not fit a {height}×{width} map"
            raise ValueError(msg)
        return rows // self.row_stride + 1, columns // self.column_stride + 1, channels

    def padded(self, x: Array, fill: float) -> Array:
        """X [H, W, C] with ``fill`` around it."""
        pads = ((self.top, self.bottom), (self.left, self.right), (0, 0))
        return np.pad(x, pads, constant_values=fill)

    def inside(self, padded: Array, shape: Sequence[int]) -> Array:
        """The map [H, W, C] in the middle of its padding."""
        return padded[self.top : self.top + shape[0], self.left : self.left + shape[1]]

    def tap_slices(self, shape: Sequence[int]) -> Iterator[tuple[slice, slice]]:
        """For each place under the window, in row-major order, the padded map's positions there.

        Args:
            shape: of the result: rows and columns of windows come first.
        """
        rows, columns = shape[:2]
        for row in range(self.height):
            for column in range(self.width):
                yield (
                    slice(row, row + self.row_stride * (rows - 1) + 1, self.row_stride),
                    slice(
                        column, column + self.column_stride * (columns - 1) + 1, self.column_stride
                    ),
                )

    def counts(self, shape: Sequence[int]) -> NDArray[np.int64]:
        """How many positions of a map [H, W, C] lie under each window, [rows, columns, 1]."""
        ones = self.padded(np.ones((*shape[:2], 1), np.int64), 0)
        total = np.zeros((*self.output_shape(shape)[:2], 1), np.int64)
        for rows, columns in self.tap_slices(total.shape):
            total += ones[rows, columns]
        return total

    def fields(self, shape: Sequence[int]) -> dict[str, int | Array | None]:
        """KG_POOL_MEMBERS on a map [H, W, C]."""
        rows, columns, channels = self.output_shape(shape)
        return {
            "input_height": shape[0],
            "input_width": shape[1],
            "output_height": rows,
            "output_width": columns,
            "window_height": self.height,
            "window_width": self.width,
            "row_stride": self.row_stride,
            "column_stride": self.column_stride,
            "top": self.top,
            "left": self.left,
            "channels": channels,
        }
