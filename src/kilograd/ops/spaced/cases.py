"""Windows that the operators of this room are tested with."""

from __future__ import annotations

from kilograd.ops.spaced.window import SpacedGradientAttributes, SpacedWindow


def windows() -> list[tuple[str, SpacedWindow, tuple[int, int]]]:
    """Name, window, height and width of the map under it."""
    return [
        ("3x3dilated", SpacedWindow(3, 3, 1, 2, 2, 2, 2, 1, 2, 2), (7, 6)),
        ("3x1causal", SpacedWindow(3, 1, 1, 8, 0, 0, 0, 1, 4, 1), (11, 1)),
        ("2x3strides", SpacedWindow(2, 3, 2, 0, 1, 1, 0, 1), (7, 5)),
        ("3x2both", SpacedWindow(3, 2, 1, 1, 3, 0, 2, 3, 2, 3), (6, 9)),
        ("2x2single", SpacedWindow(2, 2, 1, 0, 0, 0, 0, 1, 3, 2), (4, 3)),
    ]


def gradient_windows() -> list[tuple[str, SpacedGradientAttributes]]:
    """Attributes of gradients for the same windows; some train a share of the channels."""
    trained = ((), (0, 3, 4), (1,), (), (2, 4))
    return [
        (name, SpacedGradientAttributes(window, (*extents, 5), 6, channels))
        for channels, (name, window, extents) in zip(trained, windows(), strict=True)
    ]
