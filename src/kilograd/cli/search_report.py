"""The page of a search: what each layer is worth, the front, and the largest scheme of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kilograd.compiler import Program
from kilograd.report import Report, write_report
from kilograd.report.searched import InCompany, Point, Searched, Worth
from kilograd.search.calibration import Found
from kilograd.search.comparison import Comparison
from kilograd.search.contributions import Contributions
from kilograd.search.tasks import Task
from kilograd.search.trials import Findings
from kilograd.version import VERSION


def write_search_report(
    path: Path,
    program: Program,
    contributions: Contributions,
    tasks: Sequence[Task],
    findings: Findings,
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        program: the last scheme that was found, compiled.
        contributions: of each part alone.
        tasks: that these come from.
        findings: with a scheme for each budget, in ascending order.

    Raises:
        UserError: the file cannot be written.
    """
    last = findings.schemes[-1]
    facts = {
        "kilograd": VERSION,
        **{f"training samples of {task.name}, SHA-256": task.digest for task in tasks},
    }
    report = Report(
        title=f"Which weights of {program.graph.name} should learn",
        program=program,
        measurement=last.measurement,
        result=None,
        class_names=(),
        facts=facts,
        sram_budget=last.budgets.sram,
        search=Searched(
            contributions.unit,
            tuple(task.name for task in tasks),
            contributions.method,
            tuple(_worth(layer, contributions, last) for layer in contributions.biases),
            tuple(_point(one, findings.comparison) for one in findings.schemes),
            _in_company(findings) if findings.trials else None,
        ),
    )
    write_report(path, report)


def _worth(layer: str, contributions: Contributions, found: Found) -> Worth:
    return Worth(
        layer,
        contributions.last.get(layer),
        contributions.biases[layer],
        contributions.weights[layer],
        layer in found.choice.biases,
        found.choice.weights.get(layer, 0.0),
    )


def _in_company(findings: Findings) -> InCompany:
    gains = findings.contributions
    return InCompany(
        gains.unit,
        len(findings.trials),
        tuple(gains.biases.values()),
        tuple(gains.of_whole_weight(layer) for layer in gains.weights),
    )


def _point(one: Found, comparison: Comparison | None) -> Point:
    return Point(
        one.scheme.name,
        one.budgets.sram,
        one.measurement.sram_total_bytes,
        one.measurement.instructions_train_step,
        one.measurement.flash_bytes,
        one.solution.gain,
        one.solution.bound,
        len(one.choice.biases),
        len(one.choice.weights),
        None if comparison is None else comparison.accuracy(one.choice),
    )
