"""The tables that people read are the ledger's."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tables():
    return runpy.run_path(str(ROOT / "bench" / "tables.py"))


def test_pages_agree_with_the_ledger(tables):
    assert tables["main"](["--check"]) == 0


def test_a_changed_figure_is_noticed(tables):
    ledgers = tables["read_ledgers"]()
    ledgers["foundation"]["memory"]["mcunet-5fps/49kb"]["sram_total_bytes"] += 1
    text = (ROOT / "README.md").read_text()
    assert tables["render"](text, ledgers) != text


def test_every_marked_table_is_known(tables):
    for page in tables["PAGES"]:
        for line in page.read_text().splitlines():
            if line.startswith("<!-- table: "):
                assert line.removeprefix("<!-- table: ").removesuffix(" -->") in tables["TABLES"]
