"""The sections about a search: what each layer gains, the front, and its table."""

from dataclasses import replace

from report_cases import page, reported, section

from kilograd.report import render_report
from kilograd.report.searched import InCompany, Point, Searched, Worth

LAYERS = ("stem", "<b>", "dw", "project")
GAINS, FRONT = "What each layer is worth", "The best scheme for each budget"


def point(name, size, gain):
    return Point(name, size + 100, size, 500_000, 20_000, gain, gain, 2, 1)


def searched(*, is_last_known=True, points=2):
    layers = tuple(
        Worth(
            layer,
            0.4 - 0.1 * place if is_last_known else None,
            0.05 * place,
            {0.25: 0.02 * place, 1.0: -0.01},
            is_bias_chosen=place > 1,
            chosen_share=0.25 if layer == "<b>" else 0.0,
        )
        for place, layer in enumerate(LAYERS)
    )
    found = (point("8KB", 8000, 0.2), point("12KB", 12_000, 0.3))
    return Searched(
        "probability of the right class", ("petals & leaves",), "measured", layers, found[-points:]
    )


def bars(node):
    """Bars of gains: title -> class."""
    return {rect.find("title").text: rect.get("class") for rect in node.iter("rect")}


def test_what_was_chosen_stands_out(partly):
    found = section(reported(partly, search=searched()), GAINS)
    drawn = bars(found)
    chosen = {title for title, css in drawn.items() if css == "w-trained"}
    assert chosen == {
        "dw: bias: 0.1000",
        "project: bias: 0.1500",
        "<b>: 0.25 of its weights: 0.0200",
    }
    assert len(drawn) == 3 * len(LAYERS)
    texts = [text.text for text in found.iter("text")]
    assert {"biases of all layers from this one on", "own bias", *LAYERS} <= set(texts)
    assert "petals & leaves" in found.find("p").text


def test_bars_are_as_long_as_gains(partly):
    found = section(reported(partly, search=searched()), GAINS)
    heights = {rect.find("title").text: float(rect.get("height")) for rect in found.iter("rect")}
    assert heights["project: bias: 0.1500"] > 2.9 * heights["<b>: bias: 0.0500"]


def test_biases_of_the_last_layers_are_left_out_where_they_are_not_known(partly):
    found = section(reported(partly, search=searched(is_last_known=False)), GAINS)
    texts = [text.text for text in found.iter("text")]
    assert "own bias" in texts
    assert "biases of all layers from this one on" not in texts


def test_front_shows_every_scheme(partly):
    found = section(reported(partly, search=searched()), FRONT)
    assert len(list(found.iter("circle"))) == 2
    rows = [[cell.text for cell in row] for row in found.find(".//tbody")]
    assert rows[0][:3] == ["8KB", "8,100", "8,000"]
    assert rows[1][-2:] == ["0.30000", "0.30000"]


def test_a_front_that_was_compared_says_how_each_scheme_did(partly):
    plain = searched()
    right = (0.8123, 0.8456)
    points = tuple(replace(one, accuracy=a) for one, a in zip(plain.points, right, strict=True))
    found = section(reported(partly, search=replace(plain, points=points)), FRONT)
    titles = [cell.text for cell in found.find(".//thead")[0]]
    rows = [[cell.text for cell in row] for row in found.find(".//tbody")]
    assert titles[-1] == "accuracy, held back"
    assert [row[-1] for row in rows] == ["81.2%", "84.6%"]
    assert all(len(row) == len(titles) for row in rows)
    assert "leads by two standard errors" in found.find("p").text
    alone = section(reported(partly, search=plain), FRONT)
    assert "standard errors" not in alone.find("p").text
    assert len(alone.find(".//thead")[0]) == len(titles) - 1


def test_one_scheme_is_no_front(partly):
    found = section(reported(partly, search=searched(points=1)), "The best scheme for the budget")
    assert not list(found.iter("svg"))
    assert len(list(found.find(".//tbody"))) == 1


def test_gains_of_nothing_are_drawn_too(partly):
    nothing = searched(points=1)
    layers = tuple(
        replace(layer, last=0.0, bias=0.0, weights={1.0: 0.0}) for layer in nothing.layers
    )
    points = tuple(replace(one, gain=0.0, bound=0.0) for one in nothing.points)
    text = render_report(reported(partly, search=replace(nothing, layers=layers, points=points)))
    assert page(text) is not None
    assert "nan" not in text


def test_gains_in_company_have_bars_of_their_own(partly):
    several = InCompany("accuracy & more", 24, (0.0, 0.01, 0.02, 0.03), (0.04, 0.05, 0.06, 0.07))
    found = replace(searched(), in_company=several)
    drawn = section(reported(partly, search=found), GAINS)
    bars_in_company = {title: css for title, css in bars(drawn).items() if "in company" in title}
    assert len(bars_in_company) == 2 * len(LAYERS)
    assert bars_in_company["dw: bias, in company: 0.0200"] == "w-trained"
    assert bars_in_company["dw: all of its weights, in company: 0.0600"] == "w-frozen"
    assert bars_in_company["<b>: all of its weights, in company: 0.0500"] == "w-trained"
    said = drawn.find("p").text
    assert "as accuracy & more, follows from 24 trials of whole schemes" in said
    front = section(reported(partly, search=found), FRONT)
    assert "in company of others" in front.find("p").text
    alone = section(reported(partly, search=searched()), FRONT)
    assert "as if they did not depend on each other" in alone.find("p").text
