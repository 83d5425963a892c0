"""Charts of the pages, drawn by matplotlib: the same file for the same figures, and with them.

An SVG of these carries the figures that it shows as JSON in its metadata, so that a check needs
no matplotlib of the same version.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from matplotlib import rc_context, rcParamsDefault
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from experiments.common.ledgers import Ledger

#: Inches: 518 pixels on a page. A telephone of 390 pixels shrinks text of 9 points to 8 pixels.
WIDTH = 5.4

INK, MUTED, GRID = "#1b2026", "#5c6670", "#e3e7ec"
BLUE, ORANGE, GREEN, PURPLE = "#2d6fb0", "#c96a12", "#2c8a55", "#7b52b9"
RED, GREY = "#c0392b", "#9aa3ad"

_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "kilograd",
}
_DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"


@dataclass(frozen=True)
class Chart:
    """A picture.

    Attributes:
        path: of the SVG.
        ledger: what it is drawn from.
        title: what it shows, for those who cannot see it.
        shown: the figures of a ledger that are drawn; they can be written as JSON.
        draw: the picture of these figures and nothing else.
    """

    path: Path
    ledger: Path
    title: str
    shown: Callable[[Ledger], Any]
    draw: Callable[[Any], Figure]


def svg(chart: Chart, ledger: Ledger) -> str:
    """The picture of a ledger, the same for the same figures and matplotlib."""
    shown = figures(chart, ledger)
    metadata = {
        "Title": chart.title,
        "Description": json.dumps(shown, sort_keys=True),
        "Date": None,
        "Creator": None,
    }
    text = io.StringIO()
    with rc_context({**rcParamsDefault, **_STYLE}):
        chart.draw(shown).savefig(
            text, format="svg", metadata=metadata, bbox_inches="tight", pad_inches=0.08
        )
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    return "\n".join(lines) + "\n"


def figures(chart: Chart, ledger: Ledger) -> Any:
    """What a picture shows, as JSON has it."""
    return json.loads(json.dumps(chart.shown(ledger)))


def figures_in(text: str) -> Any:
    """The figures that an SVG shows; None where it has none."""
    found = ET.fromstring(text).find(f".//{_DESCRIPTION}")  # noqa: S314 - a file of the repository
    return None if found is None else json.loads(found.text or "null")


def heading(figure: FigureBase, text: str) -> None:
    """What the picture is about, above it at the left."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=10, fontweight="bold")


def heading_with_keys(figure: FigureBase, text: str, keys: Sequence[Artist], columns: int) -> None:
    """What the picture is about, and below that what its lines and colours mean."""
    figure.legend(
        handles=keys,
        loc="outside upper left",
        ncols=columns,
        columnspacing=1.2,
        handletextpad=0.5,
        borderpad=0,
        borderaxespad=0.3,
        title=text,
        title_fontproperties={"size": 10, "weight": "bold"},
        alignment="left",
    )


def note(figure: FigureBase, text: str) -> None:
    """A few lines below the picture."""
    figure.supxlabel(text, x=0.01, ha="left", fontsize=8, color=MUTED)


def panel_title(axes: Axes, text: str) -> None:
    """What one of several panels shows."""
    axes.set_title(text, loc="left", fontweight="bold", fontsize=9)
