"""What is recorded of data packs is whole, small, and true of the packs that are here."""

import numpy as np
import pytest

from experiments import fetch_packs
from experiments.common.packs import PACKS
from experiments.common.paths import SHARED
from experiments.packs.compare import array_digest
from experiments.packs.recipes import RECORDED, Row, expand, listing_text, recipes
from experiments.packs.record import compact


def test_listings_are_compact():
    rows = [Row(0, 0, f"a/{k:03d}.jpg") for k in range(8, 12)] + [Row(0, 0, "a/12.jpg")]
    rows += [Row(1, 2, "b_9.png"), Row(1, 2, "b_10.png"), Row(1, 2, "no number")]
    lines = list(compact(rows))
    assert lines[0] == "0\t0\ta/{008..011}.jpg"
    assert "1\t2\tb_{9..10}.png" in lines
    assert list(expand("\n".join(lines))) == rows


def test_every_pack_that_is_used_has_a_recipe():
    used = {pack.file.removesuffix(".npz") for pack in PACKS.values()}
    used |= {"imagenette128", "arabic_kws10_mulaw8k", "fsdd_digits_mulaw8k", "uci_har_testsubjects"}
    assert used == set(recipes())


def test_short_names_are_those_of_the_tables():
    assert [recipe.name for recipe in fetch_packs.chosen(["flowers17", "flowers17_128.npz"])] == [
        "flowers17_128"
    ]


@pytest.mark.parametrize("name", recipes())
def test_records_are_whole(name):
    recipe = recipes()[name]
    recorded = recipe.recorded
    names = recorded.fixed["class_names"]
    text = listing_text(recorded.rows, names)
    assert array_digest(np.frombuffer(text.encode(), np.uint8)) == recorded.listing
    labels = np.array([row.label for row in recorded.rows], recorded.arrays["labels"]["dtype"])
    assert array_digest(labels) == recorded.arrays["labels"]["sha256"]
    assert recorded.prints is None or len(recorded.prints) == len(recorded.rows)
    assert all(recipe.locate(row.id)[0] in recipe.sources for row in recorded.rows[::100])


def test_records_are_small():
    assert sum(path.stat().st_size for path in RECORDED.iterdir()) < 200_000


@pytest.mark.parametrize("name", recipes())
def test_the_packs_that_were_measured_are_those_that_are_recorded(name, capsys):
    if not (SHARED / "data" / f"{name}.npz").is_file():
        pytest.skip("the data packs are not here")
    assert fetch_packs.main(["--check", name]) == 0
    assert capsys.readouterr().out == f"{name}: identical\n"
