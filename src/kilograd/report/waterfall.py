"""Make the bars that show how much SRAM each optimization of the compiler saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilograd.compiler import Optimization

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.measuring.ablation import Planned

#: The optimization that each bar adds to the bar above it, in words.
OPTIMIZATION_TEXT = {
    None: "no optimization",
    Optimization.IN_PLACE: "+ results in place",
    Optimization.REORDERED: "+ nodes reordered",
    Optimization.ROWS: "+ first layers in rows",
    Optimization.ROW_INPUT: "+ sample streamed in rows",
    Optimization.SLICES: "+ weights in slices",
    Optimization.RECOMPUTED: "+ masks recomputed",
}


@dataclass(frozen=True)
class Bar:
    """One plan; its parts are shares of the largest plan, in [0, 1].

    Attributes:
        name: The optimization that it adds.
        total: Bytes of the trained state and the arena.
        difference: Bytes that it adds to the plan above it, with a sign; empty for none.
        state: The trained state.
        arena: The arena.
        saved: What it saves of the plan above it.
    """

    name: str
    total: int
    difference: str
    state: float
    arena: float
    saved: float


def waterfall(steps: Sequence[Planned]) -> tuple[Bar, ...]:
    """Return a bar for each plan.

    Args:
        steps: Plans of the same step, each with one more optimization.
    """
    most = max(1, *(step.total for step in steps))
    totals = [step.total for step in steps]
    return tuple(
        Bar(
            OPTIMIZATION_TEXT[step.optimization],
            step.total,
            _signed(step.total - before) if step.total != before else "",
            step.trainable / most,
            (step.total - step.trainable) / most,
            max(0, before - step.total) / most,
        )
        for step, before in zip(steps, [totals[0], *totals], strict=False)
    )


def _signed(count: int) -> str:
    """Write a difference with its sign; the minus is as wide as the plus."""
    return f"{count:+,}".replace("-", "−")
