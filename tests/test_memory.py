"""Memory plans: nothing that is live overlaps, and the plan computes what the reference does."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilograd import liveness
from kilograd.compiler import Program, compile_model
from kilograd.device.protocol import LearningRate
from kilograd.device.reference import ReferenceDevice
from kilograd.ir import Kind, Phase
from kilograd.liveness import Buffer, arena_buffers, schedule_problem
from kilograd.memory import lower_bound, place, plan_memory
from kilograd.memory.place import first_fit, peak
from kilograd.memory.state_layout import StateHeader
from kilograd.ops import REGISTRY
from kilograd.ops.spec import StepContext
from kilograd.rowwise import ALIGNMENT
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from operators.networks import Network, random_network, residual_network, samples
from strategies import buffers, programs, seeds

FORWARD = residual_network()


def assert_disjoint(live, offsets):
    for a, b in combinations(live, 2):
        if a.overlaps(b):
            start_a, start_b = offsets[a.name], offsets[b.name]
            assert start_a + a.size <= start_b or start_b + b.size <= start_a, (a, b)


@given(buffers())
def test_buffers_that_are_live_at_once_do_not_overlap(made):
    offsets = place(made)
    assert set(offsets) == {b.name for b in made}
    assert all(offset >= 0 and offset % ALIGNMENT == 0 for offset in offsets.values())
    assert_disjoint(made, offsets)
    assert lower_bound(made) <= peak(made, offsets) <= sum(b.size for b in made)
    assert place(tuple(reversed(made))).keys() == offsets.keys()
    assert place(made) == offsets


@given(buffers())
def test_the_lower_bound_is_the_most_that_is_live_at_one_time(made):
    times = range(-1, 23)
    most = max(sum(b.size for b in made if b.first <= t <= b.last) for t in times)
    assert lower_bound(made) == most


@given(buffers(), st.integers(1, 50), st.integers(0, 5))
def test_a_buffer_that_is_always_live_costs_its_size(made, size, extra):
    always = Buffer("always", (), 4 * size, -1, 21 + extra)
    assert lower_bound((*made, always)) == lower_bound(made) + always.size


@pytest.mark.thorough
@settings(max_examples=40, deadline=None)
@given(programs())
def test_plan_of_a_network(program):
    graph, plan = program.graph, program.plan
    assert_disjoint(plan.buffers, plan.offsets)
    assert plan.lower_bound_bytes <= plan.placement_bound_bytes <= plan.arena_bytes
    assert all(offset % ALIGNMENT == 0 for offset in plan.values.values())
    in_state = set(graph.updates.values())
    in_rows = {v.name for rows in plan.groups.values() for v in rows.values if not v.whole}
    in_groups = {name for group in graph.row_groups for name in group.nodes}
    assert set(plan.values) == {
        name
        for name, value in graph.values.items()
        if value.kind in (Kind.ACTIVATION, Kind.INPUT) and name not in in_state | in_rows
    }
    for name, offset in plan.values.items():
        assert 0 <= offset <= plan.arena_bytes - graph.type_of(name).nbytes
    for node in graph.nodes:
        if node.name not in in_groups:
            assert scratch_span(program, node).stop <= plan.arena_bytes
    end = StateHeader.BYTES
    for state in graph.states:
        assert end <= plan.states[state.name] < end + ALIGNMENT
        end = plan.states[state.name] + state.type.nbytes
    assert end <= plan.state_bytes < end + ALIGNMENT
    live = plan.live_at(plan.peak_index)
    assert sum(buffer.size for buffer in live) == plan.placement_bound_bytes


def scratch_span(program, node):
    """Bytes of the arena that a node has as scratch."""
    spec, types = REGISTRY[node.operator], program.graph.types(node.inputs)
    size = spec.kernel(node.attributes, types).best(program.graph.target_features).scratch_bytes
    values = program.plan.values
    taken = {values[name] for name in node.inputs if name in values}
    if values.get(node.outputs[0]) in taken:
        size += spec.in_place_bytes(node.attributes, types)
    assert program.plan.needs_scratch(node.name) == (size > 0)
    start = program.plan.scratch(node.name) if size else 0
    return slice(start, start + size)


class Arena:
    """Runs a program on one block of memory, at the plan's offsets, as a device does.

    Values of which a device holds only rows are kept aside, and so is one that is made by rows in
    the memory of another, until its group is done.
    """

    def __init__(self, program: Program, seed: int) -> None:
        self.program = program
        self.rng = np.random.default_rng(seed)
        self.memory = self.rng.integers(0, 256, program.plan.arena_bytes).astype(np.uint8)
        self.states = {s.name: s.array.copy() for s in program.graph.states}
        types = {name: value.type for name, value in program.graph.values.items()}
        in_rows = {v.name for p in program.plan.groups.values() for v in p.values if not v.whole}
        self.in_rows = {n: np.zeros(types[n].shape, types[n].dtype.numpy) for n in in_rows}
        self.in_groups = {name for group in program.graph.row_groups for name in group.nodes}
        self.made_over, self.taken = {}, set()
        for group in program.graph.row_groups:
            rows = program.plan.groups[group.nodes[0]]
            if rows.over is not None:
                made, read = (rows.values[index].name for index in rows.over)
                self.made_over[group.nodes[-1]] = made
                self.taken.add(read)

    def view(self, name):
        if name in self.in_rows:
            return self.in_rows[name]
        type_ = self.program.graph.type_of(name)
        start = self.program.plan.values[name]
        block = self.memory[start : start + type_.nbytes]
        return block.view(type_.dtype.numpy).reshape(type_.shape)

    def read(self, name):
        value = self.program.graph.values[name]
        if value.kind is Kind.CONSTANT:
            return value.array
        return self.states[name] if value.kind is Kind.STATE else self.view(name)

    def run(self, sample, context, *, training):
        graph = self.program.graph
        self.view(graph.inputs[0].name)[:] = sample
        for node in graph.nodes:
            if node.phase is Phase.INFERENCE or training:
                self.execute(node, context)
        return self.view(graph.outputs[0]).copy()

    def put(self, name, result, node):
        if name in self.made_over.values():
            self.in_rows[name] = result
        else:
            self.view(name)[:] = result
        if node.name in self.made_over:
            made = self.made_over[node.name]
            contents = self.in_rows.pop(made)
            self.view(made)[:] = contents

    def execute(self, node, context):
        spec = REGISTRY[node.operator]
        types = self.program.graph.types(node.inputs)
        inputs = [self.read(name).copy() for name in node.inputs]
        results = spec.reference(node.attributes, types, inputs, context)
        if node.name not in self.in_groups:
            span = scratch_span(self.program, node)
            self.memory[span] = self.rng.integers(0, 256, span.stop - span.start)
        overwritten = spec.overwritten(node)
        for name, result in zip(node.outputs, results, strict=True):
            if name in overwritten:
                self.states[overwritten[name]] = result
            else:
                self.put(name, result, node)
        kept = [name for name in node.inputs if name in self.program.plan.values]
        for name, before in zip(node.inputs, inputs, strict=True):
            if name in kept and not spec.reuses and name not in self.taken:
                assert np.array_equal(self.read(name), before), f"{node.name} overwrote {name}"


@pytest.mark.thorough
@settings(max_examples=30, deadline=None)
@given(programs(), seeds)
def test_the_arena_computes_what_the_reference_does(program, seed):
    reference = ReferenceDevice(program)
    arena = Arena(program, seed)
    rate = LearningRate.from_float(0.2)
    for step, sample in enumerate(samples(program.graph, 3, seed)):
        context = StepContext(0, step, step % program.class_count, rate.mantissa, rate.exponent)
        predicted = arena.run(sample, context, training=False)
        assert np.array_equal(predicted, reference.predict(sample))
        logits = arena.run(sample, context, training=True)
        assert np.array_equal(logits, reference.train_step(sample, context.label, rate))
        for name, contents in arena.states.items():
            assert np.array_equal(contents, reference._states[name]), name


@pytest.mark.parametrize("scheme", ["head", "bias:4", "last:5", "full"])
def test_the_plan_of_a_residual_network_meets_its_bound(scheme):
    plan = compile_model(FORWARD, load_scheme(scheme, FORWARD), get_target("cortex-m7")).plan
    assert plan.arena_bytes == plan.placement_bound_bytes == plan.lower_bound_bytes


def test_a_longer_search_proves_the_plan_of_a_fully_trained_network_optimal():
    graph = random_network(10)
    program = compile_model(graph, load_scheme("full", graph), get_target("cortex-m7"))
    problem = schedule_problem(program.graph)
    order = range(len(problem.items))
    assert program.plan.arena_bytes == program.plan.placement_bound_bytes
    assert program.plan.lower_bound_bytes < program.plan.arena_bytes
    assert liveness.lower_bound(problem, order, 10_000) == program.plan.arena_bytes


def test_the_solver_meets_a_bound_that_first_fit_misses():
    rng = np.random.default_rng(3)
    improved = 0
    for _ in range(20):
        first = rng.integers(0, 30, 40)
        last = first + rng.integers(0, 12, 40)
        sizes = 4 * rng.integers(1, 40, 40)
        made = [Buffer(f"b{i}", (), int(sizes[i]), int(first[i]), int(last[i])) for i in range(40)]
        offsets = place(made)
        assert_disjoint(made, offsets)
        assert lower_bound(made) <= peak(made, offsets) <= peak(made, first_fit(made))
        improved += peak(made, offsets) < peak(made, first_fit(made))
        assert place(made) == offsets
    assert improved


# -- in place


def joined(build):
    network = Network(3, (4, 4, 3))
    a = network.pointwise("a", "input", 4)
    graph = network.finish(build(network, a), 3)
    return graph, {value: b.name for b in arena_buffers(graph) for value in b.values}


def test_an_add_takes_over_an_input_that_nobody_reads_later():
    _, owner = joined(lambda n, a: n.add("sum", a, n.pointwise("b", a, 4)))
    assert owner["sum"] == owner["a"]
    assert owner["b"] != owner["a"]


def test_an_add_takes_over_the_input_that_is_free():
    def build(network, a):
        first = network.add("sum", a, network.pointwise("b", a, 4))
        return network.add("later", a, first)

    _, owner = joined(build)
    assert owner["sum"] == owner["b"] != owner["a"]
    assert owner["later"] in (owner["a"], owner["sum"])


def test_adding_a_value_to_itself_is_not_done_in_place():
    graph, owner = joined(lambda n, a: n.add("sum", a, a))
    assert owner["sum"] != owner["a"]
    assert_disjoint(arena_buffers(graph), place(arena_buffers(graph)))


def test_in_place_chains_are_one_buffer():
    def build(network, a):
        for index in range(4):
            a = network.add(f"sum{index}", a, network.pointwise(f"b{index}", "input", 4))
        return a

    graph, owner = joined(build)
    assert len({owner[f"sum{index}"] for index in range(4)} | {owner["a"]}) == 1
    (chain,) = [b for b in arena_buffers(graph) if "sum3" in b.values]
    assert chain.values == ("a", "sum0", "sum1", "sum2", "sum3")
    position = {node.name: i for i, node in enumerate(graph.nodes)}
    assert (chain.first, chain.last) == (position["a"], position["pool"])


def test_an_output_is_never_given_away():
    graph, _ = joined(lambda n, a: n.add("sum", a, n.pointwise("b", a, 4)))
    kept = replace(graph, outputs=(*graph.outputs, "a"))
    owner = {value: b.name for b in arena_buffers(kept) for value in b.values}
    assert owner["sum"] == owner["b"] != owner["a"]
    assert all(b.last == len(kept.nodes) for b in arena_buffers(kept) if "a" in b.values)


def test_gradients_are_masked_and_summed_in_place():
    graph = compile_model(FORWARD, load_scheme("full", FORWARD), get_target("cortex-m7")).graph
    owner = {value: b.name for b in arena_buffers(graph) for value in b.values}
    readers = graph.readers()
    for node in graph.nodes:
        if node.operator == "mask_gradient" and readers[node.inputs[0]] == [node]:
            assert owner[node.outputs[0]] == owner[node.inputs[0]]
    (total,) = [n for n in graph.nodes if n.operator == "gradient_sum"]
    assert owner[total.outputs[0]] in (owner[total.inputs[0]], owner[total.inputs[2]])


def test_states_follow_the_header_in_declaration_order():
    graph = compile_model(FORWARD, load_scheme("last:3", FORWARD), get_target("cortex-m7")).graph
    plan = plan_memory(graph)
    assert list(plan.states) == [state.name for state in graph.states]
    offsets = list(plan.states.values())
    assert offsets == sorted(offsets)
    assert offsets[0] == StateHeader.BYTES
