"""What is normal and what is not in a report: the tile, the curves, and errors by kind."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from report_cases import detected, page, reported, section, texts

from kilograd.report import render_report
from kilograd.report.detections import detections
from kilograd.training.anomalies import Detection

NAMES = ("sound & well", *(f"damage {k}" for k in range(1, 12)))


def shown(result, names=NAMES):
    return detections(result, names, (-2, 2))


def test_a_page_has_an_auc_and_no_accuracy(partly):
    result = detected()
    report = reported(partly, result=result, class_names=NAMES)
    written = texts(page(render_report(report)))
    assert "AUC" in written
    assert f"{result.after.auc:.3f}" in written
    assert "ccuracy" not in written
    headings = [node.text for node in page(render_report(report)).iter("h2")]
    assert "Normal and unusual samples" in headings
    assert "Confusion" not in headings
    assert "Estimates" not in headings
    found = section(report, "Normal and unusual samples")
    assert "sound & well" in texts(found)
    assert "1 further kinds are not drawn" in texts(found)


def test_without_anomalies_the_tile_has_the_error(partly):
    result = detected()
    normal = {
        when: replace(found, scores=found.scores[found.scores[:, 0] == 0])
        for when, found in (("before", result.before), ("after", result.after))
    }
    alone = replace(result, **normal)
    written = texts(page(render_report(reported(partly, result=alone, class_names=NAMES[:1]))))
    assert "Error of normal samples" in written
    assert "anomalies found" not in written
    assert "false alarms" in written


def test_bars_lie_in_the_frame_and_say_how_many():
    result = detected()
    drawn = shown(result)
    assert (drawn.normal, drawn.left_out) == ("sound & well", 1)
    for histogram, found in zip(drawn.histograms, (result.before, result.after), strict=True):
        root = ET.fromstring(str(histogram.drawing))
        bars = [n for n in root.iter("rect") if n.get("class") in {"normal", "unusual"}]
        width = float(root.get("viewBox").split()[2])
        for bar in bars:
            left, size = float(bar.get("x")), float(bar.get("width"))
            assert 0 <= left < left + size <= width
            assert float(bar.get("height")) <= 30
        assert {n.get("class") for n in bars} == {"normal", "unusual"}
        assert len([n for n in root.iter("line") if n.get("class") == "threshold"]) == 8
        count = len(found.of(0))
        assert f"{count}, {100 * found.share_above(0):.1f}% above" in texts(root)


@pytest.mark.parametrize("samples", [0, 1, 2, 4000])
@pytest.mark.parametrize("threshold", [None, 0, 1 << 30])
def test_any_number_of_samples(samples, threshold):
    result = detected(samples=samples)
    parts = {
        when: replace(found, threshold=threshold)
        for when, found in (("before", result.before), ("after", result.after))
    }
    for histogram in shown(replace(result, **parts)).histograms:
        text = str(histogram.drawing)
        assert not re.search("nan|inf", text)
        assert len(text) < 80_000
        ET.fromstring(text)


def test_errors_that_are_all_the_same_or_nothing():
    none = np.zeros((0, 0), np.int64)
    for error in (0, 5, 1 << 30):
        same = Detection(none, scores=np.array([[0, error], [1, error]]), threshold=error)
        result = replace(detected(), before=same, after=same)
        (histogram, _) = shown(result).histograms
        assert histogram.auc == "0.500"
        assert str(histogram.drawing).count('class="normal"') == 1
