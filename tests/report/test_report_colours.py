"""The colours of the page: who sees them apart, and how well texts stand out from them."""

import itertools
import re
from importlib.resources import files

import numpy as np
import pytest
from colour_math import DEFICIENCIES, blend, ciede2000, contrast, difference

KINDS = ("sample", "activation", "saved", "gradient", "mask", "rows", "scratch")

#: Colours that are told apart in one chart, its background and ink among them.
CHARTS = {
    "memory map": (*KINDS, "arena", "trained", "data", "ink", "peak", "card"),
    "what is saved": ("arena", "trained", "saving", "card"),
    "learning curve": ("accent", "trained", "soft", "card"),
    "network": ("trained", "frozen", "card", "tint"),
    "budget": ("accent", "bad", "grid"),
}
#: Backgrounds that differ by little on purpose; no chart tells them apart.
BACKGROUNDS = {"card", "tint", "grid"}

TEXTS = {
    "ink": ("page", "card", "tint", "grid"),
    "soft": ("page", "card", "tint", "grid"),
    "trained-ink": ("card", "tint"),
    "peak": ("card",),
    "bad": ("card",),
    **{f"on-{kind}": (kind,) for kind in KINDS},
}


def themes():
    """Colours by name for each theme, from the style sheet."""
    style = files("kilograd.report").joinpath("colours.css").read_text(encoding="utf-8")
    light, _, dark = style.partition("@media print")[0].partition("@media")
    return {"light": colours(light), "dark": colours(dark)}


def colours(style):
    found = {
        name: np.array([int(digits[at : at + 2], 16) for at in (0, 2, 4)]) / 255
        for name, digits in re.findall(r"--([\w-]+): #([0-9a-f]{6});", style)
    }
    triplets = re.findall(r"--([\w-]+)-rgb: (\d+), (\d+), (\d+);", style)
    return found | {f"{name}-rgb": np.array(list(map(int, rgb))) / 255 for name, *rgb in triplets}


THEMES = themes()


def smallest(theme, deficiency):
    """The smallest difference in any chart, and the pair that has it."""
    known = THEMES[theme]
    return min(
        (difference(known[a], known[b], deficiency), a, b)
        for chart in CHARTS.values()
        for a, b in itertools.combinations(chart, 2)
        if not {a, b} <= BACKGROUNDS
    )


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("theme", THEMES)
def test_colours_of_a_chart_are_told_apart(theme, deficiency):
    found, one, other = smallest(theme, deficiency)
    assert found >= 10, f"{one} and {other}"


@pytest.mark.parametrize("theme", THEMES)
def test_texts_stand_out(theme):
    known = THEMES[theme]
    for text, backgrounds in TEXTS.items():
        for background in backgrounds:
            found = contrast(known[text], known[background])
            assert found >= 4.5, f"{text} on {background}: {found:.2f}"


@pytest.mark.parametrize("theme", THEMES)
def test_figures_stand_out_from_the_cells_of_a_matrix(theme):
    known = THEMES[theme]
    for kind, share in itertools.product(("right", "wrong"), np.linspace(0, 1, 21)):
        cell = blend(known[f"{kind}-rgb"], share, known["card"])
        assert contrast(known["ink"], cell) >= 4.5
    bar = blend(known["accent-rgb"], 0.17, known["card"])
    assert contrast(known["soft"], bar) >= 4.5
    assert contrast(known["soft"], blend(known["arena"], 0.13, known["card"])) >= 4.5


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("theme", THEMES)
def test_right_and_wrong_are_told_apart(theme, deficiency):
    known = THEMES[theme]
    assert difference(known["right-rgb"], known["wrong-rgb"], deficiency) >= 10


def test_texts_are_large_enough():
    style = files("kilograd.report").joinpath("report.css").read_text(encoding="utf-8")
    screen = style.partition("@media print")[0]
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: ([\d.]+)px", screen)]
    assert len(sizes) > 20
    assert min(sizes) >= 10


def test_published_differences():
    """Three pairs of the test data of Sharma, Wu and Dalal."""
    assert ciede2000((50, 2.6772, -79.7751), (50, 0, -82.7485)) == pytest.approx(2.0425, abs=1e-4)
    assert ciede2000((50, 2.5, 0), (73, 25, -18)) == pytest.approx(27.1492, abs=1e-4)
    one, other = (2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514)
    assert ciede2000(one, other) == pytest.approx(0.9082, abs=1e-4)
