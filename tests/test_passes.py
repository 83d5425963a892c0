"""Passes: what verification catches, and what each pass may and may not do."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilograd import passes
from kilograd.compiler import compile_model
from kilograd.device.protocol import LearningRate
from kilograd.device.reference import ReferenceDevice
from kilograd.errors import KilogradError
from kilograd.ir import Kind, Phase
from kilograd.ir.text import contents, parse_graph, print_graph
from kilograd.memory import plan_memory
from kilograd.ops import REGISTRY
from kilograd.ops.spec import StepContext
from kilograd.passes import Differentiate, Order, Prune, Select, run_passes, verify
from kilograd.passes.verify import InvalidGraphError
from kilograd.scheme import Scheme, layers, load_scheme
from kilograd.targets import get_target
from operators.networks import residual_network, samples
from strategies import programs, schemes, small_graphs

FORWARD = residual_network()
NAMES = layers(FORWARD)
HEAD = compile_model(FORWARD, load_scheme("last:2", FORWARD), get_target("cortex-m7")).graph
TEXT = print_graph(HEAD, REGISTRY)
ARRAYS = contents(HEAD)


def edited(*changes):
    """The text of a trained graph with lines removed, replaced or moved by pattern."""
    lines = TEXT.splitlines()
    for pattern, change in changes:
        (index,) = [i for i, line in enumerate(lines) if re.match(pattern, line)]
        if change is None:
            del lines[index]
        elif callable(change):
            lines[index] = change(lines[index])
        else:
            (target,) = [i for i, line in enumerate(lines) if re.match(change, line)]
            lines.insert(target, lines.pop(index))
    return parse_graph("\n".join(lines), ARRAYS, REGISTRY)


def swap(old, new):
    return lambda line: line.replace(old, new, 1)


def twice(line):
    return line + "\n" + line.replace("node pool", "node pool2")


BROKEN = [
    ("two nodes are named pool", [("node stem ", swap("node stem", "node pool"))]),
    (
        "block1.expand reads %stem before it is made",
        [("node stem ", "node block1.depthwise ")],
    ),
    (
        "head.weight_rematerialized reads %head.weight.delta after its update",
        [("node head.weight_update ", "node head.weight_rematerialized ")],
    ),
    ("%pool is made twice, by pool2", [("node pool ", twice)]),
    ("%stem is made twice, by stem", [("activation %stem:", swap("activation", "input"))]),
    (
        "stem: outputs are .* but conv makes",
        [("activation %stem:", swap("int8[4,4,5]", "int8[4,5,5]"))],
    ),
    ("declared updates .* differ", [("update %head.weight.delta ", None)]),
    (
        "declared updates .* differ",
        [("update %head.weight.delta ", swap("head.weight_update", "head.bias_update"))],
    ),
    (
        "head.weight_update updates %head.weight.delta, which is no state",
        [("state %head.weight.delta:", swap("state", "constant"))],
    ),
    (
        "output %.* is never made",
        [("output ", lambda _: "activation %no: int8[1]\noutput %no")],
    ),
]


@pytest.mark.parametrize(("message", "changes"), BROKEN)
def test_verification_catches_each_broken_rule(message, changes):
    with pytest.raises(InvalidGraphError, match=message) as caught:
        verify(edited(*changes), after="editing")
    assert str(caught.value).startswith("after editing: ")
    assert caught.value.exit_code == 1


def test_the_unedited_text_is_valid():
    verify(edited(), after="nothing")


def broken_by_hand():
    values = dict(HEAD.values)
    weight, stem, node = values["stem.weight"], values["stem"], HEAD.nodes[0]
    others = HEAD.nodes[1:]
    yield "%stem.weight .constant. lacks contents", changed(replace(weight, data=None))
    yield "%stem .activation. has contents", changed(replace(stem, data=np.zeros(80, np.int8)))
    wrong = replace(weight, data=weight.array.astype(np.int16))
    yield r"is int8\[5, 3, 3, 3\] but holds int16\[5, 3, 3, 3\]", changed(wrong)
    yield "is int8.* but holds int8", changed(replace(weight, data=weight.array[:4]))
    values["other"] = weight
    yield "%stem.weight is filed under %other", replace(HEAD, values=values)
    for change, message in [
        ({"operator": "convolve"}, "stem: no operator named convolve"),
        ({"attributes": others[0].attributes}, "stem: attributes must be WindowedAttributes"),
        ({"inputs": ("input", "none", "stem.weight")}, "stem reads %none, which does not exist"),
        ({"inputs": ("input", "stem.bias")}, "stem .conv.: "),
        ({"outputs": ("stem", "more")}, "stem makes %more, which has no type"),
        ({"inputs": ("input", "stem.weight", "stem.bias")}, "stem .conv.: .*bias must be"),
    ]:
        yield message, replace(HEAD, nodes=(replace(node, **change), *others))


def changed(value):
    return replace(HEAD, values={**HEAD.values, value.name: value})


@pytest.mark.parametrize(("message", "graph"), list(broken_by_hand()))
def test_verification_catches_what_text_cannot_say(message, graph):
    with pytest.raises(InvalidGraphError, match=message):
        verify(graph, after="test")


@dataclass(frozen=True)
class Broken:
    name: str = "breaking"

    def apply(self, graph):
        return replace(graph, nodes=graph.nodes[1:])


def test_the_pass_that_breaks_a_graph_is_named():
    seen = []
    with pytest.raises(InvalidGraphError, match=r"after breaking: block1\.expand reads %stem"):
        run_passes(FORWARD, [Prune(), Broken(), Order()], lambda name, _: seen.append(name))
    assert seen == ["prune"]


def test_passes_name_no_operator():
    for path in Path(passes.__file__).parent.glob("*.py"):
        quoted = set(re.findall(r'"(\w+)"', path.read_text(encoding="utf-8")))
        assert not quoted & set(REGISTRY), path.name


# -- select: the strongest channels, and nothing else, become states


def test_select_trains_the_strongest_channels():
    layer_axis = {"block1.expand": 1, "stem": 3, "block2.depthwise": 2}
    values = dict(FORWARD.values)
    strongest = {}
    for layer, axis in layer_axis.items():
        weight = values[f"{layer}.weight"]
        array = np.sign(weight.array) * 5 + 1
        count = array.shape[axis]
        chosen = (count - 1, count - 2) if count > 3 else (count - 1,)
        index = [slice(None)] * array.ndim
        for channel in chosen:
            index[axis] = channel
            array[tuple(index)] = -90
        values[weight.name] = replace(weight, data=array.astype(np.int8))
        strongest[layer] = (tuple(sorted(chosen)), len(chosen) / count)
    graph = replace(FORWARD, values=values)
    scheme = {layer: share for layer, (_, share) in strongest.items()}
    selected = Select(frozenset(), scheme).apply(graph)
    verify(selected, after="select")
    for node in selected.nodes:
        if node.name in strongest:
            assert node.attributes.trained_channels == strongest[node.layer][0]
    moved = {f"{layer}.weight.delta" for layer in layer_axis}
    assert {state.name for state in selected.states} == moved
    assert not any(state.array.any() for state in selected.states)
    trained, frozen = (selected.values[f"block1.expand.weight{s}"] for s in (".base", ".frozen"))
    original = graph.values["block1.expand.weight"].array
    assert np.array_equal(trained.array, original[:, [3, 4]])
    assert np.array_equal(frozen.array, original[:, [0, 1, 2]])
    assert frozen.kind is Kind.CONSTANT


@pytest.mark.thorough
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_select_changes_no_prediction(data):
    graph = data.draw(small_graphs)
    scheme = data.draw(schemes(graph))
    (sample,) = samples(graph, 1)
    whole = ReferenceDevice(
        compile_model(graph, load_scheme("head", graph), get_target("cortex-m7"))
    )
    split = ReferenceDevice(compile_model(graph, scheme, get_target("cortex-m7")))
    assert np.array_equal(whole.predict(sample), split.predict(sample))
    assert {
        s.name for s in Select(frozenset(scheme.biases), scheme.weights).apply(graph).states
    } == {
        *(f"{layer}.bias.delta" for layer in scheme.biases),
        *(f"{layer}.weight.delta" for layer in scheme.weights),
    }


# -- differentiate and prune


def test_nothing_trained_is_a_fault():
    with pytest.raises(KilogradError, match="nothing that is trained leads to the logits"):
        Differentiate().apply(FORWARD)


@pytest.mark.thorough
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_only_what_the_scheme_asks_for_is_made(data):
    graph = data.draw(small_graphs)
    scheme = data.draw(schemes(graph))
    trained = compile_model(graph, scheme, get_target("cortex-m7")).graph
    asked = {f"{layer}.bias.delta" for layer in scheme.biases}
    asked |= {f"{layer}.weight.delta" for layer in scheme.weights}
    exponents = {name for name in trained.updates if name.endswith(".exponent")}
    assert set(trained.updates) == asked | exponents
    assert {state.name for state in trained.states} == asked | exponents
    steps = [node for node in trained.nodes if REGISTRY[node.operator].updates]
    assert {node.inputs[0] for node in steps} == set(trained.updates)
    assert len(steps) == len(trained.updates)
    selected = Select(frozenset(scheme.biases), scheme.weights).apply(graph).nodes
    inference = [n for n in trained.nodes if n.phase is Phase.INFERENCE]
    # Parameters are made before the group that reads them; all else keeps its order.
    assert sorted(n.name for n in inference) == sorted(n.name for n in selected)
    assert [n for n in inference if not trained.makes_parameter(n)] == [
        n for n in selected if not trained.makes_parameter(n)
    ]
    assert no_gradient_below(trained, set(scheme.biases) | set(scheme.weights))


def no_gradient_below(graph, trained_layers):
    """Training nodes belong to layers with something trained at or upstream of them."""
    reached = set()
    for node in graph.nodes:
        if node.phase is Phase.INFERENCE and (
            node.layer in trained_layers or reached.intersection(node.inputs)
        ):
            reached.update(node.outputs)
    upstream = {n.layer for n in graph.nodes if reached.intersection(n.outputs)}
    return {n.layer for n in graph.nodes if n.phase is Phase.TRAINING} <= upstream | {"loss"}


def test_gradients_stop_at_the_first_trained_layer():
    scheme = Scheme("test", ("block2.expand",), {"block2.depthwise": 1.0})
    graph = compile_model(FORWARD, scheme, get_target("cortex-m7")).graph
    made = {node.name for node in graph.nodes if node.phase is Phase.TRAINING}
    assert "block2.depthwise.input_gradient" in made
    assert {name for name in made if name.startswith(("stem", "block1"))} == set()
    assert "block2.expand.input_gradient" not in made
    assert "block2.project.bias_update" not in made
    assert not any("gradient_sum" in name for name in made)


@pytest.mark.thorough
@given(programs())
@settings(max_examples=25, deadline=None)
def test_prune_keeps_only_what_is_needed(program):
    graph = program.graph
    needed = {*graph.outputs, *graph.updates.values()}
    for node in graph.nodes:
        needed.update(node.inputs)
    assert all(needed.intersection(node.outputs) for node in graph.nodes)
    assert Prune().apply(graph).nodes == graph.nodes


def test_prune_removes_a_dead_branch():
    dead = replace(FORWARD.nodes[3], name="dead", outputs=("dead",))
    assert dead.operator == "pointwise"
    value = replace(FORWARD.values[FORWARD.nodes[3].outputs[0]], name="dead")
    nodes = (*FORWARD.nodes, dead)
    graph = replace(FORWARD, nodes=nodes, values={**FORWARD.values, "dead": value})
    verify(graph, after="adding")
    pruned = Prune().apply(graph)
    assert pruned.nodes == FORWARD.nodes
    assert "dead" not in pruned.values


# -- order


def before_order(graph, scheme):
    select = Select(frozenset(scheme.biases), dict(scheme.weights))
    return run_passes(graph, [select, Differentiate(), Prune()])


@pytest.mark.thorough
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_order_changes_no_result(data):
    graph = data.draw(small_graphs)
    program = compile_model(graph, data.draw(schemes(graph)), get_target("cortex-m7"))
    unordered = before_order(graph, program.scheme)
    ordered = program.graph
    own = [n.name for n in ordered.nodes if not n.name.endswith(".recomputed")]
    assert sorted(own) == sorted(n.name for n in unordered.nodes)
    (sample,) = samples(graph, 1)
    context = StepContext(5, 6, 0, *LearningRate.from_float(0.3).at(6))
    results = [
        ReferenceDevice(replace(program, graph=g)).run_all(sample, context)
        for g in (unordered, ordered)
    ]
    for name, array in results[1].items():
        assert np.array_equal(array, results[0][name.removesuffix(".recomputed")]), name
    assert results[0].keys() <= results[1].keys()


@pytest.mark.parametrize("scheme", ["head", "bias:5", "last:4", "full"])
def test_list_scheduling_runs_weight_updates_as_soon_as_they_can(scheme):
    after = {}
    compile_model(FORWARD, load_scheme(scheme, FORWARD), get_target("cortex-m7"), after.__setitem__)
    graph = after["order"]
    position = {node.name: i for i, node in enumerate(graph.nodes)}
    made = {output: i for i, node in enumerate(graph.nodes) for output in node.outputs}
    readers = graph.readers()
    last_use = {name: position[nodes[-1].name] for name, nodes in readers.items() if nodes}

    def growth(index):
        node = graph.nodes[index]
        kept = set(node.outputs) - set(REGISTRY[node.operator].overwritten(node))
        freed = [n for n in set(node.inputs) if last_use[n] == index and n not in graph.outputs]
        return sum(graph.type_of(name).nbytes for name in kept) - sum(
            graph.type_of(n).nbytes
            for n in freed
            if graph.values[n].kind in (Kind.ACTIVATION, Kind.INPUT)
        )

    steps = [n for n in graph.nodes if n.operator.endswith("weight_update")]
    assert steps
    for node in steps:
        index = position[node.name]
        weight = node.inputs[0]
        others = [position[n.name] for n in readers[weight] if n is not node]
        assert all(other < index for other in others)
        ready = max([*others, *(made.get(name, -1) for name in node.inputs)])
        between = [i for i in range(ready + 1, index) if growth(i) > 0]
        assert not between, [graph.nodes[i].name for i in between]


def test_order_lowers_the_peak():
    scheme = load_scheme("full", FORWARD)
    ordered = plan_memory(compile_model(FORWARD, scheme, get_target("cortex-m7")).graph)
    unordered = plan_memory(before_order(FORWARD, scheme))
    assert ordered.arena_bytes < unordered.arena_bytes
    assert ordered.placement_bound_bytes < unordered.placement_bound_bytes


def test_inference_must_not_read_what_only_training_makes():
    training = next(node for node in HEAD.nodes if node.phase is Phase.TRAINING)
    nodes = [
        replace(node, phase=Phase.INFERENCE) if set(training.outputs) & set(node.inputs) else node
        for node in HEAD.nodes
    ]
    with pytest.raises(InvalidGraphError, match="runs in inference but reads"):
        verify(replace(HEAD, nodes=tuple(nodes)), after="test")
