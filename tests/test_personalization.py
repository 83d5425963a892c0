"""The personalization ledger: its cells come out again, and its people are nobody's twice."""

import json

import numpy as np
import pytest

from experiments import personalization as topic
from experiments.common.paths import SHARED
from experiments.personalization import people, tables
from experiments.personalization import run as personalization

LEDGER = json.loads(topic.LEDGER.read_text())
needs_packs = pytest.mark.skipif(not SHARED.is_dir(), reason="the data packs are not here")


@pytest.mark.thorough
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


@pytest.mark.thorough
@needs_packs
@pytest.mark.parametrize("task", personalization.TASKS)
@pytest.mark.parametrize("seed", personalization.SEEDS)
def test_nothing_is_trained_and_tested_on(task, seed):
    chosen = personalization.TASKS[task]
    everyone, class_names = personalization.load_people(task)
    people_met = chosen.people or everyone
    assert set(people_met) == {
        name.split(" ")[1] for name in LEDGER["cells"] if name.startswith(f"{task} ")
    }
    for name in people_met:
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


def test_the_table_shows_what_there_is():
    cells = {
        f"words {person} head {shots} 0": {"before": 0.5, "after": after}
        for person, shots, after in (("a", 1, 0.7), ("b", 1, 0.9), ("a", 5, 0.8), ("b", 5, 1.0))
    }
    text = tables.personalization({"summary": personalization.summarize(cells)})
    means = "50.0 ± 0.0 | 80.0 ± 10.0 | 90.0 ± 10.0 | – | –"
    assert text.splitlines()[2:] == [f"| ten words, pretrained | head | 2 | {means} | 50 → 80 |"]
