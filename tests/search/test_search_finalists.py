"""Schemes that reach less and less far back, and runs that choose between them."""

from dataclasses import replace

import pytest
from search_cases import random_contributions, small_dataset, small_graph

from kilograd.errors import BudgetError
from kilograd.search import finalists, tasks
from kilograd.search.calibration import Budgets, Space, find_scheme
from kilograd.search.choice import Choice
from kilograd.search.cluster import THIS_COMPUTER
from kilograd.search.finalists import choose_finalist, find_finalists
from kilograd.search.runs import Outcome
from kilograd.search.search import Analyst
from kilograd.search.tasks import cross_validation
from kilograd.targets import get_target

M7 = get_target("cortex-m7")


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    graph = small_graph(tmp_path_factory.mktemp("finalists"))
    return Space(graph, M7, row_input=False, recompute=0.05)


@pytest.fixture(scope="module")
def gains(space):
    return random_contributions(space.graph, 1)


@pytest.fixture(scope="module")
def found(space, gains):
    return find_finalists(space, gains, Budgets(M7.data_bytes), "large")


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Outcomes by the number of weights, instead of real runs."""
    monkeypatch.setenv("KILOGRAD_CACHE", str(tmp_path))
    asked = []

    def install(outcome, accuracy=lambda _choice: 0.0):
        def make_runs(graph, choices, tasks, cluster, store, seed, progress):
            asked.append((len(choices), [task.name for task in tasks], seed))
            progress(len(choices))
            return {
                choice.key: [
                    Outcome(accuracy(choice), 0.0, outcome(choice, seed, t)) for t in tasks
                ]
                for choice in choices
            }

        monkeypatch.setattr(finalists, "make_runs", make_runs)
        return asked

    return install


def first_layer(space, choice):
    names = [option.layer for option in space.parts.options]
    return min((names.index(layer) for layer in choice.weights), default=len(names))


def test_the_first_is_the_best_sum_and_each_other_reaches_less_far_back(space, gains, found):
    best = find_scheme(space, gains, Budgets(M7.data_bytes), "large")
    assert found[0].choice == best.choice
    assert len(found) == 8
    assert len({one.choice.key for one in found}) == len(found)
    places = [first_layer(space, one.choice) for one in found]
    assert places == sorted(set(places))
    assert all(one.scheme.name == "large" for one in found)
    assert all(one.measurement.sram_total_bytes <= M7.data_bytes for one in found)


def test_a_budget_for_the_head_alone_has_one_finalist(space, gains):
    taken = space.smallest[1].sram_total_bytes
    assert [one.choice for one in find_finalists(space, gains, Budgets(taken), "x")] == [Choice()]
    with pytest.raises(BudgetError, match="the smallest possible plan takes"):
        find_finalists(space, gains, Budgets(taken - 1), "x")


def test_the_best_of_a_round_take_part_in_the_next(space, found, runs):
    """The two rounds differ in what they favour; only the second is asked of the best three."""
    asked = runs(lambda choice, seed, _task: len(choice.weights) * (-1.5 if seed else 1))
    told = []
    datasets = [small_dataset(space.graph, name=name) for name in ("one", "two")]
    validations = [cross_validation(dataset) for dataset in datasets]
    best = choose_finalist(
        space.graph, found, validations, THIS_COMPUTER, lambda *done: told.append(done)
    )
    by_weights = sorted(found, key=lambda one: len(one.choice.weights))
    assert best is by_weights[-3]
    folds = [[f"{name}, fold {fold}" for name in ("one", "two") for fold in (1, 2, 3, 4)]]
    folds += [[f"{name}, fold {fold}" for name in ("one", "two") for fold in (2, 3, 4, 1)]]
    assert asked == [(len(found), folds[0], 0), (3, folds[1], 1)]
    assert told == [(len(found), len(found) + 3), (len(found) + 3, len(found) + 3)]


def test_data_sets_count_alike_however_many_folds_judge(space, found, runs, monkeypatch):
    """Of large sets one fold judges, of small ones several."""
    monkeypatch.setattr(tasks, "MOST_VALIDATION", 20)
    sets = {"small": 32, "large": 128}
    validations = [
        cross_validation(small_dataset(space.graph, size, name=name)) for name, size in sets.items()
    ]
    assert [len(one.tasks(0)) for one in validations] == [3, 1]
    favours = {"small": -1, "large": 1.1}
    runs(lambda choice, _seed, task: favours[task.name.split(",")[0]] * len(choice.weights))
    most = max(found, key=lambda one: len(one.choice.weights))
    assert choose_finalist(space.graph, found, validations, THIS_COMPUTER) is most


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


def test_accuracy_counts_as_much_as_probability(space, found, runs):
    validations = [cross_validation(small_dataset(space.graph))]

    def best(accuracy):
        runs(
            lambda choice, *_: 0.01 * len(choice.weights),
            lambda choice: -accuracy * len(choice.weights),
        )
        return choose_finalist(space.graph, found, validations, THIS_COMPUTER)

    by_weights = sorted(found, key=lambda one: len(one.choice.weights))
    assert best(0.009) is by_weights[-1]
    assert best(0.011) is by_weights[0]


def test_one_finalist_needs_no_runs(space, found, runs):
    asked = runs(lambda *_: 0.0)
    assert choose_finalist(space.graph, found[:1], [], THIS_COMPUTER) is found[0]
    assert not asked


@pytest.mark.thorough
def test_a_larger_budget_may_take_the_scheme_of_a_smaller_one(space, gains, found, runs):
    validations = [cross_validation(small_dataset(space.graph))]
    runs(lambda choice, *_: -len(choice.biases) - len(choice.weights))
    small = find_scheme(space, gains, Budgets(space.smallest[1].sram_total_bytes), "small")
    budgets = Budgets(M7.data_bytes)
    best = Analyst().find(space, gains, budgets, validations, "front", also=[small])
    assert (best.choice, best.scheme.name, best.budgets) == (Choice(), "front", budgets)
    assert best.measurement == small.measurement


@pytest.mark.thorough
def test_fisher_makes_no_runs(space, gains, runs):
    asked = runs(lambda *_: 0.0)
    budgets = Budgets(M7.data_bytes)
    best = Analyst("fisher").find(space, gains, budgets, [], "quick")
    assert best.choice == find_scheme(space, gains, budgets, "quick").choice
    assert not asked
