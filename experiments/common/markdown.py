"""Tables as Markdown writes them, and the figures in their cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

#: Stands where nothing was measured.
NOTHING = "–"


def table(header: list[str], rows: Iterable[list[str]], *, holds_text: bool = False) -> str:
    """A Markdown table; all columns but the first are right-aligned, unless they hold text."""
    rule = ["---"] + ["---" if holds_text else "---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows])


def millions(count: float, digits: int = 1) -> str:
    """A count of instructions or the like as ``12.3 M``."""
    return f"{count / 1e6:.{digits}f} M"


def spread(percents: Sequence[float]) -> str:
    """Mean of a few runs and, of several, half the distance between the best and the worst."""
    if not percents:
        return NOTHING
    half_range = f" ± {(max(percents) - min(percents)) / 2:.1f}" if len(percents) > 1 else ""
    return f"{np.mean(percents):.1f}{half_range}"
