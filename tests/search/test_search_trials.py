"""Trials of whole schemes: which are made, and what is learned from them."""

from dataclasses import replace

import pytest
import tomli
from search_cases import random_contributions, small_dataset, small_graph

from kilograd.errors import BudgetError
from kilograd.search import comparison, tasks, trials
from kilograd.search import runs as run_store
from kilograd.search.calibration import Budgets, Found, Space, find_scheme
from kilograd.search.choice import Choice
from kilograd.search.cluster import Cluster
from kilograd.search.regression import Trial
from kilograd.search.runs import Outcome
from kilograd.search.scheme_file import Origin, scheme_text
from kilograd.search.search import Analyst
from kilograd.search.solve import Limits, solve
from kilograd.search.tasks import cross_validation, make_task
from kilograd.search.trials import Goal, find_by_trials
from kilograd.targets import get_target

M7 = get_target("cortex-m7")
HERE = Cluster(workers=1)


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    graph = small_graph(tmp_path_factory.mktemp("trials"))
    found = Space(graph, M7, row_input=False, recompute=0.05)
    found.prepare()
    return found


@pytest.fixture(scope="module")
def gains(space):
    return random_contributions(space.graph, 1)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(trials, "ROUNDS", 2)
    monkeypatch.setattr(trials, "TRIALS", 4)


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Outcomes by a formula, instead of real runs; lists what was asked for."""
    monkeypatch.setattr(run_store, "cache_directory", lambda: tmp_path)
    asked = []

    def install(calibrated, accuracy=lambda _choice: 0.0):
        def make_runs(graph, choices, tasks, cluster, store, seed, progress):
            asked.append((list(choices), [task.name for task in tasks], seed))
            progress(len(choices))
            return {
                choice.key: [Outcome(accuracy(choice), 0.0, calibrated(choice, t)) for t in tasks]
                for choice in choices
            }

        monkeypatch.setattr(comparison, "make_runs", make_runs)
        return asked

    return install


@pytest.fixture
def estimated(monkeypatch):
    """Schemes by the solver alone: nothing is compiled, estimates stand for measurements."""

    def find_scheme(space, gains, budgets, name):
        head, taken = Choice(), space.smallest[1]
        added = taken.sram_total_bytes - space.estimated(head)
        limits = Limits(budgets.sram - added)
        solution = solve(space.costs, gains.smoothed(), limits)
        chosen = solution.choice
        measured = replace(taken, sram_total_bytes=space.estimated(chosen) + added)
        return Found(
            chosen.scheme(name, space.head), chosen, budgets, measured, solution, limits, 1
        )

    monkeypatch.setattr(trials, "find_scheme", find_scheme)


def smallest(space):
    return space.smallest[1].sram_total_bytes


def goals_for(space, *extra):
    return [Goal(space, Budgets(smallest(space) + more), f"plus-{more}") for more in extra]


def find(space, gains, goals, sets=("one",), **options):
    validations = [cross_validation(small_dataset(space.graph, name=name)) for name in sets]
    return find_by_trials(space.graph, goals, gains, validations, HERE, **options).schemes


@pytest.mark.usefixtures("estimated")
def test_a_part_that_gains_alone_but_not_in_company_is_left_out(space, gains, runs):
    """Of two single gains alike, the solver alone would take what takes less memory."""
    goal = goals_for(space, 1200)[0]
    favoured = trials.find_scheme(space, gains, goal.budgets, goal.name).choice
    useless = max(favoured.weights, key=lambda layer: max(gains.weights[layer].values()))

    def reached(choice, _task):
        gained = 0.01 * gains.total(choice.biases, choice.weights)
        return 0.5 + gained - 0.02 * (choice.weights.get(useless, 0.0) ** 0.5)

    asked = runs(reached)
    (found,) = find(space, gains, [goal])
    tried = [choice for choices, *_ in asked for choice in choices]
    assert any(useless in choice.weights for choice in tried)
    assert useless not in found.choice.weights
    assert reached(found.choice, None) >= max(reached(choice, None) for choice in tried) - 1e-3


@pytest.mark.usefixtures("few", "estimated")
def test_every_round_has_other_folds_and_another_seed(space, gains, runs):
    asked, told = runs(lambda choice, _task: 0.01 * len(choice.biases)), []
    goals = goals_for(space, 600, 1500)
    found = find(space, gains, goals, ("one", "two"), progress=lambda *done: told.append(done))
    folds = [[f"{name}, fold {fold}" for name in ("one", "two") for fold in (1, 2, 3, 4)]]
    folds += [[f"{name}, fold {fold}" for name in ("one", "two") for fold in (2, 3, 4, 1)]]
    assert [(names, seed) for _, names, seed in asked] == [(folds[0], 0), (folds[1], 1)]
    assert told[-1] == (8, 8)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    for goal, one in zip(goals, found, strict=True):
        assert (one.scheme.name, one.budgets) == (goal.name, goal.budgets)
        assert goal.budgets.allow(one.measurement)
        assert one.scheme == one.choice.scheme(goal.name, space.head)
        assert one.solution.choice == one.choice
    assert found[0].solution.gain <= found[1].solution.gain


@pytest.mark.usefixtures("few", "estimated")
def test_what_was_found_for_less_may_be_the_best_for_more(space, gains, runs, monkeypatch):
    """As where the solver's choice for more does not fit when it is compiled."""
    runs(lambda choice, _task: 0.5 + 0.01 * gains.total(choice.biases, choice.weights))
    small, large = goals_for(space, 600, 1500)
    solved = trials.find_scheme

    def stuck(space, gains, budgets, name):
        fits = Budgets(smallest(space)) if budgets == large.budgets else budgets
        return solved(space, gains, fits, name)

    monkeypatch.setattr(trials, "find_scheme", stuck)
    less, more = find(space, gains, [small, large])
    assert less.choice != Choice()
    assert more.choice == less.choice
    assert (more.scheme.name, more.budgets) == (large.name, large.budgets)
    assert (less.scheme.name, less.budgets) == (small.name, small.budgets)
    assert more.measurement == less.measurement


@pytest.mark.usefixtures("few", "estimated")
def test_data_sets_count_alike_however_many_folds_judge(space, gains, runs, monkeypatch):
    """Of large sets one fold judges, of small ones several."""
    monkeypatch.setattr(tasks, "MOST_VALIDATION", 20)
    validations = [
        cross_validation(small_dataset(space.graph, size, name=name))
        for name, size in {"small": 32, "large": 128}.items()
    ]
    assert [len(one.tasks(0)) for one in validations] == [3, 1]
    worth = {"small": 0.2, "large": 0.6}
    runs(lambda _choice, task: worth[task.name.split(",")[0]], lambda _choice: 0.5)
    tried = find_by_trials(space.graph, goals_for(space, 900), gains, validations, HERE).trials
    assert tried
    # Half the accuracy of 0.5, and half the mean probability of 0.4.
    assert all(one.reached == pytest.approx(0.45) for one in tried)


def test_every_fold_is_held_back_once(space):
    dataset = small_dataset(space.graph)
    hidden = replace(dataset, test=None)
    parts = cross_validation(hidden).tasks(0)
    rows = [sample.tobytes() for part in parts for sample in part.validation.inputs]
    assert sorted(rows) == sorted(sample.tobytes() for sample in dataset.train.inputs)
    for part in parts:
        learned = {sample.tobytes() for sample in part.fit.inputs}
        assert len(part.fit) + len(part.validation) == len(dataset.train)
        assert not learned.intersection(sample.tobytes() for sample in part.validation.inputs)


def test_where_the_head_alone_fits_there_is_nothing_to_try(space, gains, runs):
    asked = runs(lambda *_: 0.0)
    (found,) = find(space, gains, [Goal(space, Budgets(smallest(space)), "x")])
    assert found.choice == Choice()
    assert not asked
    with pytest.raises(BudgetError, match="the smallest possible plan takes"):
        find(space, gains, [Goal(space, Budgets(smallest(space) - 1), "x")])


@pytest.mark.usefixtures("few", "estimated")
def test_the_seed_decides_what_is_tried(space, gains, runs):
    asked = runs(lambda choice, _task: 0.01 * len(choice.weights))
    for seed in (0, 0, 1):
        find(space, gains, goals_for(space, 1200), seed=seed)
    tried = [[choice.key for choice in choices] for choices, *_ in asked]
    assert tried[:2] == tried[2:4] != tried[4:]


@pytest.mark.usefixtures("few", "estimated")
def test_further_trials_know_of_earlier_ones(space, gains, runs):
    """They have seeds of their own, and a part that cost much before is left out at once."""
    goal = goals_for(space, 1200)[0]
    favoured = trials.find_scheme(space, gains, goal.budgets, goal.name).choice
    useless = max(favoured.weights, key=lambda layer: max(gains.weights[layer].values()))

    def reached(choice, _task):
        return 0.5 - 0.05 * (choice.weights.get(useless, 0.0) ** 0.5)

    known = [
        Trial(choice, number, reached(choice, None))
        for number in range(6)
        for choice in (favoured, Choice(favoured.biases), Choice())
    ]
    asked = runs(reached)
    validations = [cross_validation(small_dataset(space.graph, name="one"))]
    findings = find_by_trials(space.graph, [goal], gains, validations, HERE, earlier=known)
    assert [seed for *_, seed in asked] == [6, 7]
    assert [*findings.trials[: len(known)]] == known
    assert {trial.round for trial in findings.trials[len(known) :]} == {6, 7}
    assert useless not in findings.schemes[0].choice.weights


@pytest.mark.usefixtures("estimated")
def test_trials_that_were_made_are_not_made_again(space, gains, monkeypatch, tmp_path):
    """Real runs: the second search takes all of them from the cache, and finds the same."""
    monkeypatch.setattr(run_store, "cache_directory", lambda: tmp_path)
    monkeypatch.setattr(trials, "ROUNDS", 2)
    monkeypatch.setattr(trials, "TRIALS", 2)
    monkeypatch.setattr(comparison, "_STEPS", 60)
    first = find(space, gains, goals_for(space, 1200))
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "search").rglob("*.json")}
    assert kept
    assert [one.choice for one in find(space, gains, goals_for(space, 1200))] == [
        one.choice for one in first
    ]
    assert kept == {p: p.stat().st_mtime_ns for p in (tmp_path / "search").rglob("*.json")}


@pytest.mark.thorough
def test_fisher_makes_no_trials(space, gains, runs):
    asked = runs(lambda *_: 0.0)
    goal = Goal(space, Budgets(M7.data_bytes), "quick")
    findings = Analyst("fisher").find([goal], gains, [])
    (best,) = findings.schemes
    assert (findings.contributions, findings.trials) == (gains, ())
    assert best.choice == find_scheme(space, gains, goal.budgets, "quick").choice
    assert not asked


def test_a_goal_may_have_budgets_of_instructions_and_flash(space):
    taken = space.smallest[1]
    fits = Budgets(taken.sram_total_bytes, taken.instructions_train_step, taken.flash_bytes)
    assert fits.allow(taken)
    for name in ("sram", "instructions", "flash"):
        assert not replace(fits, **{name: getattr(fits, name) - 1}).allow(taken)
    assert Budgets(taken.sram_total_bytes).allow(taken)


def test_a_scheme_file_says_what_it_was_tried_on(space, gains):
    found = find_scheme(space, gains, Budgets(smallest(space)), "x")
    task = make_task(small_dataset(space.graph, name="one"))
    texts = [
        scheme_text(found, Origin("tiny", "held", gains, [task], tried_on))
        for tried_on in ((), ("one", "two"))
    ]
    assert (
        "# Contributions: measured (points), of the training samples of\n#   one, SHA" in texts[0]
    )
    assert "In company" not in texts[0]
    lines = "# In company: by trials of whole schemes, on training samples of\n#   one\n#   two\n"
    assert lines in texts[1]
    assert tomli.loads(texts[1])["bias"] == {"layers": [space.head]}
