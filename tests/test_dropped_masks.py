"""Clamps that cannot act need no mask: proven from frozen parameters alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilograd.compiler import compile_model
from kilograd.ir import Graph, Kind, Node, Quantization, Value
from kilograd.ops import REGISTRY
from kilograd.ops.spec import StepContext
from kilograd.scheme import Scheme
from kilograd.targets import get_target
from operators.cases import all_cases
from operators.draws import draw_inputs
from operators.networks import Network
from test_recompute import trained_state

CASES = [
    item
    for item in all_cases()
    if item.spec.name in ("pointwise", "conv", "depthwise", "add")
    and item.alias is None
    and not item.case.name.endswith("-scales")
    and len(item.case.inputs) <= 3
]


def graph_of(item, arrays, scale):
    """One node whose parameters are constants, with another scale of its result."""
    output = replace(item.case.attributes.output, scales=(scale,))
    attributes = replace(item.case.attributes, output=output)
    has_weights = item.spec.has_weights
    values = {
        f"v{i}": Value(
            f"v{i}",
            type_,
            Kind.CONSTANT if has_weights and name != "x" else Kind.INPUT,
            arrays[i] if has_weights and name != "x" else None,
        )
        for i, (name, type_) in enumerate(zip(item.reads, item.case.inputs, strict=True))
    }
    (made,) = item.spec.infer(attributes, item.case.inputs)
    values["y"] = Value("y", made, Kind.ACTIVATION)
    node = Node("n", item.spec.name, tuple(values)[:-1], ("y",), attributes, "n")
    return Graph("one", values, (node,), ("y",))


@settings(max_examples=60)
@given(st.sampled_from(CASES), st.integers(0, 2**32), st.floats(0.001, 50.0))
def test_what_is_proven_holds_for_the_most_extreme_inputs(item, seed, scale):
    rng = np.random.default_rng(seed)
    arrays = draw_inputs(item.spec, item.case, rng, "uniform")
    graph = graph_of(item, arrays, scale)
    (node,) = graph.nodes
    if item.spec.may_clamp(node, graph):
        return
    for _ in range(20):
        maps = [i for i in range(len(arrays)) if not item.spec.has_weights or item.reads[i] == "x"]
        for i in maps:
            arrays[i] = rng.choice(np.array([-128, 127], np.int8), arrays[i].shape)
        types = graph.types(node.inputs)
        (y,) = item.spec.reference(node.attributes, types, arrays, StepContext())
        assert -128 < y.min() <= y.max() < 127


@pytest.mark.parametrize("item", CASES, ids=str)
def test_wide_results_are_proven_and_narrow_ones_are_not(item):
    arrays = draw_inputs(item.spec, item.case, np.random.default_rng(0), "uniform")
    answers = [
        item.spec.may_clamp(graph.nodes[0], graph)
        for graph in (graph_of(item, arrays, scale) for scale in (1e6, 1e-4))
    ]
    assert answers == [item.case.attributes.output.zero_point in (-128, 127), True]


def test_a_proof_is_tight_for_a_sum():
    """0.1 · (127 − 0) · 2 in units of 0.2016 is 125.99…; in units of 0.2 it is 127."""
    item = next(item for item in CASES if item.spec.name == "add")
    types = tuple(replace(t, quantization=Quantization((0.1,), 0)) for t in item.case.inputs)
    item = replace(item, case=replace(item.case, inputs=types))
    item = replace(
        item,
        case=replace(
            item.case,
            attributes=replace(item.case.attributes, output=Quantization((0.2,), 0)),
        ),
    )
    for scale, may in ((0.2, True), (0.2025, False)):
        graph = graph_of(
            item, draw_inputs(item.spec, item.case, np.random.default_rng(0), "uniform"), scale
        )
        assert item.spec.may_clamp(graph.nodes[0], graph) == may


def wide_network():
    """A residual sum that is quantized for more than it can be."""
    network = Network(0, (4, 4, 8))
    x = network.pointwise("a", "input", 8, relu=True)
    y = network.pointwise("b", x, 8)
    types = [network.builder.type_of(name) for name in (x, y)]
    wide = Quantization((2.2 * (types[0].scale + types[1].scale),), 0)
    network.reals["sum"] = [p + q for p, q in zip(network.reals[x], network.reals[y], strict=True)]
    total = network.builder.add("sum", x, y, wide)
    return network.finish(network.pointwise("c", total, 8), 3)


def test_a_sum_that_cannot_clamp_has_no_mask_and_the_same_bits(monkeypatch):
    graph = wide_network()
    scheme = Scheme("b", ("b", "head"), {"b": 1.0, "head": 1.0})
    without = compile_model(graph, scheme, get_target("cortex-m7"))
    add = type(REGISTRY["add"])
    monkeypatch.setattr(add, "may_clamp", lambda *_: True)
    within = compile_model(graph, scheme, get_target("cortex-m7"))
    masks = [
        {n.name for n in p.graph.nodes if n.operator == "clamp_mask"} for p in (without, within)
    ]
    assert masks[1] - masks[0] == {"sum.clamp_mask"}
    assert trained_state(without) == trained_state(within)


def test_a_trained_layer_keeps_its_mask():
    """Its weights may go anywhere."""
    graph = wide_network()
    scheme = Scheme("all", ("a", "b", "c"), {"a": 1.0, "b": 1.0, "c": 1.0})
    program = compile_model(graph, scheme, get_target("cortex-m7"))
    masks = {n.name for n in program.graph.nodes if n.operator == "clamp_mask"}
    assert masks == {"a.clamp_mask", "b.clamp_mask", "c.clamp_mask"}
