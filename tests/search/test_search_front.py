"""Fronts: larger schemes stand on them only where they learn more beyond doubt."""

from types import SimpleNamespace

import numpy as np
import pytest
from search_cases import random_contributions, small_dataset, small_graph

from kilograd.search import comparison, trials
from kilograd.search import runs as run_store
from kilograd.search.calibration import Budgets, Space, find_scheme
from kilograd.search.choice import Choice
from kilograd.search.cluster import Cluster
from kilograd.search.comparison import Comparison, compare, compare_in_rounds, joined
from kilograd.search.front import choose_front, settle_front
from kilograd.search.regression import Trial
from kilograd.search.runs import Outcome
from kilograd.search.scheme_file import Origin, scheme_text
from kilograd.search.search import Analyst
from kilograd.search.tasks import cross_validation, make_task
from kilograd.search.trials import Findings, Goal
from kilograd.targets import get_target

HERE = Cluster(workers=1)
SMALL, MIDDLE, LARGE = (Choice(tuple("abc"[:count])) for count in (1, 2, 3))


def compared(*reached, weights=None):
    """The schemes above, with what each reached in each run."""
    choices = (SMALL, MIDDLE, LARGE)
    count = len(reached[0])
    return Comparison(
        np.full(count, 1 / count) if weights is None else np.array(weights),
        {
            choice.key: [Outcome(one, 0.0, one) for one in several]
            for choice, several in zip(choices, reached, strict=False)
        },
    )


def test_a_lead_has_the_error_of_the_mean_of_paired_differences():
    found = compared((0.5, 0.7, 0.6, 0.8), (0.6, 0.7, 0.8, 0.9))
    differences = np.array([0.1, 0.0, 0.2, 0.1])
    lead, error = found.lead(MIDDLE, SMALL)
    assert lead == pytest.approx(differences.mean())
    assert error == pytest.approx(differences.std(ddof=1) / 2)
    assert found.lead(SMALL, MIDDLE) == (pytest.approx(-lead), pytest.approx(error))
    assert found.accuracy(MIDDLE) == found.reached(MIDDLE) == pytest.approx(0.75)


def test_one_run_leaves_any_doubt():
    assert compared((0.1,), (0.9,)).lead(MIDDLE, SMALL) == (pytest.approx(0.8), float("inf"))


def test_weights_of_runs_count_in_lead_and_error():
    found = compared((0.0, 0.0, 0.0), (0.3, 0.1, 0.1), weights=(0.5, 0.25, 0.25))
    lead, error = found.lead(MIDDLE, SMALL)
    assert lead == pytest.approx(0.2)
    squares = 0.5**2 * 0.1**2 + 2 * 0.25**2 * 0.1**2
    assert error == pytest.approx((squares * 3 / 2) ** 0.5)


@pytest.mark.parametrize(
    ("reached", "chosen"),
    [
        # Each leads in every run by about as much.
        (((0.50, 0.52), (0.60, 0.62), (0.70, 0.73)), [0, 1, 2]),
        # The largest leads here and loses there.
        (((0.50, 0.52), (0.60, 0.62), (0.90, 0.50)), [0, 1, 1]),
        # The middle is worse, the largest better than the smallest.
        (((0.50, 0.52), (0.40, 0.42), (0.60, 0.62)), [0, 0, 2]),
        # What was found for less is the best that is known for more.
        (((0.50, 0.52), (0.60, 0.62), (0.55, 0.57)), [0, 1, 1]),
        (((0.50, 0.52), (0.50, 0.52), (0.50, 0.52)), [0, 0, 0]),
    ],
)
def test_what_takes_more_stands_there_only_if_it_leads_beyond_doubt(reached, chosen):
    assert choose_front([SMALL, MIDDLE, LARGE], compared(*reached)) == chosen


def test_rounds_count_alike():
    first, second = compared((0.2, 0.4), (0.4, 0.4)), compared((0.6,), (0.8,))
    found = joined([first, second])
    assert found.weights.sum() == pytest.approx(1)
    assert found.reached(SMALL) == pytest.approx((0.3 + 0.6) / 2)
    assert found.lead(MIDDLE, SMALL)[0] == pytest.approx((0.1 + 0.2) / 2)


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    graph = small_graph(tmp_path_factory.mktemp("front"))
    return Space(graph, get_target("cortex-m7"), row_input=False, recompute=0.05)


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Outcomes by a formula, instead of real runs; lists what was asked for."""
    monkeypatch.setattr(run_store, "cache_directory", lambda: tmp_path)
    asked = []

    def install(reached):
        def make_runs(graph, choices, tasks, cluster, store, seed, progress):
            asked.append((list(choices), [task.name for task in tasks], seed, store.steps))
            progress(len(choices))
            return {
                choice.key: [Outcome(reached(choice, seed), 0.0, reached(choice, seed))]
                * len(tasks)
                for choice in choices
            }

        monkeypatch.setattr(comparison, "make_runs", make_runs)
        return asked

    return install


def validations(space, *names):
    return [cross_validation(small_dataset(space.graph, name=name)) for name in names]


def test_schemes_are_compared_with_seeds_that_trials_had_not(space, runs):
    asked, told = runs(lambda choice, seed: 0.1 * len(choice.biases)), []
    found = compare_in_rounds(
        space.graph,
        [SMALL, LARGE, SMALL],
        validations(space, "one", "two"),
        trials.ROUNDS,
        HERE,
        lambda *done: told.append(done),
    )
    assert [(choices, seed) for choices, _, seed, _ in asked] == [
        ([SMALL, LARGE], trials.ROUNDS),
        ([SMALL, LARGE], trials.ROUNDS + 1),
    ]
    assert {steps for *_, steps in asked} == {8000}
    assert told[-1] == (4, 4)
    assert len(found.weights) == 16
    assert found.lead(LARGE, SMALL)[0] == pytest.approx(0.2)


def test_one_large_data_set_judges_in_more_rounds(space, runs, monkeypatch):
    asked = runs(lambda choice, seed: 0.5)
    one = validations(space, "one")[0]
    single = SimpleNamespace(tasks=lambda number: one.tasks(number)[:1], classes=one.classes)
    found = compare_in_rounds(space.graph, [SMALL], [single], 3, HERE)
    assert len(found.weights) == len(asked) == 4
    assert len({tuple(names) for _, names, *_ in asked}) == 4


def test_data_sets_count_alike_in_a_comparison(space, runs):
    runs(lambda choice, seed: 0.5)
    one, two = validations(space, "one", "two")
    less = SimpleNamespace(tasks=lambda number: two.tasks(number)[:1])
    found = compare(space.graph, [SMALL], [one, less], 0, HERE, lambda _done: None)
    assert found.weights.tolist() == pytest.approx([1 / 8] * 4 + [1 / 2])


@pytest.fixture(scope="module")
def found(space):
    """The best by estimates, for two budgets."""
    gains = random_contributions(space.graph, 1)
    smallest = space.smallest[1].sram_total_bytes
    return [
        find_scheme(space, gains, Budgets(smallest + more), f"plus-{more}") for more in (600, 2000)
    ]


def test_a_scheme_for_less_keeps_the_name_and_the_budgets_of_the_goal(space, found):
    assert found[0].choice != found[1].choice
    outcomes = {one.choice.key: [Outcome(0.5, 0.0, 0.5)] * 3 for one in found}
    same = Comparison(np.full(3, 1 / 3), outcomes)
    less, more = settle_front(found, same)
    assert less == found[0]
    assert (more.choice, more.measurement) == (less.choice, less.measurement)
    assert (more.scheme.name, more.budgets) == ("plus-2000", found[1].budgets)
    assert more.scheme.weights == less.scheme.weights
    assert more.solution.gain < more.solution.bound
    task = make_task(small_dataset(space.graph, name="one"))
    origin = Origin("tiny", "held", random_contributions(space.graph, 1), [task])
    text = scheme_text(more, origin, same)
    assert "others of its front: 50.0% of held-back training samples right, in 3 runs" in text
    assert "front" not in scheme_text(more, origin)


@pytest.mark.parametrize(("gain", "stands"), [(0.0, 0), (0.1, 1)])
def test_what_was_found_is_compared(space, found, runs, monkeypatch, gain, stands):
    """Whatever trials said of it."""
    runs(lambda choice, seed: 0.5 + gain * (choice.key == found[1].choice.key))
    trial = Trial(found[1].choice, 0, 0.5)
    gains, told = random_contributions(space.graph, 1), []
    monkeypatch.setattr(Analyst, "find", lambda *_, **__: Findings(found, gains, [trial]))
    goals = [Goal(space, one.budgets, one.scheme.name) for one in found]
    findings = Analyst(cluster=HERE).find_front(
        goals,
        gains,
        validations(space, "one"),
        progress=lambda what, *done: told.append((what, *done)),
    )
    assert [one.choice for one in findings.schemes] == [found[0].choice, found[stands].choice]
    assert [one.scheme.name for one in findings.schemes] == ["plus-600", "plus-2000"]
    assert findings.trials == [trial]
    assert findings.comparison is not None
    assert findings.comparison.accuracy(found[0].choice) == 0.5
    assert told[-1] == ("runs that compare what was found", 4, 4)


def test_without_trials_nothing_is_compared(space, found, runs, monkeypatch):
    """As with Fisher's contributions, or where the head alone fits."""
    asked, gains = runs(lambda *_: 0.0), random_contributions(space.graph, 1)
    monkeypatch.setattr(Analyst, "find", lambda *_, **__: Findings(found, gains))
    goals = [Goal(space, one.budgets, one.scheme.name) for one in found]
    findings = Analyst("fisher").find_front(goals, gains, [])
    assert (findings.schemes, findings.comparison) == (found, None)
    assert not asked
