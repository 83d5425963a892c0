"""What is made again in the backward pass: the same bits, from less memory."""

import inspect
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from kilograd.cli import app as cli
from kilograd.compiler import Optimization, compile_model
from kilograd.device.host import HostDevice
from kilograd.device.protocol import LearningRate
from kilograd.ir import Phase, RowGroup
from kilograd.ir.text import contents, parse_graph, print_graph
from kilograd.measuring.ablation import steps
from kilograd.measuring.equivalence import verify_devices
from kilograd.ops import REGISTRY
from kilograd.passes import DEFAULT_SHARE, Recompute, verify
from kilograd.passes.recompute import candidates
from kilograd.passes.verify import InvalidGraphError
from kilograd.scheme import Scheme, load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_host_library
from operators.networks import deep_network, random_network, samples

GRAPH = deep_network()
LAYERS = [node.name for node in GRAPH.nodes if REGISTRY[node.operator].has_weights]
EXPANDS = {name: 1.0 for name in LAYERS if name.endswith("expand")}
SCHEME = Scheme("expands", tuple(LAYERS), EXPANDS)


def compiled(share, scheme=SCHEME, graph=GRAPH):
    return compile_model(graph, scheme, get_target("cortex-m7"), recompute=share)


def trained_state(program, seed=0, count=4):
    with HostDevice(
        build_host_library(program.for_target(get_target("host")).sources).path
    ) as device:
        device.initialize(seed)
        for label, sample in enumerate(samples(program.graph, count, seed)):
            device.train_step(sample, label % program.class_count, LearningRate.from_float(0.2))
        return device.read_state()


def test_masks_are_made_again_where_that_lowers_the_peak():
    without, within = compiled(0.0), compiled(0.1)
    total = sum(without.macs(phase) for phase in Phase)
    assert without.recomputed_macs == 0
    assert 0 < within.recomputed_macs <= 0.1 * total
    assert within.plan.arena_bytes < 0.92 * without.plan.arena_bytes
    assert within.macs(Phase.INFERENCE) == without.macs(Phase.INFERENCE)
    extra = within.macs(Phase.TRAINING) - without.macs(Phase.TRAINING)
    assert extra == within.recomputed_macs


def test_the_copies_run_right_before_what_needs_them():
    graph = compiled(0.1).graph
    names = [node.name for node in graph.nodes]
    for group in graph.row_groups:
        copy, mask = group.nodes
        assert copy == mask.replace("clamp_mask", "recomputed")
        reader = next(n for n in graph.nodes if mask in n.inputs)
        assert names.index(reader.name) == names.index(mask) + 1
        assert {n.phase for n in graph.nodes if n.name in group.nodes} == {Phase.TRAINING}


def test_inference_makes_nothing_recomputed():
    text = compiled(0.1).sources["kg_model.c"]
    prefix = text.index("void kg_run_suffix(")
    training = text.index("if (training) {", prefix)
    calls = re.compile(r"run_rows_\w+recomputed\(\);")
    assert not calls.search(text, prefix, training)
    assert len(calls.findall(text, training)) == 3


@pytest.mark.thorough
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 99), st.data())
def test_any_scheme_learns_the_same_bits(seed, data):
    graph = deep_network(seed)
    chosen = data.draw(st.sets(st.sampled_from(LAYERS), min_size=2))
    weights = {name: data.draw(st.sampled_from((0.25, 1.0))) for name in chosen}
    scheme = Scheme("drawn", tuple(chosen), weights)
    without, within = compiled(0.0, scheme, graph), compiled(1.0, scheme, graph)
    assert within.plan.arena_bytes <= without.plan.arena_bytes
    assert trained_state(within, seed) == trained_state(without, seed)


@pytest.mark.thorough
@pytest.mark.parametrize("target", ["cortex-m7", "cortex-m0plus"])
def test_devices_agree(target):
    devices = ["reference", "host", "unicorn"]
    assert verify_devices(compiled(0.1).for_target(get_target(target)), devices, steps=2).identical


def test_the_emulated_board_agrees(require_qemu):
    assert verify_devices(compiled(0.1), ["host", "qemu"], steps=2).identical


def test_rows_that_fill_no_bytes_are_left_alone():
    graph = random_network(0)
    program = compile_model(
        graph, load_scheme("full", graph), get_target("cortex-m7"), recompute=1.0
    )
    assert candidates(program.graph) == []


def test_nothing_is_done_twice_that_does_not_lower_the_peak():
    scheme = Scheme("last", ("head",), {"head": 1.0})
    program = compiled(1.0, scheme)
    assert program.recomputed_macs == 0
    assert Recompute(1.0).apply(program.graph) is program.graph


@pytest.mark.thorough
def test_little_memory_is_not_worth_much_work():
    """A peak is lowered by no less than the share of work that this adds."""
    without = compiled(0.0)
    total = sum(without.macs(phase) for phase in Phase)
    for share in (0.02, 0.05, 0.3, 1.0):
        within = compiled(share)
        saved = 1 - within.plan.arena_bytes / without.plan.arena_bytes
        assert saved >= within.recomputed_macs / total


def test_copies_are_in_the_text_of_a_graph():
    graph = compiled(0.1).graph
    assert parse_graph(print_graph(graph), contents(graph), REGISTRY) == graph


def test_a_group_runs_in_the_same_calls():
    graph = compiled(0.1).graph
    index = next(i for i, n in enumerate(graph.nodes) if n.phase is Phase.TRAINING)
    while graph.nodes[index].operator != "clamp_mask":
        index += 1
    pair = RowGroup((graph.nodes[index - 1].name, graph.nodes[index].name))
    with pytest.raises(InvalidGraphError, match="do not run in the same calls"):
        verify(replace(graph, row_groups=(pair,)), "test")


@pytest.mark.thorough
def test_all_levers_together_are_the_compiler():
    found = steps(GRAPH, SCHEME, get_target("cortex-m7"), row_input=False)
    plan = compiled(DEFAULT_SHARE).plan
    assert [step.optimization for step in found] == [
        None,
        *(
            optimization
            for optimization in Optimization
            if optimization is not Optimization.ROW_INPUT
        ),
    ]
    assert (found[-1].arena, found[-1].trainable) == (plan.arena_bytes, plan.state_bytes)
    assert found[-1].recomputed_macs > 0
    assert found[0].total > found[-1].total


@pytest.mark.thorough
def test_the_share_is_an_option(tmp_path):
    shared = ["compile", "kilograd-48", "--scheme", "last:5", "--json"]
    found = []
    for share in ("0", "100"):
        arguments = [*shared, "--recompute", share, "-o", str(tmp_path / share)]
        result = CliRunner().invoke(cli.app, arguments)
        assert result.exit_code == 0, result.output
        found.append(json.loads(result.stdout))
    assert found[0]["macs_recomputed"] == 0
    assert found[1]["arena"] <= found[0]["arena"]


def test_the_options_default_is_the_compilers():
    for command in (cli.compile_command, cli.measure, cli.verify):
        default = inspect.signature(command).parameters["recompute"].default
        assert default == 100 * DEFAULT_SHARE


def test_a_share_beyond_all_is_told():
    result = CliRunner().invoke(cli.app, ["measure", "kilograd-48", "--recompute", "101"])
    assert result.exit_code == 2
    assert "--recompute" in result.output


def test_predictions_are_those_of_the_forward_pass():
    within, without = compiled(0.1), compiled(0.0)
    predictions = []
    for program in (within, without):
        with HostDevice(
            build_host_library(program.for_target(get_target("host")).sources).path
        ) as device:
            device.initialize(0)
            predictions.append([device.predict(s) for s in samples(GRAPH, 3)])
    assert np.array_equal(*predictions)
