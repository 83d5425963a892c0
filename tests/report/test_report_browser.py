"""The page in a real browser: on a phone and on a desk, in the light and in the dark."""

import importlib
import os
import shutil
from pathlib import Path

import pytest
from report_cases import TARGET, compiled, detected, estimated, reported, streamed, trained
from test_report_search import searched

from kilograd.measuring.ablation import steps
from kilograd.report import render_report

pytestmark = pytest.mark.browser

CHECKS = Path(__file__).with_name("page_checks.js").read_text(encoding="utf-8")
IS_NEEDED = os.environ.get("CI") == "true"
SIZES = {"phone": (400, 800), "desk": (1200, 900)}
LONG = "american_pit_bull_terrier"


def needed(module):
    """Import a module; the test skips without it, except in continuous integration."""
    return importlib.import_module(module) if IS_NEEDED else pytest.importorskip(module)


@pytest.fixture(scope="module")
def browser():
    """Chromium; the tests skip without it, except in continuous integration."""
    playwright_api = needed("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        assert not IS_NEEDED, "Chromium is missing"
        pytest.skip("Chromium is missing")
    with playwright_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(graph, partly):
    """Pages by what they show."""
    optimizations = steps(graph, partly.scheme, TARGET, row_input=False)
    many = (*(f"class {k}" for k in range(19)), LONG)
    names = ("cat", "lily of the valley", LONG)
    reports = {
        "run": reported(partly, optimizations=optimizations),
        "over the budget": reported(partly, sram_budget=1000, result=None),
        "20 classes": reported(partly, result=trained(20), class_names=many),
        "2 classes": reported(partly, result=trained(2), class_names=("no", "yes")),
        "25 classes": reported(partly, result=trained(25), class_names=[*many, *many[:5]]),
        "stream": reported(partly, result=streamed(name=LONG), class_names=names),
        "late change": reported(partly, result=streamed(80, name=LONG), class_names=names),
        "search": reported(partly, search=searched()),
        "values": reported(partly, result=estimated(), class_names=("hours left",)),
        "anomalies": reported(partly, result=detected(), class_names=(LONG, *many[:9])),
        "everything": reported(partly, search=searched(), result=streamed()),
    }
    return {name: render_report(report) for name, report in reports.items()}


@pytest.fixture
def opened(browser, pages, request):
    """The page that the test's parameters tell."""
    name, size, theme = request.param
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
    page.set_content(pages[name])
    yield page
    page.close()


def every(*names):
    """All sizes and themes of these pages."""
    return [(name, size, theme) for name in names for size in SIZES for theme in ("light", "dark")]


@pytest.mark.parametrize(
    "opened",
    [
        *every("run", "20 classes", "stream", "values"),
        *(
            (name, size, "light")
            for name in ("over the budget", "2 classes", "25 classes", "late change", "search")
            for size in SIZES
        ),
    ],
    indirect=True,
    ids=" ".join,
)
def test_nothing_is_cut_or_broken_or_overlaps(opened):
    assert opened.evaluate(CHECKS) == []


@pytest.mark.parametrize(
    "opened",
    [
        pytest.param(page, marks=[] if page[1] == "phone" else pytest.mark.thorough)
        for page in every("run", "20 classes", "everything")
    ],
    indirect=True,
    ids=" ".join,
)
def test_accessibility(opened):
    axe = needed("axe_core_python.sync_playwright")
    found = axe.Axe().run(opened)["violations"]
    assert [
        (rule["id"], [node["html"][:100] for node in rule["nodes"][:3]]) for rule in found
    ] == []


@pytest.mark.parametrize("scheme", ["full", "last:3", "bias:4", "head"])
def test_labels_of_every_scheme(browser, graph, scheme):
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_content(render_report(reported(compiled(graph, scheme))))
    assert page.evaluate(CHECKS) == []
    page.close()
