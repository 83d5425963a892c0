"""What operators say they compute with is what they compute with, whatever of it is trained."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exported_weights import accumulators, as_kept, frozen_graph, logits
from kilograd.compiler import compile_model
from kilograd.device.reference import ReferenceDevice
from kilograd.errors import DataError
from kilograd.export.weights import NetworkWeights
from kilograd.ir import Graph, Kind, Node, Value
from kilograd.ops import REGISTRY, OpSpec
from kilograd.ops.arithmetic import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    requantize,
)
from kilograd.ops.spec import StepContext
from kilograd.scheme import Scheme, layers, load_scheme
from operators.cases import all_cases
from operators.draws import draw_array, draw_inputs
from operators.networks import deep_network, residual_network, samples
from strategies import programs, seeds

CASES = [item for item in all_cases() if item.spec.has_weights]


def test_every_operator_with_weights_gives_them():
    have = {name for name, spec in REGISTRY.items() if spec.has_weights}
    give = {name for name, spec in REGISTRY.items() if type(spec).weights is not OpSpec.weights}
    assert have == give == {item.spec.name for item in CASES}


def test_an_operator_without_weights():
    graph = residual_network()
    node = next(node for node in graph.nodes if node.operator == "add")
    with pytest.raises(NotImplementedError, match=r"operator add of node block1\.join has no wei"):
        REGISTRY["add"].weights(node, graph)


@pytest.mark.parametrize("index", range(len(CASES)), ids=[str(item) for item in CASES])
@pytest.mark.parametrize("fill", ["uniform", "extremes"])
def test_weights_are_what_the_reference_multiplies(index, fill):
    spec, case = CASES[index].spec, CASES[index].case
    drawn = draw_inputs(spec, case, np.random.default_rng(index), fill)
    names = spec.operand_names(case.attributes)
    values = {
        name: Value(name, type_, Kind.INPUT if name == "x" else Kind.CONSTANT, array)
        for name, type_, array in zip(names, case.inputs, drawn, strict=True)
    }
    node = Node("layer", spec.name, names, ("y",), case.attributes, "layer")
    found = spec.weights(node, Graph("one", values, (node,), ("y",)))

    (expected,) = spec.reference(case.attributes, case.inputs, drawn, StepContext(0, 0))
    x, output = values["x"].type, case.attributes.output
    window = getattr(case.attributes, "window", None)
    weight = found.weight_int8
    if weight.ndim == 2:
        weight = weight[:, :, None, None]
    taken = drawn[0].astype(np.int64) - x.zero_point
    sums = accumulators(taken, weight.astype(np.int64), found.bias_int32, window)
    pairs = [quantize_multiplier(x.scale * s / output.scale) for s in found.weight_scale]
    multipliers, shifts = (np.array(part, np.int64) for part in zip(*pairs, strict=True))
    if expected.dtype == np.int8:
        assert np.array_equal(requantize(sums, multipliers, shifts, output.zero_point), expected)
    else:
        scaled = multiply_by_quantized_multiplier(sums, multipliers, shifts)
        assert np.array_equal(scaled.reshape(expected.shape), expected)

    scale = found.weight_scale.reshape(-1, *[1] * (found.weight.ndim - 1))
    assert np.max(np.abs(found.weight / scale - found.weight_int8)) <= 0.5 + 1e-9
    assert np.allclose(found.bias, found.bias_int32 * x.scale * found.weight_scale, rtol=1e-12)


def random_state(program, seed):
    """A state with any deltas that training can make."""
    rng = np.random.default_rng(seed)
    device = ReferenceDevice(program)
    state = bytearray(device.read_state())
    for value in program.graph.states:
        fill = ("uniform", "small", "extremes")[int(rng.integers(3))]
        limit = 127 if value.type.dtype.itemsize == 1 else 32767
        limit = 400 if value.type.dtype.itemsize == 4 else limit  # exponents
        data = draw_array(value.type, rng, fill, -limit, limit).tobytes()
        offset = program.plan.states[value.name]
        state[offset : offset + len(data)] = data
    return bytes(state)


def moved_steps(graph, state, name):
    """Base plus delta of a weight in its steps, from the values that hold them; None if frozen."""
    delta = graph.values.get(f"{name}.delta")
    if delta is None:
        return None
    base = graph.values.get(f"{name}.base")
    fraction = 8 if delta.type.dtype.itemsize == 1 else 256
    steps = state[delta.name].astype(float) / fraction
    return np.clip(steps if base is None else steps + base.array, -127, 127)


@pytest.mark.thorough
@settings(max_examples=25)
@given(programs(), seeds)
def test_a_network_of_exported_integers_answers_as_the_device(program, seed):
    state = random_state(program, seed)
    weights = NetworkWeights.of_program(program, state)
    device = ReferenceDevice(program)
    device.write_state(state)
    same = frozen_graph(program.request.graph, weights.arrays())
    for sample in samples(program.request.graph, 3, seed):
        assert np.array_equal(logits(same, sample), device.predict(sample))


@pytest.mark.thorough
@settings(max_examples=25)
@given(programs(), seeds)
def test_real_valued_weights_have_the_resolution_of_the_delta(program, seed):
    state = random_state(program, seed)
    weights = NetworkWeights.of_program(program, state)
    holding = program.holding(state)
    states = {value.name: value.array for value in holding.states}
    arrays = weights.arrays()
    for node in holding.nodes:
        spec = REGISTRY[node.operator]
        if not spec.has_weights or node.name != node.layer:
            continue
        layer = weights.layers[node.layer]
        scale = layer.weight_scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
        kept = program.request.graph.type_of(f"{node.layer}.weight").shape
        found = as_kept(arrays[f"{node.layer}.weight"] / scale, kept)
        steps = moved_steps(holding, states, f"{node.layer}.weight")
        is_split = "frozen" in spec.operand_names(node.attributes)
        if steps is not None:
            columns = list(node.attributes.trained_channels) if is_split else slice(None)
            part = found[:, columns] if is_split else found
            assert np.allclose(part, steps, rtol=1e-6)
            assert np.array_equal(np.rint(part * 256), np.rint(steps * 256))
        else:
            assert np.allclose(found, as_kept(layer.weight_int8, kept), rtol=1e-6)


@given(st.integers(0, 3))
@settings(max_examples=4)
def test_a_model_as_it_came_is_what_its_constants_are(seed):
    graph = residual_network(seed)
    arrays = NetworkWeights.of_model(graph).arrays()
    same = frozen_graph(graph, arrays)
    for value in graph.constants:
        assert np.array_equal(same.values[value.name].array, value.array)
    program = compile_model(graph, load_scheme("full", graph))
    of_program = NetworkWeights.of_program(program).arrays()
    for name in arrays.keys() - {"header"}:
        assert np.array_equal(arrays[name], of_program[name])


def test_split_and_whole_biases_and_a_fresh_head():
    graph = residual_network()
    scheme = Scheme("some", ("block2.expand", "head"), {"block2.expand": 0.4, "head": 1.0})
    program = compile_model(graph, scheme)
    state = random_state(program, 5)
    layer = NetworkWeights.of_program(program, state).layers["block2.expand"]
    before = NetworkWeights.of_model(graph).layers["block2.expand"]
    moved = np.any(layer.weight != before.weight, axis=(0, 2, 3))
    node = next(node for node in program.graph.nodes if node.name == "block2.expand")
    assert set(np.flatnonzero(moved)) <= set(node.attributes.trained_channels)
    assert moved.any()
    assert np.any(layer.bias_int32 != before.bias_int32)


def test_a_state_of_another_size_is_refused():
    graph = residual_network()
    program = compile_model(graph, load_scheme("head", graph))
    for state in (b"", b"\0" * 12, ReferenceDevice(program).read_state() + b"\0"):
        with pytest.raises(DataError, match=f"bytes, not {len(state)}"):
            NetworkWeights.of_program(program, state)


def test_classes_that_are_not_active_yet_are_there():
    graph = residual_network()
    program = compile_model(graph, load_scheme("head", graph))
    device = ReferenceDevice(program)
    device.set_active_classes(2)
    weights = NetworkWeights.of_program(program, device.read_state())
    assert (weights.learned.active_classes, len(weights.class_names)) == (2, 5)
    assert weights.layers["head"].weight.shape == (5, 6)


def test_copies_that_are_recomputed_are_left_out():
    graph = deep_network()
    names = layers(graph)
    scheme = Scheme("expands", tuple(names), {n: 1.0 for n in names if n.endswith("expand")})
    program = compile_model(graph, scheme, recompute=0.1)
    assert len(layers(program.graph)) > len(names)
    assert list(NetworkWeights.of_program(program).layers) == names
