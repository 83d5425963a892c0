"""Networks with squeeze-and-excite: planned, run a row at a time and recomputed as any other."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilograd.codegen import emit
from kilograd.compiler import Optimization, Program, Request, compile_model
from kilograd.device.host import HostDevice
from kilograd.device.protocol import LearningRate
from kilograd.device.reference import ReferenceDevice
from kilograd.ir import Graph, RowGroup
from kilograd.measuring.equivalence import verify_devices
from kilograd.memory import plan_memory
from kilograd.ops import REGISTRY
from kilograd.passes import Differentiate, ForTarget, Order, Prune, Select, run_passes, verify
from kilograd.passes.verify import InvalidGraphError
from kilograd.rowwise import plan_rows, whole_reads
from kilograd.scheme import Scheme, layers, load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_host_library
from operators.networks import samples, squeeze_excite_network

BOARD = get_target("cortex-m7")

#: Every map whole.
WHOLE = (Optimization.ROWS, Optimization.ROW_INPUT)

#: Rows of bits fill bytes, so that masks may be made again; the last block is the widest.
GRAPH = squeeze_excite_network(size=20, channels=(8, 16, 64))


def compiled(scheme, **options):
    chosen = load_scheme(scheme, GRAPH) if isinstance(scheme, str) else scheme
    return compile_model(GRAPH, chosen, BOARD, **options)


def grouped(graph: Graph) -> list[tuple[str, ...]]:
    return [group.nodes for group in graph.row_groups]


def test_layers_behind_a_gate_run_in_rows_too():
    program = compiled("head")
    groups = grouped(program.graph)
    means = [node.name for node in program.graph.nodes if node.operator == "mean"]
    order = [node.name for node in program.graph.nodes]
    behind = [group for group in groups if order.index(group[0]) > order.index(means[0])]
    assert behind, groups
    whole = compiled("head", without=WHOLE)
    assert program.plan.arena_bytes < 0.8 * whole.plan.arena_bytes


def with_groups(*groups):
    """A program with these groups and no others."""
    scheme = load_scheme("head", GRAPH)
    passes = (Select(frozenset(scheme.biases), dict(scheme.weights)), Differentiate(), Prune())
    graph = run_passes(GRAPH, [*passes, ForTarget(BOARD.features), Order()])
    graph = replace(graph, row_groups=tuple(RowGroup(names) for names in groups))
    verify(graph, "test")
    plan = plan_memory(graph)
    sources = emit(graph, plan, has_snapshots=True)
    return Program(
        graph, plan, sources, scheme, BOARD, Request(GRAPH, row_input=False, recompute=0.0), 0
    )


def test_a_group_reads_the_factors_that_were_made_before_it():
    program = with_groups(
        ("stem", "swish", "block1.expand", "block1.swish", "block1.depthwise"),
        ("block1.scale", "block1.project", "block1.join", "block2.expand", "block2.depthwise"),
        ("block2.scale", "block2.swish", "block2.project"),
    )
    nodes = {node.name: node for node in program.graph.nodes}
    assert whole_reads(nodes["block1.scale"], program.graph) == ["block1.gate"]
    assert whole_reads(nodes["block1.project"], program.graph) == []
    reference = ReferenceDevice(compiled("head", without=WHOLE))
    sources = program.for_target(get_target("host")).sources
    with HostDevice(build_host_library(sources).path) as device:
        device.initialize(0)
        for sample in samples(GRAPH, 4):
            assert np.array_equal(device.predict(sample), reference.predict(sample))


def test_such_a_group_is_refused():
    graph = compiled("head").graph
    node = next(n for n in graph.nodes if n.operator == "multiply")
    order = [n.name for n in graph.nodes]
    maker = graph.producer()[REGISTRY["multiply"].inputs_of(node).b]
    names = tuple(order[order.index(maker.name) : order.index(node.name) + 1])
    with pytest.raises(InvalidGraphError, match=f"{node.name} reads whole what its group makes"):
        verify(replace(graph, row_groups=(RowGroup(names),)), "test")
    with pytest.raises(ValueError, match=f"{node.name} reads whole what its group makes"):
        plan_rows(graph, [n for n in graph.nodes if n.name in names])


@pytest.mark.parametrize(("scheme", "row_input"), [("head", True), ("last:3", False)])
def test_steps_are_the_same_on_every_device(scheme, row_input):
    devices = ["reference", "host", "cortex-m7"]
    found = verify_devices(compiled(scheme, row_input=row_input), devices, steps=2)
    assert found.identical, found.first_difference


def trained_state(program, count=3):
    library = build_host_library(program.for_target(get_target("host")).sources).path
    with HostDevice(library) as device:
        device.initialize(4)
        for label, sample in enumerate(samples(program.graph, count, 1)):
            device.train_step(sample, label % program.class_count, LearningRate.from_float(0.2))
        return device.read_state()


@pytest.mark.thorough
@settings(max_examples=3, deadline=None)
@given(st.data())
def test_what_is_made_again_has_the_same_bits(data):
    """The factors of a product are never made again by the group that reads them."""
    names = layers(GRAPH)
    chosen = data.draw(st.sets(st.sampled_from(names), min_size=3))
    weights = {name: 1.0 for name in chosen if data.draw(st.booleans())}
    scheme = Scheme("drawn", tuple(chosen), weights)
    without, within = compiled(scheme, recompute=0.0), compiled(scheme, recompute=1.0)
    assert within.plan.arena_bytes <= without.plan.arena_bytes
    assert trained_state(within) == trained_state(without)
