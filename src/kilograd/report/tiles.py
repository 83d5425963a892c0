"""Make the tiles at the top of the page: accuracy, SRAM, flash, work, steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilograd.ir import Phase
from kilograd.report.analysis import sram_parts
from kilograd.report.units import kibibytes, millions, percent
from kilograd.training.anomalies import Detection
from kilograd.training.online import OnlineResult

if TYPE_CHECKING:
    from kilograd.compiler import Program
    from kilograd.measuring.firmware import Measurement
    from kilograd.report.contents import Report
    from kilograd.training.loop import TrainingResult


@dataclass(frozen=True)
class Meter:
    """A bar that shows how much of a budget is used.

    Attributes:
        share: Filled share of the bar, in [0, 1].
        is_over: True if more than the budget is used.
    """

    share: float
    is_over: bool


@dataclass(frozen=True)
class Tile:
    """One figure with its explanation.

    Attributes:
        name: Heading.
        figure: The figure as text.
        below: The explanation below it.
        start: An earlier figure, shown before it; may be empty.
        meter: The use of a budget, or None.
    """

    name: str
    figure: str
    below: str
    start: str = ""
    meter: Meter | None = None


def tiles(report: Report) -> tuple[Tile, ...]:
    """Return the tiles for all figures that are known."""
    result, measurement = report.result, report.measurement
    made: list[Tile] = []
    if result is not None:
        made.append(_accuracy(result))
    made.append(_sram(report))
    if measurement is None:
        made.append(_macs(report.program))
    else:
        made += _firmware(measurement)
    if result is not None:
        below = f"one sample per step; the run took {result.seconds:.1f} s on this computer"
        made.append(Tile("Training steps", f"{result.steps:,}", below))
    return tuple(made)


def _accuracy(result: TrainingResult) -> Tile:
    change = result.change if isinstance(result, OnlineResult) else None
    start = result.before if change is None else change.after
    when = "before → after training" if change is None else "right after the change → at the end"
    below = f"{when}, on {result.after.count:,} test samples"
    if isinstance(result.after, Detection) and isinstance(start, Detection):
        return _detection(result.after, start, below)
    if result.after.has_errors:
        end, begin = percent(result.after.error), percent(start.error)
        return Tile("Test error", end, f"of the range of values, {below}", start=begin)
    return Tile(
        "Test accuracy", percent(result.after.accuracy), below, start=percent(start.accuracy)
    )


def _detection(after: Detection, start: Detection, below: str) -> Tile:
    if after.auc is None or start.auc is None:
        end, begin = percent(after.error), percent(start.error)
        return Tile("Error of normal samples", end, f"of the range, {below}", start=begin)
    below = f"the chance that an anomaly has a larger error than a normal sample, {below}"
    return Tile("AUC", f"{after.auc:.3f}", below, start=f"{start.auc:.3f}")


def _sram(report: Report) -> Tile:
    total = sum(part.size for part in sram_parts(report.program, report.measurement))
    budget = report.sram_budget
    below = f"{total:,} bytes"
    if report.measurement is None:
        below += " planned for the arena and the trained state"
    meter = None
    if budget:
        meter = Meter(min(1.0, total / budget), total > budget)
        below += f", {percent(total / budget)} of {kibibytes(budget)}"
    return Tile("SRAM", kibibytes(total), below, meter=meter)


def _firmware(measurement: Measurement) -> list[Tile]:
    inference = millions(measurement.instructions_inference)
    return [
        Tile(
            "Flash",
            kibibytes(measurement.flash_bytes),
            f"{measurement.flash_bytes:,} bytes for code, constants and the initial state",
        ),
        Tile(
            "Instructions, emulated",
            millions(measurement.instructions_train_step),
            f"per training step; inference alone takes {inference}",
        ),
    ]


def _macs(program: Program) -> Tile:
    inference, training = program.macs(Phase.INFERENCE), program.macs(Phase.TRAINING)
    below = f"per training step; inference alone takes {millions(inference)}"
    return Tile("MACs", millions(inference + training), below)
