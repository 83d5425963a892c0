"""Names from users cannot become markup."""

import numpy as np
import pytest
from jinja2 import UndefinedError
from report_cases import page, reported, section, streamed, trained

from kilograd.report import render_report
from kilograd.report.samples import MOST_SAMPLES
from kilograd.report.svg import element, escape
from kilograd.report.templating import markup, render

SCRIPT, QUOTES = "<script>alert(1)</script>", "\"&'<"


def test_names_are_escaped(program):
    text = render_report(reported(program))
    body = text.partition("</style>")[2]
    assert "&lt;b&gt;" in body
    assert "tiny &amp; &lt;odd&gt;" in body
    assert "a &lt;cat&gt;" in body
    assert "&lt;0.05&gt;" in body
    assert "<odd>" not in body
    assert "<cat>" not in body
    bold = {b.text for b in page(text).iter("b")}
    assert bold >= {"tiny & <odd>"}


def test_characters_that_xml_forbids(program):
    text = render_report(reported(program, title="a\x00b\x1b\ud800", facts={"\x07": "\x08"}))
    assert page(text).find("head/title").text == "a\ufffdb\ufffd\ufffd"
    text.encode("utf-8")


def test_escape():
    assert escape('<a href="x">&') == "&lt;a href=&quot;x&quot;&gt;&amp;"
    assert element("rect", {"x": 1.0, "y": 0.5, "class": None}) == '<rect x="1" y="0.5" />'


@pytest.mark.parametrize("classes", [3, 25])
def test_hostile_class_names(partly, classes):
    """Many classes are shown in another way than few."""
    names = [SCRIPT, QUOTES, *(f"{SCRIPT}{label}" for label in range(2, classes))]
    sample = np.zeros((4, 4, 3), np.int8)
    report = reported(
        partly,
        title=SCRIPT,
        result=trained(classes),
        class_names=tuple(names),
        samples=[(sample, name) for name in names],
        facts={SCRIPT: QUOTES},
    )
    text = render_report(report)
    assert "<script" not in text
    root = page(text)
    assert root.find(".//h1").text == SCRIPT
    captions = [
        "".join(figure.find("figcaption").itertext())
        for figure in section(report, "Samples").iter("figure")
    ]
    assert captions == names[:MOST_SAMPLES]
    assert [img.get("alt") for img in root.iter("img")] == names[:MOST_SAMPLES]
    assert SCRIPT in {"".join(th.itertext()) for th in section(report, "Confusion").iter("th")}
    facts = section(report, "Facts")
    assert [facts.find(".//dt").text, facts.find(".//dd").text] == [SCRIPT, QUOTES]


@pytest.mark.parametrize("name", [SCRIPT, QUOTES])
def test_hostile_name_of_a_new_class(partly, name):
    report = reported(partly, result=streamed(name=name), class_names=("a", "b", name))
    assert "<script" not in render_report(report)
    rows = section(report, f"The change: new class {name}").findall(".//tbody/tr")
    assert "".join(rows[-1].find("th").itertext()) == f"{name} (new)"


def test_templates_know_all_their_values():
    with pytest.raises(UndefinedError, match="page"):
        render("facts")


def test_only_drawings_and_styles_are_left_as_they_are(partly):
    heading = reported(partly, title=markup("<b />"))
    assert "<h1><b /></h1>" in render_report(heading)
    assert "<h1>&lt;b /&gt;</h1>" in render_report(reported(partly, title="<b />"))
