"""What choices take by estimate, and what the compiler makes of them."""

import itertools
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from search_cases import random_contributions, small_graph

from kilograd.compiler import compile_model
from kilograd.errors import BudgetError, UserError
from kilograd.frontend.open import load_model
from kilograd.measuring.firmware import measure
from kilograd.scheme import load_scheme
from kilograd.search.calibration import Budgets, Space, find_scheme
from kilograd.search.choice import Choice
from kilograd.search.contributions import Contributions
from kilograd.search.evolve import evolve, search_at_random
from kilograd.search.solve import Limits, solve
from kilograd.targets import get_target

M7 = get_target("cortex-m7")


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    graph = small_graph(tmp_path_factory.mktemp("search"))
    return Space(graph, M7, row_input=False, recompute=0.05)


def random_choice(parts, rng):
    shares = [
        float(rng.choice([0.0, *(w.share for w in option.weights)])) for option in parts.options
    ]
    return parts.choice((rng.random(len(parts.options)) < 0.5).tolist(), shares)


def test_the_smallest_choice_is_estimated_exactly(space):
    program, _ = space.smallest
    assert space.costs.arena_bytes(Choice()) == program.plan.arena_bytes
    assert space.parts.state_bytes(Choice()) == 0


def test_states_are_exact_up_to_exponents(space):
    rng = np.random.default_rng(0)
    smallest = space.smallest[0].plan.state_bytes
    for _ in range(6):
        choice = random_choice(space.parts, rng)
        plan = space.compile(choice).plan
        rest = plan.state_bytes - smallest - space.parts.state_bytes(choice)
        assert 0 <= rest <= 8 * len(space.parts) + 3 * len(plan.states)


def test_more_that_is_trained_never_takes_less(space):
    rng = np.random.default_rng(1)
    everything = space.choice("full")
    for _ in range(40):
        choice = random_choice(space.parts, rng)
        fewer = Choice(choice.biases[::2], dict(list(choice.weights.items())[1:]))
        assert space.costs.arena_bytes(fewer) <= space.costs.arena_bytes(choice)
        assert space.costs.arena_bytes(choice) <= space.costs.arena_bytes(everything)
        assert space.costs.backward_cost(fewer) <= space.costs.backward_cost(choice)


@pytest.mark.thorough
def test_published_schemes_are_estimated_to_the_byte_where_the_sample_is_held(published):
    graph = load_model(str(published("mcunet-5fps")), 10)
    space = Space(graph, M7, row_input=False, recompute=0.05)
    for scheme in ("mcunet-5fps/49kb", "mcunet-5fps/99kb", "mcunet-5fps/148kb"):
        program = compile_model(graph, load_scheme(scheme, graph), M7)
        assert space.costs.arena_bytes(space.choice(scheme)) == program.plan.arena_bytes


def every_choice(parts, layers):
    """All choices of these layers, the others frozen."""
    options = [parts.options[parts.index[layer]] for layer in layers]
    alternatives = [
        itertools.product((False, True), (0.0, *(w.share for w in option.weights)))
        for option in options
    ]
    for genes in itertools.product(*map(list, alternatives)):
        biases = tuple(name for name, (bias, _) in zip(layers, genes, strict=True) if bias)
        yield Choice(
            biases, {n: share for n, (_, share) in zip(layers, genes, strict=True) if share}
        )


@pytest.mark.parametrize("seed", range(4))
def test_the_solver_finds_what_trying_everything_finds(space, seed):
    layers = list(space.parts.index)[-3:]
    drawn = random_contributions(space.graph, seed)
    gains = type(drawn)(
        drawn.method,
        drawn.unit,
        {name: gain if name in layers else 0.0 for name, gain in drawn.biases.items()},
        {
            name: {s: gain if name in layers else 0.0 for s, gain in shares.items()}
            for name, shares in drawn.weights.items()
        },
    )
    least = space.estimated(Choice())
    most = space.estimated(space.choice("full"))
    limits = Limits(int(least + (0.1 + 0.15 * seed) * (most - least)))
    allowed = [c for c in every_choice(space.parts, layers) if limits.allow(space.costs, c)]
    best = max(gains.total(c.biases, c.weights) for c in allowed)
    found = solve(space.costs, gains, limits)
    assert found.is_optimal
    assert found.gain == pytest.approx(best, rel=1e-4)
    assert limits.allow(space.costs, found.choice)


@pytest.mark.parametrize("seed", range(3))
def test_evolution_comes_near_the_solver_and_never_above(space, seed):
    gains = random_contributions(space.graph, seed)
    least, most = space.estimated(Choice()), space.estimated(space.choice("full"))
    limits = Limits((least + most) // 2, backward_cost=None)
    found = solve(space.costs, gains, limits)
    evolved = evolve(space.costs, gains, limits, generations=100, seed=seed)
    drawn = search_at_random(space.costs, gains, limits, generations=5, seed=seed)
    assert 0.99 * found.gain <= evolved.gain <= found.bound * (1 + 1e-4)
    assert drawn.gain <= found.bound * (1 + 1e-4)
    assert evolved.history == tuple(sorted(evolved.history))
    for choice in (evolved.choice, drawn.choice):
        assert limits.allow(space.costs, choice)


@pytest.mark.thorough
def test_a_found_scheme_keeps_within_every_budget(space):
    gains = random_contributions(space.graph, 1)
    _, smallest = space.smallest
    everything = find_scheme(space, gains, Budgets(M7.data_bytes), "all").measurement
    sram = (smallest.sram_total_bytes + everything.sram_total_bytes) // 2
    budgets = (
        Budgets(sram),
        Budgets(
            M7.data_bytes,
            instructions=(smallest.instructions_train_step + everything.instructions_train_step)
            // 2,
        ),
        Budgets(M7.data_bytes, flash=(smallest.flash_bytes + 3 * everything.flash_bytes) // 4),
    )
    for budget in budgets:
        told = []
        found = find_scheme(space, gains, budget, "found", told.append)
        measured = found.measurement
        assert told
        assert found.solution.gain > 0
        assert measured.sram_total_bytes <= budget.sram
        assert budget.instructions is None or (
            measured.instructions_train_step <= budget.instructions
        )
        assert budget.flash is None or measured.flash_bytes <= budget.flash


def test_a_budget_below_the_head_names_what_it_takes(space):
    needed = space.smallest[1].sram_total_bytes
    with pytest.raises(BudgetError) as caught:
        find_scheme(space, random_contributions(space.graph, 0), Budgets(needed - 1), "x")
    assert f"the smallest possible plan takes {needed:,} bytes of SRAM" in str(caught.value)


def test_what_the_target_does_not_hold_is_no_fault_of_the_user(space):
    gains = random_contributions(space.graph, 2)
    board = get_target("cortex-m4")
    memory = tuple(
        replace(region, length=8192) if region.name == board.data else region
        for region in board.memory
    )
    small = replace(board, name="small", memory=memory)
    tight = Space(space.graph, small, row_input=False, recompute=0.05)
    told = []
    found = find_scheme(tight, gains, Budgets(2 * small.data_bytes), "tight", told.append)
    assert "needs" in told[0] or "overflows" in told[0]
    assert found.solution.gain > 0
    # The stack that is reserved is larger than the one that is used and counted.
    measured = found.measurement
    assert measured.sram_total_bytes - measured.stack <= small.data_bytes


def test_no_weight_is_trained_that_reads_a_streamed_sample(tmp_path):
    graph = small_graph(tmp_path)
    space = Space(graph, M7, row_input=True, recompute=0.05)
    gains = random_contributions(graph, 0)
    found = solve(space.costs, gains, Limits(1 << 20))
    assert next(iter(space.parts.index)) not in found.choice.weights
    assert found.is_optimal


@pytest.mark.parametrize("row_input", [pytest.param(False, marks=pytest.mark.thorough), True])
def test_what_is_left_out_for_a_budget_is_too_much(tmp_path, row_input):
    graph = small_graph(tmp_path)
    everything = Space(graph, M7, row_input=row_input, recompute=0.05)
    left_out = 0
    for more in (300, 1000, 3000):
        budget = Budgets(everything.smallest[1].sram_total_bytes + more)
        possible = everything.within(budget)
        left = set(single_choices(everything)) - set(single_choices(possible))
        for _, bias, weight in left:
            choice = Choice((bias,) if bias else (), dict([weight]) if weight else {})
            with suppress(UserError):  # such as a weight that reads a streamed sample
                taken = measure(everything.compile(choice))
                assert taken.sram_total_bytes > budget.sram, choice
        left_out += len(left)
    assert left_out
    assert possible.options[-1] == everything.options[-1]


def test_where_only_the_head_is_possible_nothing_is_left_out(space):
    budget = Budgets(space.smallest[1].sram_total_bytes // 2)
    assert space.within(budget) is space


def test_the_best_scheme_is_the_same_among_the_possible_ones(space):
    gains = random_contributions(space.graph, 3)
    budget = Budgets(space.smallest[1].sram_total_bytes + 300)
    possible = space.within(budget)
    assert len(single_choices(possible)) < len(single_choices(space))
    of_possible = Contributions(
        gains.method,
        gains.unit,
        {layer: gains.biases[layer] for layer in possible.parts.index},
        {
            o.layer: {w.share: gains.weights[o.layer][w.share] for w in o.weights}
            for o in possible.parts.options
        },
    )
    best = find_scheme(space, gains, budget, "best")
    assert find_scheme(possible, of_possible, budget, "best").choice.key == best.choice.key


def single_choices(space):
    """Every bias and every share of a weight, alone."""
    biases = [(option.layer, option.layer, None) for option in space.parts.options]
    return biases + [
        (option.layer, None, (option.layer, weight.share))
        for option in space.parts.options
        for weight in option.weights
    ]
