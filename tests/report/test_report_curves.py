"""The learning curve of a run and of a stream with a change."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from report_cases import page, reported, streamed, texts, trained

from kilograd.report import render_report
from kilograd.report.curves import learning_curve
from kilograd.training.online import OnlineResult


def panels(result):
    """The drawings of the loss and of the accuracy."""
    return [ET.fromstring(drawn) for drawn in learning_curve(result)]


@pytest.mark.parametrize("steps", [0, 1, 2, 19, 20, 21, 1000, 30_000])
def test_curve_of_any_length(steps):
    for drawn in learning_curve(trained(steps=steps)):
        root = ET.fromstring(drawn)
        assert len(drawn) < 20_000
        assert "nan" not in drawn
        for node in root.iter("path"):
            numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", node.get("d"))]
            assert all(0 <= x <= 350 for x in numbers)
        curves = [n for n in root.iter("path") if "curve" in (n.get("class") or "")]
        assert len(curves) == (1 if steps else 0)


def test_curve_names_both_accuracies():
    result = trained()
    written = {node.text for root in panels(result) for node in root.iter("text")}
    assert {
        f"{100 * result.before.accuracy:.1f}%",
        f"{100 * result.after.accuracy:.1f}%",
        "test, before",
        "test, after",
        "chance, 1/3",
        "chance, ln 3",
    } <= written


def test_constant_zero_loss():
    result = replace(trained(), losses=[0.0] * 90, online_accuracy=[1.0] * 90)
    assert len(panels(result)) == 2


def test_the_change_is_marked_in_both_panels():
    for root in panels(streamed()):
        assert [node.get("class") for node in root.iter("line")].count("cut") == 1
        assert texts(root).count("new class c") == 1
        assert "training step" not in texts(root)
        assert texts(root).count("sample") == 1
        assert "new class c after 30 samples" in root.get("aria-label")
    assert "test, frozen" in texts(root)
    assert len(root.findall(".//circle")) == 4
    for cut, anchor in ((80, "end"), (10, None)):
        for root in panels(streamed(cut)):
            (label,) = [t for t in root.iter("text") if (t.text or "") == "new class c"]
            assert label.get("text-anchor") == anchor


def test_a_long_name_of_a_new_class_is_shortened():
    for root in panels(streamed(name="<" + "long" * 60 + ">")):
        assert all(len(t.text or "") < 80 for t in root.iter("text"))


def test_page_shows_what_the_change_did(partly):
    root = page(render_report(reported(partly, result=streamed())))
    (section,) = (s for s in root.iter("section") if s.find("h2").text == "The change: new class c")
    rows = [[cell.text for cell in row] for row in section.find(".//tbody")]
    assert rows[0] == ["all", "100.0%", "75.0%", rows[0][3], "73.9%"]
    assert rows[1][0] == "first classes"
    assert [row[0] for row in rows[2:]] == ["cat", "b & c", '"dog"']
    assert rows[4][1:3] == ["–", "14.3%"]
    plain = OnlineResult(**vars(trained()))
    assert "The change" not in render_report(reported(partly, result=plain))
    assert "running mean over 100" in render_report(reported(partly, result=plain))
    assert "running mean over 50" in render_report(reported(partly))
