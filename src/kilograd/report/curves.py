"""Draw the learning curve: loss and online accuracy over steps, test accuracy at both ends.

The curve of a stream is drawn over samples, and it shows the change and its effect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kilograd.report.svg import (
    decimal_ticks,
    drawing,
    element,
    label,
    line,
    path,
    shortened,
    spread,
)
from kilograd.report.units import number, percent
from kilograd.training.online import Change, OnlineResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.training.loop import TrainingResult

# Pixels of the view box.
_WIDTH, _HEIGHT, _WIDEST = 350.0, 268.0, 460.0
_TOP, _BOTTOM = 46.0, 226.0
_LEFT, _PANEL = 38.0, 216.0
_RIGHT = _LEFT + _PANEL
_TEXT_GAP = 32.0
#: Notes beside a panel end this far above its lower edge, clear of the ticks.
_TICK_ROOM = 14.0

_BINS = 240
#: The loss is averaged over this share of all steps, but over no fewer than ``_WINDOW``.
_SHARE, _WINDOW = 0.03, 20
_BAND = (10.0, 90.0)


@dataclass(frozen=True)
class _Panel:
    """Map steps and values to pixels.

    Attributes:
        steps: Step at its right edge.
        top: Value at its upper edge.
    """

    steps: int
    top: float

    def x(self, step: float) -> float:
        return _LEFT + _PANEL * step / max(1, self.steps)

    def y(self, value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * min(max(value, 0.0), self.top) / self.top


def learning_curve(result: TrainingResult) -> tuple[str, str]:
    """Draw loss and accuracy over the same steps, in a drawing each."""
    chance, change = _chance(result), _change(result)
    at = "" if change is None else f"; {change} after {change.sample} samples"
    loss = f"Loss over {result.steps} steps{at}"
    accuracy = (
        f"Accuracy over {result.steps} steps: test accuracy from "
        f"{percent(result.before.accuracy)} to {percent(result.after.accuracy)}{at}"
    )
    return (
        drawing(_WIDTH, _HEIGHT, loss, _loss(result, chance), most=_WIDEST),
        drawing(_WIDTH, _HEIGHT, accuracy, _accuracy(result, chance), most=_WIDEST),
    )


def smoothing_window(steps: int) -> int:
    """Return the number of steps that each point of the loss curve averages over."""
    return max(1, min(steps, max(_WINDOW, round(_SHARE * steps))))


@dataclass(frozen=True)
class _Chance:
    """What is reached without looking at samples.

    Attributes:
        loss: in nats.
        loss_text: how it is made.
        accuracy: in [0, 1].
        accuracy_text: how it is made.
    """

    loss: float
    loss_text: str
    accuracy: float
    accuracy_text: str


def _chance(result: TrainingResult) -> _Chance:
    classes = len(result.before.confusion)
    if result.before.are_sets:  # a coin for each label
        return _Chance(classes * math.log(2), f"{classes} · ln 2", 1 / 2, "1/2")
    return _Chance(math.log(max(2, classes)), f"ln {classes}", 1 / max(1, classes), f"1/{classes}")


def _loss(result: TrainingResult, guess: _Chance) -> list[str]:
    losses = result.losses
    window = smoothing_window(len(losses))
    chance = guess.loss
    ends = _ends(len(losses), window)
    spans = [losses[max(0, end - window) : end] for end in ends]
    means = [float(np.mean(span)) for span in spans]
    lows, highs = ([float(np.percentile(s, q)) for s in spans] for q in _BAND)
    top = max([chance * 1.15, *highs, *means])
    panel = _Panel(_extent(result), top * 1.04)
    ticks = [(tick, number(tick)) for tick in decimal_ticks(top)]
    parts = _frame(panel, "loss (cross-entropy, nats)", ticks, _axis(result))
    parts += [
        line(_LEFT, panel.y(chance), _RIGHT, panel.y(chance), "chance"),
        *_margin(panel, [(chance, "", f"chance, {guess.loss_text}", "")]),
    ]
    if ends:
        upper = [(panel.x(e), panel.y(h)) for e, h in zip(ends, highs, strict=True)]
        lower = [(panel.x(e), panel.y(v)) for e, v in zip(ends, lows, strict=True)]
        points = [(panel.x(e), panel.y(m)) for e, m in zip(ends, means, strict=True)]
        parts += [
            element("path", {"d": path([*upper, *reversed(lower)]) + "Z", "class": "band"}),
            element("path", {"d": path(points), "class": "curve loss"}),
        ]
    change = _change(result)
    return parts if change is None else [*parts, *_cut(panel, change)]


def _accuracy(result: TrainingResult, guess: _Chance) -> list[str]:
    panel = _Panel(_extent(result), 1.0)
    before, after, chance = result.before.accuracy, result.after.accuracy, guess.accuracy
    change = _change(result)
    parts = _frame(panel, "accuracy", [(t / 5, f"{20 * t}%") for t in range(6)], _axis(result))
    parts.append(line(_LEFT, panel.y(chance), _RIGHT, panel.y(chance), "chance"))
    if change is None:
        parts.append(line(_LEFT, panel.y(before), _RIGHT, panel.y(before), "before"))
    else:
        height = panel.y(change.not_learned.accuracy)
        parts.append(line(panel.x(change.sample), height, _RIGHT, height, "before"))
        parts += _cut(panel, change)
    online = result.online_accuracy
    size = max(1, len(online) // _BINS)
    points = [
        (panel.x(end), panel.y(float(np.mean(online[max(0, end - size) : end]))))
        for end in _ends(len(online), size)
    ]
    if points:
        parts.append(element("path", {"d": path(points), "class": "curve online"}))
    marks = [(0, before, " hollow"), (panel.steps, after, "")]
    texts = [
        (after, percent(after), "test, after", "mark-name after"),
        (before, percent(before), "test, before", "mark-name first"),
        (chance, "", f"chance, {guess.accuracy_text}", ""),
    ]
    if change is not None:
        not_learned = change.not_learned.accuracy
        marks[1:1] = [
            (change.sample, change.before.accuracy, ""),
            (change.sample, change.after.accuracy, " hollow"),
        ]
        texts[1] = (not_learned, percent(not_learned), "test, frozen", "mark-name first")
    for step, value, css in marks:
        at = {"cx": panel.x(step), "cy": panel.y(value), "r": 5.0}
        parts.append(element("circle", {**at, "class": f"mark{css}"}))
    return [*parts, *_margin(panel, texts)]


def _change(result: TrainingResult) -> Change | None:
    return result.change if isinstance(result, OnlineResult) else None


def _extent(result: TrainingResult) -> int:
    """Return where the curves end: the samples of a stream, or the steps of a run."""
    return len(result.losses) if isinstance(result, OnlineResult) else result.steps


def _axis(result: TrainingResult) -> str:
    return "sample" if isinstance(result, OnlineResult) else "training step"


def _cut(panel: _Panel, change: Change) -> list[str]:
    """Draw a line at the change, with its name above the panel, where there is more room."""
    x = panel.x(change.sample)
    is_left = x > _WIDTH / 2
    name = shortened(str(change), max(x, _WIDTH - x) - 8, 11)
    side, anchor = (-5, "end") if is_left else (5, None)
    return [
        line(x, _TOP - 24, x, _BOTTOM, "cut"),
        label(x + side, _TOP - 14, name, "cut-name", anchor),
    ]


def _margin(panel: _Panel, texts: Sequence[tuple[float, str, str, str]]) -> list[str]:
    """Write (value, figure, note, classes) right of a panel, each near the value's height."""
    ordered = sorted(texts, key=lambda text: -text[0])
    places = spread([panel.y(text[0]) for text in ordered], _TEXT_GAP, _TOP, _BOTTOM - _TICK_ROOM)
    parts: list[str] = []
    for (_, figure, note, css), y in zip(ordered, places, strict=True):
        x = _RIGHT + 12
        if figure:
            parts.append(label(x, y + 3, figure, css))
        parts.append(label(x, y + (16 if figure else 3.5), note, "mark-note"))
    return parts


def _frame(panel: _Panel, title: str, ticks: Sequence[tuple[float, str]], axis: str) -> list[str]:
    parts = [label(0, _TOP - 32, title, "panel-title")]
    for value, text in ticks:
        y = panel.y(value)
        parts += [
            line(_LEFT, y, _RIGHT, y, "grid"),
            label(_LEFT - 7, y + 3.5, text, "tick", "end"),
        ]
    for step in decimal_ticks(panel.steps):
        if step % 1 == 0:
            x = panel.x(step)
            parts.append(label(x, _BOTTOM + 16, f"{step:,.0f}", "tick", "middle"))
    middle = (_LEFT + _RIGHT) / 2
    parts.append(label(middle, _BOTTOM + 34, axis, "axis", "middle"))
    return parts


def _ends(count: int, least: int) -> list[int]:
    """Return the ends of the averages: at most ``_BINS``, the first after ``least`` steps."""
    if not count:
        return []
    first = min(least, count)
    places = np.linspace(first, count, min(_BINS, count - first + 1))
    return [int(place) for place in np.unique(np.rint(places))]
