"""The picture of what one person teaches, from experiments/personalization/results.json."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.common import charts
from experiments.common.ledgers import Ledger
from experiments.common.paths import DOCS
from experiments.personalization import LEDGER
from experiments.personalization.tables import TASKS, rows_of, schemes

_PANELS = ("speakers", "digits", "motion", "turned")
_SHOTS = (5, 10, 20)
_PLACES = ("before", *map(str, _SHOTS))
#: Where an axis may begin: at the highest of these that no person is below.
_FLOORS = (0, 50, 80, 90)
_OWN = "the backbone's own (voice, person)"
_COLORS = {
    "head": charts.BLUE,
    "bias:K": charts.PURPLE,
    "last:K": charts.GREEN,
    _OWN: charts.ORANGE,
}
_NOTE = (
    "Mean over people and three seeds; thin lines reach down to the worst person.\n"
    "Axes begin at different accuracies."
)


def shown(ledger: Ledger) -> dict[str, Any]:
    """For each task and scheme, mean and lowest accuracy in percent, at each place of the axis."""
    return {
        task: {scheme: _curve(ledger, task, scheme) for scheme in schemes(ledger, task)}
        for task in _PANELS
    }


def _curve(ledger: Ledger, task: str, scheme: str) -> dict[str, list[float]]:
    rows = rows_of(ledger, task, scheme)
    first = rows[min(rows)]
    after = [rows[shots] for shots in _SHOTS]
    means = [first["before"], *(row["after"] for row in after)]
    lowest = [first["before_lowest"], *(row["after_lowest"] for row in after)]
    return {
        "mean": [round(100 * accuracy, 2) for accuracy in means],
        "lowest": [round(100 * accuracy, 2) for accuracy in lowest],
    }


def draw(figures: dict[str, Any]) -> Figure:
    """A panel a task, a line a scheme."""
    figure = Figure((charts.WIDTH, 5.2), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True)
    for axes, (task, curves) in zip(panels.flat, figures.items(), strict=True):
        _panel(axes, TASKS[task], curves)
    for axes in panels[-1]:
        axes.set_xlabel("samples a class")
    for axes in panels[:, 0]:
        axes.set_ylabel("accuracy (%)")
    handles = [
        Line2D([], [], color=color, marker="o", markersize=3.5, label=label)
        for label, color in _COLORS.items()
    ]
    charts.heading_with_keys(figure, "Accuracy on people that the backbone never met", handles, 4)
    charts.note(figure, _NOTE)
    return figure


def _panel(axes: Axes, title: str, curves: dict[str, Any]) -> None:
    charts.panel_title(axes, title)
    for rank, (scheme, curve) in enumerate(curves.items()):
        color = _COLORS[_kind(scheme)]
        shift = 0.05 * (rank - (len(curves) - 1) / 2)
        places = [place + shift for place in range(len(_PLACES))]
        axes.plot(places, curve["mean"], color=color, marker="o", markersize=3, linewidth=1.4)
        axes.vlines(places, curve["lowest"], curve["mean"], color=color, linewidth=0.8, alpha=0.7)
    lowest = min(min(curve["lowest"]) for curve in curves.values())
    floor = max(floor for floor in _FLOORS if floor <= lowest)
    axes.set_ylim(floor - 0.03 * (100 - floor), 100)
    axes.set_xticks(range(len(_PLACES)), _PLACES)
    axes.grid(visible=False, axis="x")


def _kind(scheme: str) -> str:
    if "/" in scheme:
        return _OWN
    return "head" if scheme == "head" else f"{scheme.partition(':')[0]}:K"


CHART = charts.Chart(
    DOCS / "personalization.svg",
    LEDGER,
    "Accuracy before and after 5, 10 and 20 samples a class, by task and scheme",
    shown,
    draw,
)
