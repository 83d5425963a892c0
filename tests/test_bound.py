"""Orders of execution: bounds that hold for all of them, and searches that find better ones."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilograd.compiler import compile_model
from kilograd.device.protocol import LearningRate
from kilograd.device.reference import ReferenceDevice
from kilograd.ir import Phase
from kilograd.liveness import ScheduleProblem, improve, lower_bound, order_bound, schedule_problem
from kilograd.liveness.bound import least_live
from kilograd.liveness.problem import ScheduleItem, Tensor, members
from kilograd.liveness.search import _Search
from kilograd.passes import verify
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from operators.networks import random_network, residual_network, samples
from strategies import schemes, seeds, small_graphs

FORWARD = residual_network()


def random_problem(seed, *, items=7, phase=Phase.TRAINING):
    """Items that read what others make, with scratch, shared memory and outputs."""
    rng = random.Random(seed)
    values, makers = [], []
    for index in range(-1, items):
        for _ in range(rng.choice([0, 1, 1, 2]) if index >= 0 else 1):
            makers.append(index)
            values.append([4 * rng.randint(1, 9), index, 0, rng.random() < 0.1])
    made = []
    for index in range(items):
        there = [v for v, maker in enumerate(makers) if maker < index]
        reads = sorted(rng.sample(there, min(len(there), rng.randint(0, 3))))
        before = 0
        for read in reads:
            values[read][2] |= 1 << index
            if makers[read] >= 0:
                before |= 1 << makers[read]
        if index and rng.random() < 0.1:
            before |= 1 << rng.randrange(index)
        makes = tuple(v for v, maker in enumerate(makers) if maker == index)
        size = values[makes[0]][0] if makes else 0
        takes = [v for v in reads if rng.random() < 0.6] if makes else []
        for v in takes:
            values[v][0] = size
        scratch = 4 * rng.choice([0, 0, 3, 20])
        made.append(
            ScheduleItem((str(index),), phase, before, scratch, tuple(reads), makes, tuple(takes))
        )
    # A value keeps the size that it had last, so only equal sizes share memory.
    held = tuple(Tensor(*value) for value in values)
    made = [
        ScheduleItem(
            u.nodes, u.phase, u.before, u.scratch, u.reads, u.makes,
            tuple(v for v in u.takes if held[v].size == held[u.makes[0]].size),
        )
        for u in made
    ]  # fmt: skip
    return ScheduleProblem(tuple(made), held)


def orders(problem, done=0):
    """Every valid order."""
    if done == problem.everything:
        yield ()
    for item in members(problem.everything & ~done):
        if not problem.items[item].before & ~done:
            for rest in orders(problem, done | 1 << item):
                yield (item, *rest)


def is_valid(problem, order):
    done = 0
    for item in order:
        if problem.items[item].before & ~done:
            return False
        done |= 1 << item
    return done == problem.everything


@settings(max_examples=150)
@given(seeds)
def test_no_order_goes_below_the_bounds_and_the_search_finds_the_best(seed):
    problem = random_problem(seed)
    given_order = range(len(problem.items))
    best = min(problem.peak(order) for order in orders(problem))
    cuts = order_bound(problem, given_order)
    assert cuts <= best <= problem.peak(given_order)
    assert cuts <= lower_bound(problem, given_order) <= best
    assert lower_bound(problem, given_order, 100_000) <= best
    found = improve(problem, 100_000)
    assert is_valid(problem, found)
    assert problem.peak(found) == best
    assert lower_bound(problem, found, 100_000) == best


@settings(max_examples=100)
@given(seeds)
def test_a_cut_is_the_fewest_bytes_live_while_a_unit_runs(seed):
    problem = random_problem(seed, items=6)
    fewest = [1 << 30] * len(problem.items)
    for order in orders(problem):
        for item, live in list(problem.running(order))[1:]:
            fewest[item] = min(fewest[item], live)
    assert [least_live(problem, u).live for u in range(len(problem.items))] == fewest


@settings(max_examples=100)
@given(seeds, st.integers(0, 400))
def test_a_search_under_a_limit_is_exact(seed, limit):
    problem = random_problem(seed)
    best = min(problem.peak(order) for order in orders(problem))
    found = _Search(problem, limit, 100_000).order()
    if limit < best and limit >= problem.start_bytes:
        assert found is None
    if limit >= best:
        assert is_valid(problem, found)
        assert problem.peak(found) <= limit


@given(seeds)
def test_live_bytes_follow_from_growth(seed):
    problem = random_problem(seed, items=10)
    done = 0
    for item in range(len(problem.items)):
        after = done | 1 << item
        assert problem.live(after) - problem.live(done) == problem.growth(item, done)
        done = after


@settings(max_examples=30)
@given(small_graphs, st.data(), st.booleans())
def test_units_hold_what_the_memory_plan_does(graph, data, stream):
    scheme = data.draw(schemes(graph))
    stream = stream and "stem" not in scheme.weights  # which is refused
    program = compile_model(graph, scheme, get_target("cortex-m7"), row_input=stream)
    problem = schedule_problem(program.graph)
    order = range(len(problem.items))
    assert is_valid(problem, order)
    assert problem.peak(order) == program.plan.placement_bound_bytes
    assert program.plan.lower_bound_bytes <= program.plan.placement_bound_bytes


def compiled(forward, scheme, *, stream=False):
    """A program, and its graph as list scheduling left it."""
    dumps = {}
    program = compile_model(
        forward,
        load_scheme(scheme, forward),
        get_target("cortex-m7"),
        dumps.__setitem__,
        row_input=stream,
    )
    return program, dumps["fuse"]


@pytest.mark.parametrize(
    ("scheme", "stream"),
    [("head", True), ("bias:4", True), ("last:5", True), ("last:5", False), ("full", False)],
)
def test_a_new_order_lowers_the_peak_and_moves_no_inference_node(scheme, stream):
    program, listed = compiled(FORWARD, scheme, stream=stream)
    verify(program.graph, after="reorder")
    before, after = schedule_problem(listed), schedule_problem(program.graph)
    assert after.peak(range(len(after.items))) <= before.peak(range(len(before.items)))
    assert sorted(n.name for n in listed.nodes) == sorted(n.name for n in program.graph.nodes)
    inference = [
        [n.name for n in graph.nodes if n.phase is Phase.INFERENCE]
        for graph in (listed, program.graph)
    ]
    assert inference[0] == inference[1]
    names = [node.name for node in program.graph.nodes]
    for group in program.graph.row_groups:
        start = names.index(group.nodes[0])
        assert tuple(names[start : start + len(group.nodes)]) == group.nodes


def test_a_new_order_lowers_the_peak_of_a_fully_trained_network():
    program, listed = compiled(FORWARD, "full")
    problem = schedule_problem(listed)
    assert program.plan.placement_bound_bytes < problem.peak(range(len(problem.items)))


@pytest.mark.parametrize("seed", [9, 13, 26])
def test_a_new_order_trains_the_same_bytes(seed):
    forward = random_network(seed)
    program, listed = compiled(forward, "full")
    assert [n.name for n in listed.nodes] != [n.name for n in program.graph.nodes]
    by_list = replace(program, graph=listed)
    devices = [ReferenceDevice(p) for p in (program, by_list)]
    rate = LearningRate.from_float(0.2)
    for step, sample in enumerate(samples(program.graph, 4, seed)):
        logits = [d.train_step(sample, step % program.class_count, rate) for d in devices]
        assert np.array_equal(*logits)
        for name in devices[0]._states:
            assert np.array_equal(devices[0]._states[name], devices[1]._states[name]), name
