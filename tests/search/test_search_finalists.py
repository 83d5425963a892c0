"""Schemes that reach less and less far back, and runs that choose between them."""

import pytest
from search_cases import random_contributions, small_dataset, small_graph

from kilograd.errors import BudgetError
from kilograd.search import finalists
from kilograd.search.calibration import Budgets, Space, find_scheme
from kilograd.search.choice import Choice
from kilograd.search.cluster import THIS_COMPUTER
from kilograd.search.finalists import choose_finalist, find_finalists
from kilograd.search.runs import Outcome
from kilograd.search.search import Analyst
from kilograd.search.tasks import make_task
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
            asked.append((list(choices), len(tasks), seed))
            progress(len(choices))
            return {
                choice.key: [Outcome(accuracy(choice), 0.0, outcome(choice, seed)) for _ in tasks]
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
    assert len(found) == 4
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


def test_the_mean_over_tasks_and_seeds_chooses(space, found, runs):
    task = make_task(small_dataset(space.graph))
    asked = runs(lambda choice, seed: len(choice.weights) * (1 if seed else -0.5))
    told = []
    best = choose_finalist(
        space.graph, found, [task, task], THIS_COMPUTER, lambda *done: told.append(done)
    )
    assert best is max(found, key=lambda one: len(one.choice.weights))
    assert [(len(choices), tasks, seed) for choices, tasks, seed in asked] == [(4, 2, 0), (4, 2, 1)]
    assert told == [(4, 8), (8, 8)]


def test_accuracy_counts_as_much_as_probability(space, found, runs):
    tasks = [make_task(small_dataset(space.graph))]

    def best(accuracy):
        runs(
            lambda choice, _seed: 0.01 * len(choice.weights),
            lambda choice: -accuracy * len(choice.weights),
        )
        return choose_finalist(space.graph, found, tasks, THIS_COMPUTER)

    by_weights = sorted(found, key=lambda one: len(one.choice.weights))
    assert best(0.009) is by_weights[-1]
    assert best(0.011) is by_weights[0]


def test_one_finalist_needs_no_runs(space, found, runs):
    asked = runs(lambda _choice, _seed: 0.0)
    assert choose_finalist(space.graph, found[:1], [], THIS_COMPUTER) is found[0]
    assert not asked


@pytest.mark.thorough
def test_a_larger_budget_may_take_the_scheme_of_a_smaller_one(space, gains, found, runs):
    tasks = [make_task(small_dataset(space.graph))]
    runs(lambda choice, _seed: -len(choice.biases) - len(choice.weights))
    small = find_scheme(space, gains, Budgets(space.smallest[1].sram_total_bytes), "small")
    budgets = Budgets(M7.data_bytes)
    best = Analyst().find(space, gains, budgets, tasks, "front", also=[small])
    assert (best.choice, best.scheme.name, best.budgets) == (Choice(), "front", budgets)
    assert best.measurement == small.measurement


@pytest.mark.thorough
def test_fisher_makes_no_runs(space, gains, runs):
    asked = runs(lambda _choice, _seed: 0.0)
    budgets = Budgets(M7.data_bytes)
    best = Analyst("fisher").find(space, gains, budgets, [], "quick")
    assert best.choice == find_scheme(space, gains, budgets, "quick").choice
    assert not asked
