"""Draw how badly samples were made again, normal ones and anomalies, before and after training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kilograd.report.svg import drawing, label, line, rectangle, shortened
from kilograd.report.templating import markup
from kilograd.report.units import percent
from kilograd.training.anomalies import Detection, root_mean_square

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from kilograd.training.loop import TrainingResult

# Pixels of the view box; a kind of sample takes a band.
_WIDTH, _WIDEST = 340.0, 520.0
_LEFT, _RIGHT = 8.0, 332.0
_TOP, _BAND, _BARS, _FLOOR, _AXIS = 24.0, 60.0, 30.0, 50.0, 40.0
#: Bars of a band, and kinds that are drawn at most.
_BINS, _MOST_KINDS = 56, 8
#: Width of the longest name of a kind, and its font size.
_NAME = (138.0, 12.0)


@dataclass(frozen=True)
class Histogram:
    """Errors at one time.

    Attributes:
        when: "before training" or "after training".
        auc: Of all anomalies; empty if there are none.
        found: The share of them that is above the threshold; empty if there are none.
        alarms: The share of normal samples that is; empty if there are none.
        drawing: The picture.
    """

    when: str
    auc: str
    found: str
    alarms: str
    drawing: Markup


@dataclass(frozen=True)
class Detections:
    """The errors of a run.

    Attributes:
        normal: What normal samples are called.
        left_out: Kinds of anomalies that are not drawn.
        histograms: Before and after training.
    """

    normal: str
    left_out: int
    histograms: tuple[Histogram, ...]


def detections(
    result: TrainingResult, class_names: Sequence[str], value_range: tuple[float, float]
) -> Detections | None:
    """Return the errors of a run; None if it did not learn what is normal.

    Args:
        result: Result of the run.
        class_names: Of normal samples and of the kinds of anomalies.
        value_range: Of an element of a sample.
    """
    before, after = result.before, result.after
    if not isinstance(before, Detection) or not isinstance(after, Detection):
        return None
    kinds = [(k, name) for k, name in enumerate(class_names) if len(after.of(k))]
    shown = kinds[:_MOST_KINDS]
    scale = _Scale.over(before, after, value_range)
    histograms = tuple(
        _histogram(one, when, shown, scale)
        for one, when in ((before, "before training"), (after, "after training"))
    )
    return Detections(class_names[0], len(kinds) - len(shown), histograms)


@dataclass(frozen=True)
class _Scale:
    """Errors on a logarithmic axis.

    Attributes:
        low: Smallest error.
        high: Largest error.
        value_range: Of a sample's elements.
    """

    low: float
    high: float
    value_range: tuple[float, float]

    @classmethod
    def over(cls, before: Detection, after: Detection, value_range: tuple[float, float]) -> _Scale:
        errors = np.concatenate([one.scores[:, 1] for one in (before, after)])
        stated = [one.threshold for one in (before, after) if one.threshold is not None]
        known = np.concatenate([errors, np.array(stated, np.int64)])
        real = root_mean_square(np.maximum(known, 1), value_range)
        most = value_range[1] - value_range[0]
        low, high = (float(real.min()), float(real.max())) if len(real) else (most / 10, most)
        # A single error gets some room, too.
        return cls(low / 1.05, max(high * 1.05, low * 1.5), value_range)

    def real(self, errors: NDArray[np.int64]) -> NDArray[np.float64]:
        return root_mean_square(np.maximum(errors, 1), self.value_range)

    def x(self, real: float) -> float:
        share = math.log(real / self.low) / math.log(self.high / self.low)
        return _LEFT + (_RIGHT - _LEFT) * share

    def ticks(self) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = (1, 2, 5) if self.high / self.low < 200 else (1,)  # noqa: PLR2004 - as many as fit
        found = [step * 10.0**decade for decade in decades for step in steps]
        return [tick for tick in found if self.low <= tick <= self.high]


def _histogram(
    found: Detection, when: str, kinds: Sequence[tuple[int, str]], scale: _Scale
) -> Histogram:
    bottom = _TOP + _BAND * len(kinds)
    parts: list[str] = []
    for tick in scale.ticks():
        parts += [
            line(scale.x(tick), _TOP - 6, scale.x(tick), bottom, "grid"),
            label(scale.x(tick), bottom + 16, f"{tick:g}", "tick", "middle"),
        ]
    for place, (kind, name) in enumerate(kinds):
        parts += _band(found, kind, name, scale, _TOP + _BAND * place)
    if found.threshold is not None:
        x = scale.x(float(scale.real(np.array([found.threshold]))[0]))
        floors = [_TOP + _BAND * place + _FLOOR for place in range(len(kinds))]
        parts += [line(x, floor - _BARS - 4, x, floor, "threshold") for floor in floors]
        is_right = x > (_LEFT + _RIGHT) / 2
        parts.append(
            label(
                x + (-4 if is_right else 4),
                _TOP - 10,
                "threshold",
                "mark-note",
                "end" if is_right else "start",
            )
        )
    middle = (_LEFT + _RIGHT) / 2
    parts.append(
        label(middle, bottom + 34, "error of a sample (root mean square)", "axis", "middle")
    )
    above, alarms = found.share_above(), found.share_above(0)
    text = f"Errors of samples, {when}"
    return Histogram(
        when,
        "" if found.auc is None else f"{found.auc:.3f}",
        "" if above is None else percent(above),
        "" if alarms is None else percent(alarms),
        markup(drawing(_WIDTH, bottom + _AXIS, text, parts, most=_WIDEST)),
    )


def _band(found: Detection, kind: int, name: str, scale: _Scale, top: float) -> list[str]:
    errors = scale.real(found.of(kind))
    edges = np.geomspace(scale.low, scale.high, _BINS + 1)
    counts = np.histogram(errors, edges)[0]
    floor = top + _FLOOR
    area = found.auc_of(kind) if kind else None
    above = found.share_above(kind)
    said = [f"{len(errors):,}"]
    said += [] if area is None else [f"AUC {area:.3f}"]
    said += [] if above is None else [f"{percent(above)} above"]
    parts = [
        label(_LEFT, top + 11, shortened(name, *_NAME), "kind"),
        label(_RIGHT, top + 11, ", ".join(said), "mark-note", "end"),
        line(_LEFT, floor, _RIGHT, floor, "grid"),
    ]
    css = "unusual" if kind else "normal"
    for left, right, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True):
        if count:
            height = _BARS * count / counts.max()
            x = scale.x(float(left))
            width = scale.x(float(right)) - x
            parts.append(rectangle(x, floor - height, width - 0.6, height, css))
    return parts
