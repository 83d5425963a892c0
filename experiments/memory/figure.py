"""The picture of what each part of the compiler saves, from experiments/memory/results.json."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from experiments.common import charts
from experiments.common.ledgers import Ledger, Row
from experiments.common.paths import DOCS
from experiments.memory import LEDGER
from experiments.memory.tables import TINY_ENGINE

#: The scheme that Tiny Training Engine was measured with.
_TINY_SCHEME = "mcunet-5fps/49kb"
_KB = 1000
_BAR = 0.66
_SAVED = "#cfe0f1"
_NOTE = (
    "Planned arena and trained state, without stack. Dashed: all of SRAM of Tiny\n"
    "Training Engine, measured, with its stack. Published for MCUNet: 3,650 KB for a\n"
    "full update, 560 KB sparse, 173 KB reordered."
)


def shown(ledger: Ledger) -> dict[str, Any]:
    """Bytes with one part more a row, and what each part alone saves."""
    return {
        "schemes": {name: _rows(found) for name, found in ledger["optimizations"].items()},
        "Tiny Training Engine": TINY_ENGINE["sram"],
    }


def _rows(found: dict[str, list[Row]]) -> list[Row]:
    full = _planned(found["added"][-1])
    alone = {row["name"]: _planned(row) - full for row in found["left_out"]}
    return [
        {
            "with": row["name"],
            "arena": row["arena"],
            "trainable": row["trainable"],
            "left out alone": alone.get(row["name"]),
        }
        for row in found["added"]
    ]


def _planned(row: Row) -> int:
    return row["arena"] + row["trainable"]


def draw(figures: dict[str, Any]) -> Figure:
    """A row of panels a scheme: parts put in one after the other, and parts left out alone."""
    schemes = figures["schemes"]
    figure = Figure((charts.WIDTH, 0.9 + 2.35 * len(schemes)), layout="constrained")
    panels = figure.subplots(
        len(schemes), 2, sharex="col", sharey=True, squeeze=False, width_ratios=(5, 2)
    )
    for (added, alone), (scheme, rows) in zip(panels, schemes.items(), strict=True):
        _added(added, scheme, rows)
        _alone(alone, rows)
        if scheme == _TINY_SCHEME:
            _tiny_engine(added, figures["Tiny Training Engine"])
    added, alone = panels[-1]
    added.set_xlabel("KB planned, with one part more a line")
    alone.set_xlabel("KB more without it")
    keys = {"trained state": charts.ORANGE, "arena": charts.BLUE, "saved by the part": _SAVED}
    handles = [Patch(color=color, label=label) for label, color in keys.items()]
    charts.heading_with_keys(figure, "What each part of the compiler saves of SRAM", handles, 3)
    charts.note(figure, _NOTE)
    return figure


def _added(axes: Axes, scheme: str, rows: list[Row]) -> None:
    charts.panel_title(axes, scheme)
    before = 0
    for place, row in enumerate(rows):
        state, total = row["trainable"] / _KB, _planned(row) / _KB
        axes.barh(place, state, _BAR, color=charts.ORANGE)
        axes.barh(place, total - state, _BAR, left=state, color=charts.BLUE)
        if before > total:
            axes.barh(place, before - total, _BAR, left=total, color=_SAVED)
        is_last = place == len(rows) - 1
        axes.annotate(
            f"{total:.1f}",
            (max(before, total), place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            fontweight="bold" if is_last else "normal",
        )
        before = total
    names = ["none of them" if row["with"] == "none" else f"+ {row['with']}" for row in rows]
    axes.set_yticks(range(len(rows)), names, color=charts.INK)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 330)
    axes.grid(visible=False, axis="y")


def _alone(axes: Axes, rows: list[Row]) -> None:
    axes.set_title("left out alone", loc="left", color=charts.MUTED)
    for place, row in enumerate(rows):
        if row["left out alone"] is None:
            continue
        more = row["left out alone"] / _KB
        axes.barh(place, more, _BAR, color=charts.GREY)
        axes.annotate(
            f"{more:+.1f}".replace("-", "−"),
            (max(more, 0), place),
            (3, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(-5, 215)
    axes.grid(visible=False, axis="y")


def _tiny_engine(axes: Axes, count: int) -> None:
    axes.vlines(count / _KB, -0.6, 2.4, color=charts.RED, linestyles="dashed", linewidth=1)
    axes.annotate(
        f"Tiny Training\nEngine {count / _KB:.1f}",
        (count / _KB, 0.95),
        (3, 0),
        textcoords="offset points",
        va="center",
        fontsize=7.5,
        color=charts.RED,
    )


CHART = charts.Chart(
    DOCS / "memory.svg",
    LEDGER,
    "Planned bytes of a training step with one part of the compiler more a bar",
    shown,
    draw,
)
