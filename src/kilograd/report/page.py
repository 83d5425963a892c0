"""Make the data that the page's templates show, section by section."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from kilograd.report.confusion import Confusion, confusion
from kilograd.report.curves import learning_curve, smoothing_window
from kilograd.report.detections import Detections, detections
from kilograd.report.estimates import Estimates, estimates
from kilograd.report.layer_table import LayerTable, layer_table
from kilograd.report.memory_map import memory_map
from kilograd.report.memory_tables import KindRow, Peak, buffer_kinds, peak_buffers
from kilograd.report.network import network
from kilograd.report.online import COLUMNS, ChangeRow, change_rows
from kilograd.report.samples import Thumbnail, thumbnails
from kilograd.report.searched import SearchSection, search_section
from kilograd.report.templating import markup
from kilograd.report.tiles import Tile, tiles
from kilograd.report.waterfall import Bar, waterfall
from kilograd.training.online import WINDOW, OnlineResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from kilograd.compiler import Program
    from kilograd.measuring.ablation import Planned
    from kilograd.report.contents import Report
    from kilograd.training.loop import TrainingResult

#: The online accuracy of a run that is no stream is averaged over so many samples.
_MEAN_OVER = 50


@dataclass(frozen=True)
class Memory:
    """The memory map and its tables."""

    drawing: Markup
    kinds: tuple[KindRow, ...]
    peak: Peak


@dataclass(frozen=True)
class Savings:
    """What each optimization of the compiler saves.

    Attributes:
        bars: A bar for each plan.
        recomputed_macs: Multiply-accumulates that the plan of the last bar does twice.
    """

    bars: tuple[Bar, ...]
    recomputed_macs: int


@dataclass(frozen=True)
class Curve:
    """The learning curve.

    Attributes:
        loss: The panel of the loss.
        accuracy: The panel of the accuracy or the error.
        loss_over: Number of samples that the loss is averaged over.
        accuracy_over: Number of samples that it is averaged over.
        measure: "accuracy", or "error" if values are estimated.
    """

    loss: Markup
    accuracy: Markup
    loss_over: int
    accuracy_over: int
    measure: str


@dataclass(frozen=True)
class ChangeTable:
    """What a change in a stream did.

    Attributes:
        name: Name of the change.
        columns: Headings of the accuracies.
        rows: Accuracies on several parts of the test samples.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[ChangeRow, ...]


@dataclass(frozen=True)
class Trained:
    """What the scheme trains.

    Attributes:
        drawing: The network.
        scheme: Name of the scheme.
        biases: Number of layers with trained biases.
        weights: Number of layers with trained weights.
    """

    drawing: Markup
    scheme: str
    biases: int
    weights: int


@dataclass(frozen=True)
class Page:
    """The whole page; a section is left out if its data is None or empty.

    Attributes:
        title: Title of the page.
        style: Style sheet.
        origin: Names of the model, the scheme and the target.
        tiles: Figures at the top.
        memory: The memory map and its tables.
        savings: What each optimization of the compiler saves.
        search: What a search found.
        curve: The learning curve.
        change: What a change in the stream did.
        confusion: The confusions between classes.
        estimates: The estimates of values.
        detections: How badly normal samples and anomalies are made again.
        samples: Thumbnails of samples.
        trained: The scheme, drawn on the network.
        layers: The table of layers.
        facts: Further facts by name.
    """

    title: str
    style: Markup
    origin: Mapping[str, str]
    tiles: tuple[Tile, ...]
    memory: Memory
    savings: Savings | None
    search: SearchSection | None
    curve: Curve | None
    change: ChangeTable | None
    confusion: Confusion | None
    estimates: Estimates | None
    detections: Detections | None
    samples: tuple[Thumbnail, ...]
    trained: Trained
    layers: LayerTable
    facts: Mapping[str, str]


def make_page(report: Report) -> Page:
    """Make the page of a report."""
    program, result = report.program, report.result
    folder = files("kilograd.report")
    style = "".join(
        folder.joinpath(name).read_text(encoding="utf-8") for name in ("colours.css", "report.css")
    )
    drawing = memory_map(program, report.measurement, report.sram_budget)
    return Page(
        title=report.title,
        style=markup(style),
        origin=_origin(report),
        tiles=tiles(report),
        memory=Memory(markup(drawing), buffer_kinds(program), peak_buffers(program)),
        savings=_savings(report.optimizations),
        search=None if report.search is None else search_section(report.search),
        curve=None if result is None else _curve(result),
        change=_change(result, report.class_names),
        confusion=_confusion(result, report.class_names),
        estimates=_estimates(report),
        detections=_detections(report),
        samples=thumbnails(report.samples),
        trained=_trained(program),
        layers=layer_table(program),
        facts=_facts(report),
    )


def _origin(report: Report) -> dict[str, str]:
    origin = {"model": report.program.graph.name, "scheme": report.program.scheme.name}
    if report.measurement is not None:
        origin["target"] = report.measurement.target
    return origin


def _savings(optimizations: Sequence[Planned]) -> Savings | None:
    if not optimizations:
        return None
    return Savings(waterfall(optimizations), optimizations[-1].recomputed_macs)


def _curve(result: TrainingResult) -> Curve:
    loss, accuracy = map(markup, learning_curve(result))
    return Curve(
        loss=loss,
        accuracy=accuracy,
        loss_over=smoothing_window(len(result.losses)),
        accuracy_over=WINDOW if isinstance(result, OnlineResult) else _MEAN_OVER,
        measure="error" if result.after.has_errors else "accuracy",
    )


def _confusion(result: TrainingResult | None, class_names: Sequence[str]) -> Confusion | None:
    if result is None or result.after.has_errors:
        return None
    return confusion(result, class_names)


def _estimates(report: Report) -> Estimates | None:
    if report.result is None or report.result.after.estimates is None:
        return None
    value_range = report.program.request.graph.value_range
    return estimates(report.result, report.class_names[0], value_range)


def _detections(report: Report) -> Detections | None:
    if report.result is None:
        return None
    value_range = report.program.request.graph.value_range
    return detections(report.result, report.class_names, value_range)


def _change(result: TrainingResult | None, class_names: Sequence[str]) -> ChangeTable | None:
    if not isinstance(result, OnlineResult) or result.change is None:
        return None
    return ChangeTable(str(result.change), COLUMNS, tuple(change_rows(result, class_names)))


def _trained(program: Program) -> Trained:
    scheme = program.scheme
    drawing = markup(network(program))
    return Trained(drawing, scheme.name, len(scheme.biases), len(scheme.weights))


def _facts(report: Report) -> dict[str, str]:
    facts = dict(report.facts)
    if report.measurement is not None:
        facts.setdefault("compiler", report.measurement.compiler_version)
    if report.result is not None:
        facts.setdefault("state SHA-256", report.result.state_digest)
    return facts
