"""Estimates of values in a report: the tile, the curves, and dots over true values."""

import re
import xml.etree.ElementTree as ET

import pytest
from report_cases import estimated, page, reported, section, texts

from kilograd.report import render_report
from kilograd.report.curves import learning_curve
from kilograd.report.estimates import estimates


def shown(partly, **options):
    result = estimated(**options)
    return result, reported(partly, result=result, class_names=("hours & days",))


def test_a_page_has_errors_and_no_accuracy(partly):
    result, report = shown(partly)
    text = render_report(report)
    written = texts(page(text))
    assert "Test error" in written
    assert f"{100 * result.after.error:.1f}%" in written
    assert "ccuracy" not in written
    headings = [node.text for node in page(text).iter("h2")]
    assert "Estimates" in headings
    assert "Confusion" not in headings


def test_dots_lie_in_the_frame(partly):
    _, report = shown(partly, worst=10**9)
    figures = section(report, "Estimates").findall(".//svg")
    assert len(figures) == 2
    for figure in figures:
        dots = [(float(n.get("cx")), float(n.get("cy"))) for n in figure.iter("circle")]
        assert len(dots) == 30
        assert all(52 <= x <= 308 and 12 <= y <= 268 for x, y in dots)
        assert "true hours & days → estimate ↑" in texts(figure)
        assert "mean error" in figure.get("aria-label")


@pytest.mark.parametrize("samples", [0, 1, 2, 5000])
def test_any_number_of_samples(samples):
    drawn = estimates(estimated(samples=samples), "x", (-1, 1))
    assert drawn.shown == min(samples, 400)
    for scatter in drawn.scatters:
        assert str(scatter.drawing).count("<circle") == drawn.shown
        assert not re.search("nan|inf", str(scatter.drawing))
        assert len(scatter.drawing) < 80_000
        assert bool(scatter.r2) == (samples > 1)


def test_ticks_are_round_numbers_of_the_unit():
    (_, after) = estimates(estimated(), "x", (0, 2000)).scatters
    ticks = [
        n.text for n in ET.fromstring(str(after.drawing)).iter("text") if n.get("class") == "tick"
    ]
    assert {"0", "500", "1000", "1500", "2000"} >= set(ticks)
    assert len(ticks) >= 6


@pytest.mark.parametrize("steps", [0, 1, 20, 3000])
def test_curves_of_any_length(steps):
    result = estimated(steps=steps)
    loss, error = (ET.fromstring(drawn) for drawn in learning_curve(result))
    assert "loss (Huber)" in texts(loss)
    assert "chance" not in texts(loss)
    assert "error, share of the range" in texts(error)
    assert f"{100 * result.before.error:.1f}%" in texts(error)
    assert len(error.findall(".//circle")) == 2
