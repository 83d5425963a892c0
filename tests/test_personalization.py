"""The personalization ledger: its cells come out again, and its people are nobody's twice."""

import json
from pathlib import Path

import numpy as np
import people
import personalization
import personalization_tables
import pytest

ROOT = Path(__file__).parents[1]
LEDGER = json.loads((ROOT / "bench" / "results" / "personalization.json").read_text())
needs_packs = pytest.mark.skipif(not people.DATA.is_dir(), reason="the data packs are not here")


@needs_packs
@pytest.mark.parametrize(
    "cell",
    [
        "words 00000003 head 5 0",
        "speakers theo head 5 1",
        "motion 18 kilograd-motion/person 10 0",
        "turned 20 last:6 20 2",
    ],
)
def test_a_cell_reproduces_to_the_digit(cell):
    task, person, scheme, shots, seed = cell.split(" ")
    found = personalization.personalise(task, person, scheme, int(shots), int(seed))
    assert found == LEDGER["cells"][cell]


@needs_packs
@pytest.mark.parametrize("task", personalization.TASKS)
def test_the_ledger_is_complete(task):
    wanted = {
        f"{task} {person} {scheme} {shots} {seed}"
        for person, scheme, shots, seed in personalization.cells(task)
    }
    assert wanted == {name for name in LEDGER["cells"] if name.startswith(f"{task} ")}


def test_the_summary_is_that_of_the_cells():
    assert personalization.summarize(LEDGER["cells"]) == LEDGER["summary"]


def test_every_scheme_was_measured_and_fits():
    wanted = {f"{t.model} {s}" for t in personalization.TASKS.values() for s in t.schemes}
    assert set(LEDGER["memory"]) == wanted
    for row in LEDGER["memory"].values():
        assert row["sram_total_bytes"] < 128 * 1024
        assert row["features"]["instructions"] > 0


@needs_packs
@pytest.mark.parametrize("task", personalization.TASKS)
@pytest.mark.parametrize("seed", personalization.SEEDS)
def test_nothing_is_trained_and_tested_on(task, seed):
    chosen = personalization.TASKS[task]
    everyone, class_names = personalization.load_people(task)
    for name in chosen.people or everyone:
        person = everyone[name]
        for shots in chosen.shots:
            train, test = chosen.split(person, shots, seed)
            assert not set(train) & set(test)
            counts = np.bincount(person.labels[train], minlength=len(class_names))
            assert (counts == shots).all()
            assert set(person.labels[test].tolist()) == set(range(len(class_names)))


def test_windows_that_overlap_are_on_one_side():
    person = people.Person(np.zeros((60, 1), np.int8), np.repeat(np.arange(3, dtype=np.int32), 20))
    train, test = people.halves_in_time(person, 99, 0)
    for label in range(3):
        rows = np.flatnonzero(person.labels == label)
        assert max(set(train) & set(rows)) + 1 < min(set(test) & set(rows))


def test_the_tables_show_what_there_is():
    text = personalization_tables.personalization(LEDGER)
    assert len(text.splitlines()) == 2 + sum(len(t.schemes) for t in personalization.TASKS.values())
    assert "–" in text  # ten recordings of each word are all there are
