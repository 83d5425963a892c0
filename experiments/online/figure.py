"""The picture of streams that change in their middle, from experiments/online/results.json."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.common import charts
from experiments.common.ledgers import Ledger, Row
from experiments.common.paths import DOCS
from experiments.online import LEDGER
from experiments.online.tables import cells_of

_SCHEME = "mcunet-5fps/99kb"
#: Scenario -> what its column is called.
_COLUMNS = {
    "new class": "a new class",
    "brightness:80": "brighter by 80/255",
    "noise:40": "noise, σ = 40/255",
}
_PLAIN = "plain"


def shown(ledger: Ledger) -> dict[str, Any]:
    """For each pack and change, curves in percent and the accuracies around the change."""
    packs = sorted({key.split(" | ")[0] for key in ledger["curves"]})
    return {
        data: {
            scenario: _panel_of(
                ledger, data, scenario, cells_of(ledger, [scenario])[data, _SCHEME, scenario]
            )
            for scenario in _COLUMNS
        }
        for data in packs
    }


def _panel_of(ledger: Ledger, data: str, scenario: str, rows: list[Row]) -> dict[str, Any]:
    def curve(name: str) -> list[float]:
        return [round(100 * x, 2) for x in ledger["curves"][f"{data} | {_SCHEME} | {name}"]]

    return {
        "samples": rows[0]["samples"],
        "change": rows[0]["change"],
        "curve": curve(scenario),
        "unchanged": curve(_PLAIN),
        **{
            name: round(100 * float(np.mean([row[name] for row in rows])), 2)
            for name in ("before", "right_after", "not_learned", "end")
        },
    }


def draw(figures: dict[str, Any]) -> Figure:
    """A row of panels a pack, a column a change."""
    figure = Figure((charts.WIDTH, 1.4 + 1.45 * len(figures)), layout="constrained")
    charts.heading(figure, "One pass, with a change in its middle")
    panels = figure.subplots(len(figures), len(_COLUMNS), sharey=True, squeeze=False)
    for line, (data, changes) in zip(panels, figures.items(), strict=True):
        line[0].set_ylabel(f"{data}\naccuracy (%)")
        for axes, panel in zip(line, changes.values(), strict=True):
            _draw_panel(axes, panel)
    for axes, title in zip(panels[0], _COLUMNS.values(), strict=True):
        charts.panel_title(axes, title)
    for axes in panels[-1]:
        axes.set_xlabel("samples seen")
    figure.legend(handles=_keys(), loc="outside lower left", labelspacing=0.35, fontsize=8.5)
    return figure


def _draw_panel(axes: Axes, panel: dict[str, Any]) -> None:
    samples, change = panel["samples"], panel["change"]
    for name, color, width in (("unchanged", charts.GREY, 1.0), ("curve", charts.BLUE, 1.4)):
        curve = panel[name]
        places = [samples * (index + 1) / len(curve) for index in range(len(curve))]
        axes.plot(places, curve, color=color, linewidth=width)
    axes.axvline(change, color=charts.INK, linestyle="dotted", linewidth=0.9)
    axes.hlines(panel["not_learned"], change, samples, **_NOT_LEARNED)
    axes.plot(change, panel["before"], **_DOT)
    axes.plot(change, panel["right_after"], **_HOLLOW)
    axes.plot(samples, panel["end"], **_DOT, clip_on=False)
    axes.set_ylim(0, 100)
    axes.set_yticks((0, 50, 100))
    axes.set_xlim(0, samples)
    axes.set_xticks((0, samples), ("0", f"{samples:,}"))
    axes.get_xticklabels()[-1].set_ha("right")
    axes.get_xticklabels()[0].set_ha("left")


_NOT_LEARNED: dict[str, Any] = {"color": charts.RED, "linestyle": "dashed", "linewidth": 1.1}
_DOT: dict[str, Any] = {
    "marker": "o",
    "color": charts.GREEN,
    "markersize": 4.5,
    "linestyle": "",
    "zorder": 3,
}
_HOLLOW: dict[str, Any] = {**_DOT, "markerfacecolor": "white", "markeredgewidth": 1.2}


def _keys() -> list[Line2D]:
    return [
        Line2D([], [], color=charts.BLUE, label="last 100 samples, each predicted, then learned"),
        Line2D([], [], color=charts.GREY, label="the same of a stream without a change"),
        Line2D([], [], **_DOT, label="test samples, before the change and at the end"),
        Line2D([], [], **_HOLLOW, label="test samples, right after the change"),
        Line2D([], [], **_NOT_LEARNED, label="test samples, had it not learned from the change"),
    ]


CHART = charts.Chart(
    DOCS / "stream.svg",
    LEDGER,
    "Test-then-train accuracy over a stream, with a change in its middle",
    shown,
    draw,
)
