"""Nodes that run a row at a time: the same bits in less memory, the sample held or in rows."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilograd.codegen import emit
from kilograd.compiler import Program, Request, compile_model
from kilograd.device.host import HostDevice
from kilograd.device.reference import ReferenceDevice
from kilograd.errors import UserError
from kilograd.frontend.builder import GraphBuilder, fresh_head
from kilograd.frontend.constant_channels import Parameters
from kilograd.frontend.open import load_model
from kilograd.ir import Phase, Quantization, RowGroup
from kilograd.ir.text import contents, parse_graph, print_graph
from kilograd.measuring.equivalence import verify_devices
from kilograd.memory import plan_memory
from kilograd.ops import REGISTRY
from kilograd.ops.common.window import Window
from kilograd.passes import Differentiate, ForTarget, Fuse, Order, Prune, Select, run_passes, verify
from kilograd.passes.verify import InvalidGraphError
from kilograd.rowwise import plan_rows, row_rule
from kilograd.scheme import Scheme, layers, load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_host_library
from networks import tiny_graph
from operators.networks import Network, random_network, samples

HOST = get_target("host")
PASSES = (Differentiate(), Prune(), ForTarget(HOST.features), Order())


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp("model"))


def trained(graph, scheme):
    """A training step without groups."""
    chosen = load_scheme(scheme, graph)
    return run_passes(graph, [Select(frozenset(chosen.biases), dict(chosen.weights)), *PASSES])


def program_of(graph, scheme, groups):
    """The same with these groups."""
    grouped = replace(trained(graph, scheme), row_groups=tuple(groups))
    verify(grouped, "test")
    plan = plan_memory(grouped)
    sources = emit(grouped, plan, has_snapshots=True)
    request = Request(graph, row_input=any(g.row_input for g in groups), recompute=0.0)
    return Program(grouped, plan, sources, load_scheme(scheme, graph), HOST, request, 0)


def leading(graph):
    """Names of the nodes that can run by rows, up to the first that cannot."""
    names = []
    for node in graph.nodes:
        if node.phase is Phase.TRAINING or row_rule(node, graph) is None:
            break
        names.append(node.name)
    return names


@pytest.mark.thorough
@settings(max_examples=16, deadline=None)
@given(st.integers(0, 10_000), st.data())
def test_any_groups_give_the_reference_logits(seed, data):
    graph = random_network(seed)
    names = leading(trained(graph, "head"))
    inner = range(1, len(names))
    cuts = sorted(data.draw(st.sets(st.sampled_from(inner), max_size=3))) if inner else []
    parts = [names[a:b] for a, b in zip([0, *cuts], [*cuts, len(names)], strict=True)]
    row_input = data.draw(st.booleans())
    groups = [
        RowGroup(tuple(part), row_input=row_input and index == 0)
        for index, part in enumerate(parts)
        if len(part) > 1 or (row_input and index == 0)
    ]
    program = program_of(graph, "head", groups)
    reference = ReferenceDevice(
        compile_model(graph, load_scheme("head", graph), get_target("cortex-m7"))
    )
    with HostDevice(
        build_host_library(program.for_target(get_target("host")).sources).path
    ) as device:
        device.initialize(0)
        for sample in samples(graph, 3, seed):
            assert np.array_equal(device.predict(sample), reference.predict(sample))


def lines(graph, names, *, row_input=False):
    """How many rows of each value a group holds, and of those that are whole, all."""
    nodes = {node.name: node for node in graph.nodes}
    plan = plan_rows(graph, [nodes[name] for name in names], row_input=row_input)
    return {value.name: (value.capacity, value.whole) for value in plan.values}


def test_only_the_rows_under_a_window_are_kept(graph):
    names = leading(graph)
    held = lines(graph, names)
    assert held["input"] == (16, True)  # all of it, since it is in memory anyway
    assert held["blocks.0.pointwise1"] == (3, False)  # under a 3x3 window
    assert held["blocks.0.depthwise"] == (1, False)
    assert held["stem"] == (2, False)  # kept for the join until the window has passed
    assert held["blocks.0.pointwise2"] == (1, False)
    assert held["blocks.1.pointwise1"] == (5, False)  # under a 5x5 window
    assert held["blocks.1.pointwise2"] == (4, True)  # read by what is not in the group
    assert lines(graph, names, row_input=True)["input"] == (3, False)


def test_what_is_read_elsewhere_stays_whole(graph):
    held = lines(graph, leading(graph)[:3])
    assert held["stem"] == (8, True)
    assert held["blocks.0.depthwise"] == (8, True)
    assert held["blocks.0.pointwise1"] == (3, False)


def test_a_result_lies_in_the_memory_of_the_sample_that_it_is_made_of(graph):
    names = leading(trained(graph, "head"))[:5]
    held = program_of(graph, "head", [RowGroup(tuple(names))])
    rows = held.plan.groups[names[0]]
    sample, made = graph.inputs[0].name, rows.values[-1].name
    assert [rows.values[i].name for i in rows.over] == [made, sample]
    assert held.plan.values[made] == held.plan.values[sample]
    whole = {b.name: b for b in held.plan.buffers}
    assert whole[made].inside == whole[sample].name
    assert whole[made].first == whole[sample].last + 1 == 4
    row_input = program_of(graph, "head", [RowGroup(tuple(names), row_input=True)])
    assert row_input.plan.groups[names[0]].over is None


def test_a_result_that_overtakes_its_rows_has_memory_of_its_own():
    """A result of more bytes a row would overwrite what is still to be read."""
    network = Network(0, (6, 4, 2))
    a = network.pointwise("a", "input", 2)
    b = network.depthwise("b", a, Window.same(3))
    graph = network.finish(network.pointwise("c", b, 8), 3)
    nodes = graph.nodes
    assert plan_rows(graph, nodes[:2]).over is not None
    assert plan_rows(graph, nodes[:3]).over is None


def test_a_value_that_others_read_is_not_overwritten():
    network = Network(0, (6, 4, 2))
    a = network.pointwise("a", "input", 2)
    b = network.depthwise("b", a, Window.same(3))
    c = network.depthwise("c", b, Window.same(3))
    graph = network.finish(network.add("sum", c, a), 3)
    nodes = graph.nodes
    assert plan_rows(graph, nodes[1:3]).over is None
    assert plan_rows(graph, nodes[1:4]).over is not None


def test_groups_lower_the_peak(graph):
    scheme = load_scheme("head", graph)
    whole = plan_memory(trained(graph, "head"))
    held, row_input = (
        compile_model(graph, scheme, get_target("cortex-m7"), row_input=way)
        for way in (False, True)
    )
    assert held.graph.row_groups
    assert held.plan.arena_bytes < whole.arena_bytes
    assert row_input.plan.arena_bytes < held.plan.arena_bytes
    assert "input" in held.plan.values
    assert "input" not in row_input.plan.values


def test_what_training_saves_is_in_no_group(graph):
    grouped = Fuse().apply(trained(graph, "full"))
    inside = {name for group in grouped.row_groups for name in group.nodes}
    saved = {name for n in grouped.nodes if row_rule(n, grouped) is None for name in n.inputs}
    made = {node.name: node.outputs[0] for node in grouped.nodes}
    held = [
        value
        for group in grouped.row_groups
        for value in plan_memory(grouped).groups[group.nodes[0]].values
        if not value.whole
    ]
    assert not saved.intersection(value.name for value in held)
    assert inside <= set(made)


@pytest.mark.parametrize("scheme", ["head", "last:3", "bias:4"])
def test_streamed_and_held_samples_give_the_same_bits(graph, scheme, require_qemu):
    chosen = load_scheme(scheme, graph)
    held, row_input = (
        compile_model(graph, chosen, get_target("cortex-m7"), row_input=way)
        for way in (False, True)
    )
    expected = verify_devices(held, ("reference", "host"), steps=4)
    found = verify_devices(row_input, ("reference", "host", "unicorn", "qemu"), steps=4)
    assert expected.identical
    assert found.identical
    assert found.digest == expected.digest


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m0plus"])
def test_other_processors_stream_too(graph, target):
    program = compile_model(
        graph, load_scheme("last:3", graph), get_target("cortex-m7"), row_input=True
    )
    assert verify_devices(
        program.for_target(get_target(target)), ("reference", "unicorn"), steps=3
    ).identical


def opened(program):
    """The library itself, as firmware calls it."""
    library = ctypes.CDLL(
        str(build_host_library(program.for_target(get_target("host")).sources).path)
    )
    library.kg_push_rows.argtypes = (ctypes.c_char_p, ctypes.c_uint32)
    library.kg_push_rows.restype = ctypes.c_uint32
    library.kg_predict.restype = ctypes.POINTER(ctypes.c_int32 * program.class_count)
    library.kg_init(0)
    return library


@pytest.mark.parametrize("row_input", [False, True])
def test_rows_may_come_in_any_number_at_a_time(graph, row_input):
    program = compile_model(
        graph, load_scheme("head", graph), get_target("cortex-m7"), row_input=row_input
    )
    (sample,) = samples(graph, 1)
    expected = ReferenceDevice(program).predict(sample)
    library = opened(program)
    data, row = sample.tobytes(), sample[0].nbytes
    for counts in ([1] * 16, [16], [5, 5, 5, 1]):
        library.kg_begin()
        done = 0
        for count in counts:
            assert library.kg_finish() == -2  # KG_ERROR_SAMPLE
            missing = library.kg_push_rows(data[done * row :], count)
            done += count
            assert missing == 16 - done
        assert library.kg_finish() == 0
        assert library.kg_push_rows(data, 3) == 0  # no more are taken
        assert np.array_equal(np.array(library.kg_predict().contents), expected)


def test_the_header_says_how_samples_come(graph):
    scheme = load_scheme("head", graph)
    held, row_input = (
        compile_model(graph, scheme, get_target("cortex-m7"), row_input=way).sources
        for way in (False, True)
    )
    assert "KG_ROW_INPUT" not in held["kg_model.h"]
    assert "#define KG_ROW_INPUT 1" in row_input["kg_model.h"]
    assert "#define KG_ROW_BYTES 48u" in row_input["kg_model.h"]
    assert "kg_sample_held.c" in held
    assert "kg_input" not in row_input["kg_sample_rows.c"]


def test_groups_are_in_the_text_of_a_graph(graph):
    grouped = compile_model(
        graph, load_scheme("head", graph), get_target("cortex-m7"), row_input=True
    ).graph
    text = print_graph(grouped)
    assert "\ninput_rows stem\n" in text
    assert "\nrows blocks.0.pointwise1, blocks.0.depthwise" in text
    assert parse_graph(text, contents(grouped), REGISTRY) == grouped


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([RowGroup(("stem", "blocks.0.depthwise"))], "are not neighbours"),
        ([RowGroup(("stem",)), RowGroup(("stem",))], "is in two groups"),
        ([RowGroup(("blocks.0.pointwise1",), row_input=True)], "the sample is streamed"),
        ([RowGroup(("pool",))], "pool cannot run a row at a time"),
    ],
)
def test_groups_that_cannot_be(graph, groups, message):
    with pytest.raises(InvalidGraphError, match=message):
        verify(replace(trained(graph, "head"), row_groups=tuple(groups)), "test")


def test_a_trained_first_layer_is_not_streamed(graph):
    with pytest.raises(UserError, match="the sample cannot be streamed into stem") as caught:
        compile_model(graph, load_scheme("full", graph), get_target("cortex-m7"), row_input=True)
    assert "hint: freeze the weights of the first layer" in str(caught.value)


def test_a_first_layer_that_needs_the_whole_sample_is_not_streamed():
    """The layers behind it run by rows, and do not read the sample."""
    builder = GraphBuilder("turned", 8, 8, 3, Quantization((0.05,), 0))
    x = builder.reshape("turn", "input", (4, 16, 3))
    for layer in ("one", "two"):
        p = Parameters(np.full((3, 3), 9, np.int8), np.zeros(3, np.int32), np.full(3, 0.01))
        x = builder.pointwise(layer, x, p, Quantization((0.05,), 0))
    x = builder.average_pool("pool", x)
    graph = builder.finish(builder.dense("head", x, fresh_head(3, 4)))
    held = compile_model(graph, load_scheme("head", graph), get_target("cortex-m7"))
    assert held.graph.row_groups == (RowGroup(("one", "two")),)
    with pytest.raises(UserError, match="the sample cannot be streamed into turn, which needs all"):
        compile_model(graph, load_scheme("head", graph), get_target("cortex-m7"), row_input=True)


def test_features_are_not_streamed():
    graph = load_model("kilograd-kws", 4)
    with pytest.raises(UserError, match="only images can be streamed"):
        compile_model(graph, load_scheme("head", graph), get_target("cortex-m7"), row_input=True)


def test_trained_biases_are_made_before_the_first_row_of_a_streamed_sample(graph):
    scheme = Scheme("biases", tuple(layers(graph)), {"head": 1.0})
    program = compile_model(graph, scheme, get_target("cortex-m7"), row_input=True)
    (first,) = [group for group in program.graph.row_groups if group.row_input]
    text = program.sources["kg_model.c"]
    start = text[text.index("void kg_start_rows") :].split("\n}")[0]
    assert start.count("kg_apply_bias_delta_plain") == len(first.nodes)
    assert start.rindex("kg_apply_bias_delta_plain") < start.index("kg_rowwise_begin")
    assert text.count("(&node_stem_bias,") == 1
    assert verify_devices(program, ("reference", "host", "unicorn"), steps=3).identical
