"""The ledger of searched schemes: what is wrong with it is told, what is missing is not shown."""

from types import SimpleNamespace

import numpy as np
import pytest

from experiments.common.packs import PACKS
from experiments.search import check, earlier, tables, wanted
from experiments.search.bound import for_each_pack
from experiments.search.contributions import as_row, from_row
from experiments.search.front import standing
from kilograd.search.choice import Choice
from kilograd.search.comparison import Comparison
from kilograd.search.contributions import Contributions
from kilograd.search.runs import Outcome

AS_49KB = next(one for one in wanted.wanted() if one.key == "mcunet-5fps | as-49kb")


def accuracies(one, digest, accuracy):
    row = {"accuracy": accuracy, "scheme": digest}
    return {f"{one.key} | {data} | seed {seed}": row for data in PACKS for seed in wanted.SEEDS}


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """A whole ledger of one scheme, with its file."""
    monkeypatch.setattr(wanted, "FOLDER", tmp_path)
    AS_49KB.path.parent.mkdir()
    AS_49KB.path.write_text('[bias]\nlayers = ["a", "head"]\n[weights]\nhead = 1.0\n')
    digest = wanted.digest_of(["a", "head"], {"head": 1.0})
    scheme = {
        "budget": 78_576,
        "sram_total_bytes": 77_000,
        "gain": 0.1,
        "bound": 0.1,
        "digest": digest,
        "biases": 1,
        "weights": "",
    }
    return {
        "schemes": {AS_49KB.key: scheme},
        "accuracy": accuracies(AS_49KB, digest, 0.82),
        "solvers": {"m": {"exact": 1.0, "evolution": [0.5, 0.995]}},
    }


def test_a_whole_ledger_has_nothing_wrong(ledger):
    assert not list(check.complaints(ledger))


@pytest.mark.parametrize(
    ("part", "change", "complaint"),
    [
        ("schemes", {"sram_total_bytes": 78_577}, "takes more than its budget"),
        ("schemes", {"gain": 0.2}, "gains more than is possible"),
        ("schemes", {"digest": "other"}, "is not what its file says"),
        ("accuracy", {"scheme": "other"}, "was run with another scheme"),
        ("solvers", {"evolution": [0.98]}, "evolution found 0.9800, the exact solution is 1.0000"),
        ("solvers", {"evolution": [1.01]}, "evolution found 1.0100, the exact solution is 1.0000"),
    ],
)
def test_what_is_wrong_is_told(ledger, part, change, complaint):
    key = next(iter(ledger[part]))
    ledger[part][key] = {**ledger[part][key], **change}
    assert complaint in "; ".join(check.complaints(ledger))


def with_front(ledger, stands, accuracy):
    """Schemes of a front; what stands for each budget, and what each reaches."""
    rows = {str(size): {"digest": "x", "stands": place} for size, place in stands.items()}
    ledger["front"] = {"schemes": rows}
    for size in stands:
        ledger["schemes"][wanted.streamed(size).key] = {"digest": "x"}
    for size, reached in accuracy.items():
        ledger["accuracy"].update(accuracies(wanted.streamed(size), "x", reached))


@pytest.fixture
def of_files(monkeypatch):
    """Of schemes, only their place on the front is looked at."""
    monkeypatch.setattr(check, "_scheme", lambda one, found: ())


@pytest.mark.usefixtures("of_files")
def test_a_front_that_falls_is_told(ledger):
    with_front(ledger, {64: 64, 96: 96}, {64: 0.8, 96: 0.7})
    assert "front: 96 KB learns less than the budget below it" in list(check.complaints(ledger))


@pytest.mark.usefixtures("of_files")
def test_what_does_not_stand_on_the_front_may_learn_less(ledger):
    with_front(ledger, {64: 64, 96: 64, 128: 128}, {64: 0.8, 96: 0.7, 128: 0.85})
    assert not list(check.complaints(ledger))
    assert list(standing(ledger).values()) == [[64, 96], [128]]


@pytest.mark.usefixtures("of_files")
def test_a_front_of_schemes_that_are_no_more_is_told(ledger):
    with_front(ledger, {64: 64}, {})
    ledger["front"]["schemes"]["64"]["digest"] = "other"
    assert list(check.complaints(ledger)) == ["front: 64 KB was compared with another scheme"]


def test_a_scheme_stands_beside_the_published_one(ledger):
    (pair,) = tables.pairs(ledger)
    assert (pair.name, pair.sram_found, pair.found) == ("49kb", 77_000, pytest.approx(82.0))
    row = tables.published(ledger).splitlines()[-1]
    assert "| mcunet-5fps/49kb |" in row
    assert f"+{pair.found - pair.published:.2f}" in row
    ledger["accuracy"].popitem()
    assert not list(tables.pairs(ledger))


def test_contributions_come_back_in_forward_order():

    found = Contributions("measured", "u", {"b": 0.5, "a": 0.25}, {"b": {1.0: 0.1}, "a": {}}, {})
    row = as_row(found)
    sorted_row = {**row, "biases": dict(sorted(row["biases"].items()))}
    assert from_row(sorted_row) == found
    assert list(from_row(sorted_row).biases) == ["b", "a"]


def test_of_two_searches_the_better_scheme_stays(ledger, monkeypatch):
    """By what each reaches on held-back samples; equal schemes are not compared."""
    found = {name: Choice((name,)) for name in "abc"}
    before = {"a": Choice(("x",)), "b": Choice(("y",)), "c": found["c"]}
    reached = {"x": 0.8, "a": 0.7, "y": 0.5, "b": 0.6}
    asked = []

    def compare(_graph, choices, *_):
        asked.extend(choices)
        outcomes = {
            one.key: [Outcome(reached[one.biases[0]], 0.0, reached[one.biases[0]])] * 2
            for one in choices
        }
        return Comparison(np.full(2, 0.5), outcomes)

    monkeypatch.setattr(earlier, "compare_in_rounds", compare)
    graph = SimpleNamespace(name="net")
    assert earlier.that_stay(ledger, found, before, graph, []) == {"a"}
    assert found["c"] not in asked
    assert len(asked) == 4
    assert ledger["rivals"]["a"] == {"earlier": 0.8, "found": 0.7, "lead": -0.1, "error": 0.0}
    assert not earlier.that_stay(ledger, found, {"c": found["c"]}, graph, [])


def test_a_choice_for_each_pack_is_judged_by_a_seed_that_did_not_choose():
    published = np.zeros((2, 3))
    steady = np.array([[1.0, 1, 1], [0, 0, 0]])
    lucky = np.array([[9.0, 0, 0], [0, 0, 3]])  # each by one seed alone
    assert for_each_pack(np.stack([published, steady]), published) == 0.5
    # Chosen for the lucky seed, judged by another; or by the lucky one where others choose.
    found = for_each_pack(np.stack([published, steady, lucky]), published)
    assert found == pytest.approx(np.mean([1, 0, 0, 0, 0, 0]))
