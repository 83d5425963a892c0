"""Draw estimates over true values, before and after training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kilograd.data import value_of
from kilograd.report.svg import decimal_ticks, drawing, element, label, line
from kilograd.report.templating import markup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from kilograd.training.answers import Evaluation
    from kilograd.training.loop import TrainingResult

# Pixels of the view box, and of the panel in it.
_SIDE, _WIDEST = 320.0, 460.0
_LEFT, _TOP, _RIGHT, _BOTTOM = 52.0, 12.0, 308.0, 268.0
#: Points that are drawn at most.
_MOST = 400
#: Room beyond the values, as a share of their span.
_ROOM = 0.05


@dataclass(frozen=True)
class Scatter:
    """Estimates at one time.

    Attributes:
        when: "before training" or "after training".
        error: Mean absolute error, in the unit of the values.
        r2: Coefficient of determination; empty if all values are the same.
        samples: Number of test samples.
        drawing: The picture.
    """

    when: str
    error: str
    r2: str
    samples: int
    drawing: Markup


@dataclass(frozen=True)
class Estimates:
    """The estimates of a run.

    Attributes:
        name: What is estimated.
        shown: Samples that are drawn, evenly chosen.
        scatters: Before and after training.
    """

    name: str
    shown: int
    scatters: tuple[Scatter, ...]


def estimates(
    result: TrainingResult, name: str, value_range: tuple[float, float]
) -> Estimates | None:
    """Return the estimates of a run; None if classes were told apart.

    Args:
        result: Result of the run.
        name: What was estimated.
        value_range: What labels stand for.
    """
    if result.after.estimates is None:
        return None
    scatters = (
        _scatter(result.before, "before training", name, value_range),
        _scatter(result.after, "after training", name, value_range),
    )
    return Estimates(name, min(_MOST, result.after.count), scatters)


def _scatter(
    evaluation: Evaluation, when: str, name: str, value_range: tuple[float, float]
) -> Scatter:
    rows = np.zeros((0, 2), np.int64) if evaluation.estimates is None else evaluation.estimates
    chosen = np.unique(np.linspace(0, max(0, len(rows) - 1), min(_MOST, len(rows)), dtype=np.int64))
    points = np.array(
        [[value_of(number, value_range) for number in row] for row in rows[chosen].tolist()]
    ).reshape(-1, 2)
    low, high = value_range
    error = f"{evaluation.error * (high - low):.3g}"
    r2 = "" if evaluation.explained is None else f"{evaluation.explained:.2f}"
    text = f"Estimates of {name} over its true values, {when}: mean error {error}"
    drawn = drawing(_SIDE, _SIDE, text, _parts(points, name, value_range), most=_WIDEST)
    return Scatter(when, error, r2, evaluation.count, markup(drawn))


def _parts(
    points: NDArray[np.float64], name: str, value_range: tuple[float, float]
) -> Sequence[str]:
    values = points[:, 0] if len(points) else np.array(value_range)
    span = float(np.ptp(values)) or 1.0
    low, high = float(values.min()) - _ROOM * span, float(values.max()) + _ROOM * span

    def x(value: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (min(max(value, low), high) - low) / (high - low)

    def y(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (min(max(value, low), high) - low) / (high - low)

    parts: list[str] = []
    for tick in _ticks(low, high):
        parts += [
            line(_LEFT, y(tick), _RIGHT, y(tick), "grid"),
            label(_LEFT - 7, y(tick) + 3.5, f"{tick:g}", "tick", "end"),
            label(x(tick), _BOTTOM + 16, f"{tick:g}", "tick", "middle"),
        ]
    parts.append(line(x(low), y(low), x(high), y(high), "before"))
    parts += [
        element("circle", {"cx": x(value), "cy": y(found), "r": 3.0, "class": "estimate"})
        for value, found in points.tolist()
    ]
    middle = (_LEFT + _RIGHT) / 2
    parts.append(label(middle, _BOTTOM + 36, f"true {name} → estimate ↑", "axis", "middle"))
    return parts


def _ticks(low: float, high: float) -> list[float]:
    steps = decimal_ticks(high - low)
    step = steps[1] if len(steps) > 1 else high - low
    first = int(np.ceil(low / step))
    return [float(f"{index * step:.6g}") for index in range(first, int(np.floor(high / step)) + 1)]
