"""The tables and pictures that people read are the ledgers', and the ledgers can be right."""

import json
from copy import deepcopy

import pytest

from experiments import (
    accuracy,
    foundation,
    importing,
    memory,
    online,
    personalization,
    tables,
)
from experiments.common.charts import figures, figures_in, svg


def test_pages_pictures_and_ledgers_agree():
    assert tables.main(["--check"]) == 0


@pytest.fixture
def ledgers():
    return deepcopy(tables.read_ledgers())


def change(row, name, by):
    row[name] += by


#: What is changed in the ledgers -> how, and what the check says then.
WRONG = {
    "a table": (
        lambda all_: change(
            all_[foundation.LEDGER]["memory"]["mcunet-5fps/49kb"], "sram_total_bytes", 1
        ),
        "README.md: stale",
    ),
    "a file changed by hand": (
        lambda all_: change(all_[online.LEDGER]["curves"]["cifar10 | head | plain"], 0, 0.1),
        "experiments/online/results.json: is not as it was written",
    ),
    "a curve": (
        lambda all_: change(
            all_[online.LEDGER]["curves"]["cifar10 | mcunet-5fps/99kb | noise:40"], 9, 0.1
        ),
        "docs/stream.svg: stale",
    ),
    "a sum": (
        lambda all_: change(
            all_[memory.LEDGER]["sram"]["mcunet-5fps | 49kb | held | 10"], "stack", 4
        ),
        "mcunet-5fps | 49kb | held | 10: the parts of its SRAM do not add up",
    ),
    "a row that is gone": (
        lambda all_: all_[memory.LEDGER]["sram"].popitem(),
        "sram: the rows are not those of the table",
    ),
    "a run that diverged": (
        lambda all_: change(
            all_[online.LEDGER]["runs"]["flowers5 | head | plain | seed 0"], "divergences", 1
        ),
        "flowers5 | head | plain | seed 0: diverged",
    ),
    "bytes that differ": (
        lambda all_: change(
            all_[importing.LEDGER]["converted"]["keras | DenseNet121"], "different", 3
        ),
        "keras | DenseNet121: 3 of 14482452 bytes differ",
    ),
    "a person who is gone": (
        lambda all_: all_[personalization.LEDGER]["cells"].pop("motion 18 head 5 0"),
        "motion: cells are missing, or there are others",
    ),
    "a cell made otherwise": (
        lambda all_: next(iter(all_[accuracy.LEDGER]["cells"].values())).update(recipe="another"),
        "the table has no such cell, or its samples are used otherwise now",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told(ledgers, what):
    spoil, told = WRONG[what]
    spoil(ledgers)
    found = list(tables.complaints(ledgers))
    assert any(told in complaint for complaint in found), found


def test_a_page_cannot_name_a_table_that_is_not_there(ledgers):
    with pytest.raises(SystemExit, match="there is no table 'srams'; known: ablation, "):
        tables.render("<!-- table: srams -->\n<!-- end -->", ledgers)


@pytest.mark.parametrize("chart", tables.CHARTS, ids=lambda chart: chart.path.name)
def test_a_picture_is_drawn_from_its_figures_alone(chart, ledgers):
    """The same text twice, so that a picture changes in the repository only with its ledger."""
    ledger = ledgers[chart.ledger]
    text = svg(chart, ledger)
    assert text == svg(chart, ledger)
    assert figures_in(text) == figures(chart, ledger) == json.loads(json.dumps(chart.shown(ledger)))
    assert chart.title in text


def test_every_table_says_which_command_makes_it():
    text = (tables.DOCS / "accuracy.md").read_text(encoding="utf-8")
    assert "\n\nMade by `python -m experiments.accuracy.run`.\n<!-- end -->" in text
    assert "Frozen in `experiments/ablation/results.json`; no command makes it again." in text
    page = (tables.DOCS / "reproducing.md").read_text(encoding="utf-8")
    for path in (tables.ROOT / "experiments").glob("*/run.py"):
        assert f"`python -m experiments.{path.parent.name}.run" in page
