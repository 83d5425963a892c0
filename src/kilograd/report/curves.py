"""Draw the learning curve: loss and online accuracy over steps, test accuracy at both ends.

Where values are estimated, their error stands for the accuracy. The curve of a stream is drawn over
samples, and it shows the change and its effect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kilograd.report.panel import (
    BINS,
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDEST,
    WIDTH,
    Panel,
    ends_of,
    frame,
    margin,
)
from kilograd.report.svg import (
    decimal_ticks,
    drawing,
    element,
    label,
    line,
    path,
    shortened,
)
from kilograd.report.units import number, percent
from kilograd.training.online import Change, OnlineResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.training.loop import TrainingResult

#: The loss is averaged over this share of all steps, but over no fewer than ``_WINDOW``.
_SHARE, _WINDOW = 0.03, 20
_BAND = (10.0, 90.0)


def learning_curve(result: TrainingResult) -> tuple[str, str]:
    """Draw loss and accuracy over the same steps, in a drawing each."""
    if result.after.has_errors:
        return (
            drawing(
                WIDTH, HEIGHT, f"Loss over {result.steps} steps", _loss(result, None), most=WIDEST
            ),
            drawing(
                WIDTH,
                HEIGHT,
                f"Error over {result.steps} steps: test error from {percent(result.before.error)} "
                f"to {percent(result.after.error)} of the range",
                _error(result),
                most=WIDEST,
            ),
        )
    chance, change = _chance(result), _change(result)
    at = "" if change is None else f"; {change} after {change.sample} samples"
    loss = f"Loss over {result.steps} steps{at}"
    accuracy = (
        f"Accuracy over {result.steps} steps: test accuracy from "
        f"{percent(result.before.accuracy)} to {percent(result.after.accuracy)}{at}"
    )
    return (
        drawing(WIDTH, HEIGHT, loss, _loss(result, chance), most=WIDEST),
        drawing(WIDTH, HEIGHT, accuracy, _accuracy(result, chance), most=WIDEST),
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


def _loss(result: TrainingResult, guess: _Chance | None) -> list[str]:
    """Draw the loss; without a guess it is that of values, of which there is no chance."""
    losses = result.losses
    window = smoothing_window(len(losses))
    ends = ends_of(len(losses), window)
    spans = [losses[max(0, end - window) : end] for end in ends]
    means = [float(np.mean(span)) for span in spans]
    lows, highs = ([float(np.percentile(s, q)) for s in spans] for q in _BAND)
    top = max([0.0 if guess is None else guess.loss * 1.15, *highs, *means]) or 1.0
    panel = Panel(_extent(result), top * 1.04)
    ticks = [(tick, number(tick)) for tick in decimal_ticks(top)]
    title = "loss (Huber)" if guess is None else "loss (cross-entropy, nats)"
    parts = frame(panel, title, ticks, _axis(result))
    if guess is not None:
        parts += [
            line(LEFT, panel.y(guess.loss), RIGHT, panel.y(guess.loss), "chance"),
            *margin(panel, [(guess.loss, "", f"chance, {guess.loss_text}", "")]),
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


def _error(result: TrainingResult) -> list[str]:
    online, before, after = result.online_error, result.before.error, result.after.error
    panel = Panel(_extent(result), (max([before, after, *online]) or 1.0) * 1.1)
    ticks = [(tick, f"{number(100 * tick)}%") for tick in decimal_ticks(panel.top)]
    parts = frame(panel, "error, share of the range", ticks, _axis(result))
    parts += [
        line(LEFT, panel.y(before), RIGHT, panel.y(before), "before"),
        *_online(panel, online),
    ]
    for step, value, css in ((0, before, " hollow"), (panel.steps, after, "")):
        parts.append(_mark(panel, step, value, css))
    texts = [
        (after, percent(after), "test, after", "mark-name after"),
        (before, percent(before), "test, before", "mark-name first"),
    ]
    return [*parts, *margin(panel, texts)]


def _online(panel: Panel, online: Sequence[float]) -> list[str]:
    """Draw what was reached on training samples."""
    size = max(1, len(online) // BINS)
    points = [
        (panel.x(end), panel.y(float(np.mean(online[max(0, end - size) : end]))))
        for end in ends_of(len(online), size)
    ]
    return [element("path", {"d": path(points), "class": "curve online"})] if points else []


def _mark(panel: Panel, step: float, value: float, css: str) -> str:
    """Draw what was reached on test samples."""
    at = {"cx": panel.x(step), "cy": panel.y(value), "r": 5.0}
    return element("circle", {**at, "class": f"mark{css}"})


def _accuracy(result: TrainingResult, guess: _Chance) -> list[str]:
    panel = Panel(_extent(result), 1.0)
    before, after, chance = result.before.accuracy, result.after.accuracy, guess.accuracy
    change = _change(result)
    parts = frame(panel, "accuracy", [(t / 5, f"{20 * t}%") for t in range(6)], _axis(result))
    parts.append(line(LEFT, panel.y(chance), RIGHT, panel.y(chance), "chance"))
    if change is None:
        parts.append(line(LEFT, panel.y(before), RIGHT, panel.y(before), "before"))
    else:
        height = panel.y(change.not_learned.accuracy)
        parts.append(line(panel.x(change.sample), height, RIGHT, height, "before"))
        parts += _cut(panel, change)
    parts += _online(panel, result.online_accuracy)
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
    parts += [_mark(panel, step, value, css) for step, value, css in marks]
    return [*parts, *margin(panel, texts)]


def _change(result: TrainingResult) -> Change | None:
    return result.change if isinstance(result, OnlineResult) else None


def _extent(result: TrainingResult) -> int:
    """Return where the curves end: the samples of a stream, or the steps of a run."""
    return len(result.losses) if isinstance(result, OnlineResult) else result.steps


def _axis(result: TrainingResult) -> str:
    return "sample" if isinstance(result, OnlineResult) else "training step"


def _cut(panel: Panel, change: Change) -> list[str]:
    """Draw a line at the change, with its name above the panel, where there is more room."""
    x = panel.x(change.sample)
    is_left = x > WIDTH / 2
    name = shortened(str(change), max(x, WIDTH - x) - 8, 11)
    side, anchor = (-5, "end") if is_left else (5, None)
    return [
        line(x, TOP - 24, x, BOTTOM, "cut"),
        label(x + side, TOP - 14, name, "cut-name", anchor),
    ]
