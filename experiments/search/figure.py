"""Pictures of the search, from its ledger: gains, accuracy for SRAM, and how solvers compare."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from experiments.common import charts
from experiments.common.ledgers import Ledger
from experiments.common.paths import BACKBONES, DOCS
from experiments.search import LEDGER
from experiments.search.contributions import contributions_of, from_row
from experiments.search.front import standing
from experiments.search.methods import EVERY
from experiments.search.tables import found_accuracy, known_accuracy, known_memory, pairs
from experiments.search.wanted import FRONT_MODEL, TASKS

_KB = 1024
_SHARES = {0.125: "#cfe0f1", 0.25: "#94bce2", 0.5: "#5592cd", 1.0: charts.BLUE}


def gains(ledger: Ledger) -> dict[str, Any]:
    """What training each part of MCUNet gains, alone and in company, in points."""
    found = contributions_of(ledger, FRONT_MODEL)
    company = from_row(ledger["in_company"][FRONT_MODEL])
    return {
        "judges": ledger["judges"][FRONT_MODEL],
        "biases in company": {layer: _points(gain) for layer, gain in company.biases.items()},
        "weights in company": {
            layer: _points(max(shares.items())[1]) for layer, shares in company.weights.items()
        },
        "last": {layer: _points(gain) for layer, gain in found.last.items()},
        "biases": {layer: _points(gain) for layer, gain in found.biases.items()},
        "weights": {
            layer: {str(share): _points(gain) for share, gain in shares.items()}
            for layer, shares in found.weights.items()
        },
    }


def _points(gain: float) -> float:
    return round(100 * gain, 2)


def draw_gains(figures: dict[str, Any]) -> Figure:
    """Panels with a place a layer."""
    figure = Figure((charts.WIDTH, 7.6), layout="constrained")
    panels = figure.subplots(4, 1, sharex=True, height_ratios=(1, 1, 1.6, 1.2))
    last, own, weights, company = panels
    names = list(figures["biases"])
    places = range(len(names))
    last.step(places, list(figures["last"].values()), where="mid", color=charts.PURPLE)
    charts.panel_title(last, "biases of all layers from this one on")
    own.bar(places, list(figures["biases"].values()), color=charts.ORANGE)
    charts.panel_title(own, "own bias, scaled so that all sum to the most above")
    for rank, (share, color) in enumerate(_SHARES.items()):
        known = [(i, figures["weights"][name].get(str(share))) for i, name in enumerate(names)]
        bars = [(i + 0.2 * (rank - 1.5), gain) for i, gain in known if gain is not None]
        weights.bar([x for x, _ in bars], [gain for _, gain in bars], 0.2, color=color)
    charts.panel_title(weights, "weights, on top of the same biases")
    for side, (what, color) in enumerate((("biases", charts.ORANGE), ("weights", charts.BLUE))):
        bars = [
            (i + 0.4 * (side - 0.5), figures[f"{what} in company"][n]) for i, n in enumerate(names)
        ]
        company.bar([x for x, _ in bars], [gain for _, gain in bars], 0.4, color=color)
    charts.panel_title(company, "in company of others: own bias, and all of its weights")
    company.set_xticks(places, [_short(name) for name in names], rotation=90, fontsize=6.5)
    for axes in panels:
        axes.set_ylabel("points")
        axes.grid(visible=False, axis="x")
    handles = [Patch(color=c, label=f"{share:g} of channels") for share, c in _SHARES.items()]
    charts.heading_with_keys(figure, "What training each part of MCUNet gains", handles, 4)
    note = "Alone: probability of the right class at the best temperature, geometric mean, on\n"
    note += f"validation parts of {', '.join(TASKS)}. In company: mean of it and of accuracy,\n"
    count = len(figures["judges"])
    charts.note(figure, f"{note}by trials of whole schemes on held-back samples of {count} packs.")
    return figure


def _short(layer: str) -> str:
    """Such as ``7.pw1``."""
    text = layer.removeprefix("blocks.")
    return text.replace("pointwise", "pw").replace("depthwise", "dw")


def accuracy(ledger: Ledger) -> dict[str, Any]:
    """SRAM in KB and mean accuracy in percent, of every scheme that was run on all packs.

    A backbone with a single pair of schemes has no panel: two points side by side are no picture.
    """
    panels: dict[str, Any] = {}
    of_all = [pair for prefix in ("as-", "below-") for pair in pairs(ledger, prefix)]
    for model in BACKBONES:
        found = [pair for pair in of_all if pair.model == model]
        if len(found) <= 1:
            continue
        shown = {
            "published": {(pair.sram, pair.published) for pair in found},
            "searched": {(pair.sram_found, pair.found) for pair in found},
            "searched, streamed": set(_front(ledger)) if model == FRONT_MODEL else set(),
            "head, streamed": {_known(model, "head", "streamed")}
            if model == FRONT_MODEL
            else set(),
        }
        panels[model] = {
            name: sorted([round(sram / _KB, 2), round(learned, 2)] for sram, learned in points)
            for name, points in shown.items()
        }
    return panels


def _front(ledger: Ledger) -> list[tuple[int, float]]:
    learned = {one: found_accuracy(ledger, one) for one in standing(ledger)}
    return [
        (ledger["schemes"][one.key]["sram_total_bytes"], accuracy)
        for one, accuracy in learned.items()
        if accuracy is not None
    ]


def _known(model: str, scheme: str, how: str) -> tuple[int, float]:
    return known_memory(model, scheme, how)["sram_total_bytes"], known_accuracy(model, scheme)


_STYLES = {
    "published": (charts.GREY, "o"),
    "searched": (charts.BLUE, "o"),
    "searched, streamed": (charts.GREEN, "s"),
    "head, streamed": (charts.ORANGE, "D"),
}


def draw_accuracy(figures: dict[str, Any]) -> Figure:
    """A panel a backbone."""
    figure = Figure((charts.WIDTH, 0.9 + 2.1 * len(figures)), layout="constrained")
    panels = figure.subplots(len(figures), 1, squeeze=False)[:, 0]
    for axes, (model, series) in zip(panels, figures.items(), strict=True):
        _accuracy_panel(axes, model, series)
    shown = {name for series in figures.values() for name, points in series.items() if points}
    handles = [
        Line2D([], [], color=color, marker=marker, markersize=4, label=name)
        for name, (color, marker) in _STYLES.items()
        if name in shown
    ]
    charts.heading_with_keys(figure, "Accuracy for SRAM, searched and published", handles, 2)
    charts.note(
        figure,
        "Mean over nine packs; all of SRAM, with 10 classes. Samples are held, or\n"
        "streamed where it says so.",
    )
    return figure


def _accuracy_panel(axes: Axes, model: str, series: dict[str, Any]) -> None:
    charts.panel_title(axes, model)
    for name, points in series.items():
        color, marker = _STYLES[name]
        if points:
            x, y = zip(*points, strict=True)
            axes.plot(x, y, color=color, marker=marker, markersize=4, linewidth=1.3)
    axes.set_xlabel("KB of SRAM")
    axes.set_ylabel("accuracy (%)")


def solvers(ledger: Ledger) -> dict[str, Any]:
    """The best sum of gains after each generation, as a share of the exact solution's."""
    return {
        model: {
            name: [round(100 * gain / row["exact"], 3) for gain in row[name]]
            for name in ("evolution", "random")
        }
        for model, row in ledger["solvers"].items()
    }


def draw_solvers(figures: dict[str, Any]) -> Figure:
    """A line a backbone and a way to search."""
    figure = Figure((charts.WIDTH, 2.9), layout="constrained")
    axes = figure.subplots()
    colors = (charts.BLUE, charts.ORANGE, charts.GREEN)
    axes.axhline(100, color=charts.INK, linewidth=1)
    for color, (model, series) in zip(colors, figures.items(), strict=False):
        evolved, random = series["evolution"], series["random"]
        axes.plot([EVERY * i for i in range(len(evolved))], evolved, color=color, label=model)
        axes.plot(range(len(random)), random, color=color, linestyle=":")
    axes.set_xlabel("generations of 100 schemes")
    axes.set_ylabel("% of the exact solution")
    handles = [
        *(
            Line2D([], [], color=color, label=model)
            for color, model in zip(colors, figures, strict=False)
        ),
        Line2D([], [], color=charts.MUTED, linestyle=":", label="random"),
    ]
    charts.heading_with_keys(figure, "Evolutionary and random search, same objective", handles, 4)
    return figure


CHARTS = (
    charts.Chart(
        DOCS / "search_gains.svg",
        LEDGER,
        "What training each layer's bias and weights of MCUNet gains",
        gains,
        draw_gains,
    ),
    charts.Chart(
        DOCS / "search_accuracy.svg",
        LEDGER,
        "Accuracy of searched and published schemes over the SRAM that they take",
        accuracy,
        draw_accuracy,
    ),
    charts.Chart(
        DOCS / "search_solvers.svg",
        LEDGER,
        "Evolutionary and random search against the exact solution",
        solvers,
        draw_solvers,
    ),
)
