"""The picture of what quantization-aware scaling does, from experiments/qas/results.json."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.common import charts
from experiments.common.ledgers import Ledger
from experiments.common.paths import DOCS
from experiments.qas import LEDGER

#: Data set whose norms are drawn; the others look the same.
_NORMS_OF = "cifar10"
_TITLES = {"cifar10": "CIFAR-10", "flowers17": "17 flowers"}
#: Series of norms -> what they are called, and how they are drawn.
_SERIES = {
    "fp32": ("float32", charts.INK, "solid"),
    "int8": ("int8", charts.ORANGE, "solid"),
    "int8 with QAS": ("int8 with QAS", charts.BLUE, (0, (4, 2))),
}
#: Methods from top to bottom.
_COLORS = {
    "fp32-sgd": charts.INK,
    "int8-sgd": charts.ORANGE,
    "int8-adam": charts.ORANGE,
    "int8-lars": charts.ORANGE,
    "int8-sgd-qas": charts.BLUE,
}
_BAND = "#f1f4f8"


def shown(ledger: Ledger) -> dict[str, Any]:
    """Norms of every trained tensor, and each method's accuracies at its own best rate."""
    methods = ledger["settings"]["methods"]
    norms = ledger["norms"][_NORMS_OF]
    return {
        "steps": ledger["settings"]["observed_steps"],
        "tensors": norms["tensors"],
        "norms": {name: norms[name] for name in _SERIES},
        "methods": {name: methods[name]["label"] for name in _COLORS},
        "accuracies": {
            data: {name: ledger["summary"][data][name]["accuracies"] for name in _COLORS}
            for data in _TITLES
        },
    }


def draw(figures: dict[str, Any]) -> Figure:
    """Norms above, accuracies below."""
    figure = Figure((charts.WIDTH, 5.9), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(3, 2))
    _norms(above.subplots(), figures)
    charts.heading(below, "What each learns at its own best rate, a dot a seed")
    panels = below.subplots(1, len(_TITLES), sharey=True)
    for axes, (data, title) in zip(panels, _TITLES.items(), strict=True):
        axes.set_title(title, loc="left", color=charts.MUTED)
        _accuracies(axes, figures["accuracies"][data])
    labels = list(figures["methods"].values())
    panels[0].set_yticks(range(len(labels)), labels, color=charts.INK)
    panels[0].invert_yaxis()
    return figure


def _norms(axes: Axes, figures: dict[str, Any]) -> None:
    tensors = figures["tensors"]
    starts = [
        i for i, name in enumerate(tensors) if not i or _block(name) != _block(tensors[i - 1])
    ]
    bounds = list(pairwise([*starts, len(tensors)]))
    for start, end in bounds[1::2]:
        axes.axvspan(start - 0.5, end - 0.5, color=_BAND, zorder=0)
    for name, (_, color, style) in _SERIES.items():
        values = figures["norms"][name]
        axes.plot(values, color=color, linestyle=style, linewidth=1.3)
        for kind, marker in (("bias", "o"), ("weight", "s")):
            places = [i for i, tensor in enumerate(tensors) if tensor.endswith(kind)]
            at = [values[i] for i in places]
            axes.plot(places, at, marker, color=color, markersize=3.6)
    middles = [(start + end - 1) / 2 for start, end in bounds]
    axes.set_xticks(middles, [_block(tensors[start]) for start, _ in bounds])
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    axes.set_xlim(-0.7, len(tensors) - 0.3)
    axes.set_xlabel("trained tensors, by block of the network")
    axes.set_ylabel("log₁₀(‖W‖ / ‖G‖)")
    over = f"{_TITLES[_NORMS_OF]}, mean over the first {figures['steps']} steps"
    axes.set_title(over, loc="left", color=charts.MUTED)
    handles = [
        Line2D([], [], color=color, linestyle=style, linewidth=1.3, label=label)
        for label, color, style in _SERIES.values()
    ]
    handles += [
        Line2D([], [], color=charts.MUTED, marker=marker, markersize=4, linestyle="", label=kind)
        for kind, marker in (("bias", "o"), ("weight", "s"))
    ]
    title = "The size of a weight over the size of its gradient"
    charts.heading_with_keys(axes.figure, title, handles, 5)


def _block(tensor: str) -> str:
    """The part of the network that a tensor belongs to: ``7`` of blocks.7.pointwise1.bias."""
    return tensor.split(".")[1] if tensor.startswith("blocks.") else tensor.split(".", 1)[0]


def _accuracies(axes: Axes, accuracies: dict[str, list[float]]) -> None:
    """A dot a seed, the mean as a figure at the right."""
    for place, (method, color) in enumerate(_COLORS.items()):
        percents = [100 * accuracy for accuracy in accuracies[method]]
        axes.plot(percents, [place] * len(percents), "o", color=color, markersize=4)
        axes.annotate(
            f"{sum(percents) / len(percents):.1f}",
            (1.02, place),
            xycoords=("axes fraction", "data"),
            va="center",
        )
    axes.set_ylim(-0.6, len(_COLORS) - 0.4)
    axes.margins(x=0.08)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("test accuracy (%)")


CHART = charts.Chart(
    DOCS / "qas.svg",
    LEDGER,
    "Weight to gradient norm ratios of trained tensors in float32, int8 and int8 with "
    "quantization-aware scaling; test accuracies of five ways of training",
    shown,
    draw,
)
