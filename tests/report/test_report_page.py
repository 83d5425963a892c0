"""The page: its sections, its style, its tiles and facts, and what it needs."""

import re

from report_cases import BUDGET, compiled, measured, page, reported, texts, trained

from kilograd.report import render_report

#: Variables that elements define for themselves, or that are animated.
OF_ELEMENTS = {"--w", "--a", "--cell", "--least", "--most", "--fade-start", "--fade-end"}


def test_page_is_well_formed(program):
    text = render_report(reported(program))
    assert text.startswith("<!DOCTYPE html>")
    root = page(text)
    assert root.find("head/title").text == "Learning <on> a chip"
    tiles = ["Test accuracy", "SRAM", "Flash", "Instructions, emulated", "Training steps"]
    assert [h.text for h in root.iter("h2")] == [
        *tiles,
        "Memory over one training step",
        "Learning curve",
        "Confusion",
        "Samples",
        "What is trained",
        "Layers",
        "Facts",
    ]
    assert len(list(root.iter("svg"))) == 4


def test_page_needs_nothing_else(program):
    text = render_report(reported(program))
    assert "http" not in text
    assert "<script" not in text
    assert "@import" not in text
    assert not re.search(r"url\(", text)
    for attribute in re.findall(r"(?:src|href)=\"([^\"]*)", text):
        assert attribute.startswith("data:image/")
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert len(text.encode()) < 1_000_000


def test_every_class_has_a_style_or_needs_none(program):
    """Shapes in drawings are black unless their class has a style."""
    text = render_report(reported(program))
    style = text.partition("</style>")[0]
    for svg in page(text).iter("svg"):
        for node in svg.iter():
            if node.tag in {"rect", "path", "line", "circle"}:
                names = node.get("class").split()
                assert any(re.search(rf"\.{name}\b", style) for name in names), names


def test_style_variables_are_all_defined(program):
    style = render_report(reported(program)).partition("</style>")[0]
    light, _, rest = style.partition("@media screen and (prefers-color-scheme: dark)")
    dark = rest.partition("@media print")[0]
    used = set(re.findall(r"var\((--[\w-]+)\)", style)) - OF_ELEMENTS
    for part in (light, dark):
        assert used <= set(re.findall(r"(--[\w-]+):", part))


def test_is_deterministic(graph, program):
    again = compiled(graph, program.scheme)
    assert render_report(reported(program)) == render_report(reported(again))


def test_tiles(program):
    root = page(render_report(reported(program)))
    tiles = {
        div.find("h2").text: texts(div) for div in root.iter("div") if div.get("class") == "tile"
    }
    measurement, result = measured(program), trained()
    assert f"{100 * result.before.accuracy:.1f}% → {100 * result.after.accuracy:.1f}%" in re.sub(
        r"\s+", " ", tiles["Test accuracy"]
    ).replace("→  ", "→ ")
    assert f"{measurement.sram_total_bytes:,} bytes" in tiles["SRAM"]
    assert f"{100 * measurement.sram_total_bytes / BUDGET:.1f}% of 12\xa0KiB" in tiles["SRAM"]
    assert "21,000 bytes" in tiles["Flash"]
    assert "587.2\xa0k" in tiles["Instructions, emulated"]
    assert "105.0\xa0k" in tiles["Instructions, emulated"]
    assert "90" in tiles["Training steps"]


def test_without_measurement_and_result(program):
    text = render_report(
        reported(program, measurement=None, result=None, samples=(), sram_budget=None)
    )
    root = page(text)
    headings = [h.text for h in root.iter("h2")]
    assert "Learning curve" not in headings
    assert "Confusion" not in headings
    assert "Samples" not in headings
    tiles = [div for div in root.iter("div") if div.get("class") == "tile"]
    assert [tile.find("h2").text for tile in tiles] == ["SRAM", "MACs"]
    assert "bytes planned for the arena and the trained state" in text


def test_facts(program):
    root = page(render_report(reported(program)))
    names = [dt.text for dt in root.iter("dt")]
    assert names == ["seed", "rate", "compiler", "state SHA-256"]
    values = [dd.text for dd in root.iter("dd")]
    assert values == ["0", "<0.05>", "zig 0.17.1", trained().state_digest]


def test_over_the_budget(program):
    text = render_report(reported(program, sram_budget=100))
    assert 'class="meter over"' in text
    assert 'class="over"' in text
    assert ">free<" not in text
