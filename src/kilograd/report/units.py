"""Write quantities for readers: bytes, shares, large counts, shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_KIB = 1024
_SPACE = "\N{NO-BREAK SPACE}"


def number(value: float) -> str:
    """Write at most two decimals, and none for whole numbers."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def kibibytes(count: float) -> str:
    """Write a size: ``28 B``, ``29.5 KiB``, ``256 KiB``."""
    if count < _KIB:
        return f"{count:.0f}{_SPACE}B"
    return f"{number(round(count / _KIB, 1))}{_SPACE}KiB"


def percent(share: float) -> str:
    """Write a share in [0, 1] as a percentage with one decimal."""
    return f"{100 * share:.1f}%"


def millions(count: int) -> str:
    """Write a large count in short: ``92.2 M``, ``640.0 k``."""
    for unit, suffix in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.1f}{_SPACE}{suffix}"
    return str(count)


def thousands(count: int) -> str:
    """Write every digit, with commas between groups of three: ``85,680``."""
    return f"{count:,}"


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape with crosses between its extents: ``8×8×240``."""
    return "\N{MULTIPLICATION SIGN}".join(str(extent) for extent in shape)
