"""Geometry of sliding windows, shared by convolutions of all kinds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilograd.ops.spec import Array


@dataclass(frozen=True)
class Window:
    """A window of height × width taps that slides over a padded map.

    Attributes:
        height: taps.
        width: taps.
        stride: rows from one window to the next below, and columns to the next beside it.
        top: rows of padding above; padded taps read the zero point.
        bottom: rows of padding below.
        left: columns of padding before.
        right: columns of padding after.
    """

    height: int
    width: int
    stride: int = 1
    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    @classmethod
    def same(cls, kernel: int, stride: int = 1) -> Window:
        """A square window with ⌊kernel / 2⌋ of padding on every side."""
        pad = kernel // 2
        return cls(kernel, kernel, stride, pad, pad, pad, pad)

    @property
    def strides(self) -> tuple[int, int]:
        """Rows and columns from one window to the next."""
        return self.stride, self.stride

    @property
    def dilations(self) -> tuple[int, int]:
        """Rows and columns from one tap to the next."""
        return 1, 1

    @property
    def span(self) -> tuple[int, int]:
        """Rows and columns from the first tap to the last, both counted."""
        down, across = self.dilations
        return (self.height - 1) * down + 1, (self.width - 1) * across + 1

    @property
    def taps(self) -> int:
        """Positions under the window."""
        return self.height * self.width

    def output_shape(self, height: int, width: int) -> tuple[int, int]:
        """Positions of the window on a map.

        Raises:
            ValueError: if the window does not fit, or pads by more than itself.
        """
        if min(*self.span, *self.strides, *self.dilations) < 1 or min(self.padding) < 0:
            msg = f"window {self} has an extent or stride below 1, or negative padding"
            raise ValueError(msg)
        tall, wide = self.span
        if max(self.top, self.bottom) >= tall or max(self.left, self.right) >= wide:
            msg = "padding must be smaller than the window"
            raise ValueError(msg)
        rows = height + self.top + self.bottom - tall
        columns = width + self.left + self.right - wide
        if rows < 0 or columns < 0:
            msg = f"a {tall}×{wide} window does not fit a {height}×{width} map"
            raise ValueError(msg)
        down, across = self.strides
        return rows // down + 1, columns // across + 1

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Top, bottom, left, right."""
        return self.top, self.bottom, self.left, self.right

    def padded(self, x: Array) -> Array:
        """X [H, W, C] (zero point taken off) with zeros around it."""
        return np.pad(x, ((self.top, self.bottom), (self.left, self.right), (0, 0)))

    def tap_slices(self, shape: tuple[int, ...]) -> Iterator[tuple[int, int, slice, slice]]:
        """For each tap: its row and column, and the padded map's positions it reads."""
        for row in range(self.height):
            for column in range(self.width):
                down, across = (
                    slice(at, at + stride * (count - 1) + 1, stride)
                    for at, stride, count in zip(
                        (row * self.dilations[0], column * self.dilations[1]),
                        self.strides,
                        shape,
                        strict=True,
                    )
                )
                yield row, column, down, across

    def fields(
        self, inputs: tuple[int, ...], outputs: tuple[int, ...]
    ) -> dict[str, int | Array | None]:
        """The members of kg_window."""
        return {
            "input_height": inputs[0],
            "input_width": inputs[1],
            "output_height": outputs[0],
            "output_width": outputs[1],
            "kernel_height": self.height,
            "kernel_width": self.width,
            "stride": self.stride,
            "top": self.top,
            "left": self.left,
        }

    def unpadded(self, x: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
        """The map inside the padding."""
        return x[self.top : self.top + height, self.left : self.left + width]
