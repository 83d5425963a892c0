"""Forward and gradient of every registered operator against its own real formula.

Nothing here names an operator: whatever has a gradient is checked on all its cases. The gradient
rule runs on a graph of the one node, and the mean over many roundings is compared with differences
of ``OpSpec.real`` in float64.
"""

from dataclasses import replace

import numpy as np
import pytest

from kilograd.ir import Graph, Kind, Node, Quantization, Value
from kilograd.ops import REGISTRY
from kilograd.ops.spec import OpSpec, StepContext
from operators import real
from operators.cases import OperatorCase, all_cases
from operators.draws import draw_inputs
from operators.gradient_rule import GradientRule

CASES = [item for item in all_cases() if item.alias is None and item.spec.is_differentiable]
#: Their results are too wide or too narrow for a gradient to get through.
USUAL = [item for item in CASES if not item.case.name.endswith("-scales")]
TRAINED = [item for item in USUAL if item.spec.has_weights and item.reads[2:] == ("weight",)]
#: Roundings that are averaged.
DRAWS = 32
#: Elements whose derivative is compared.
SAMPLED = 20


def test_every_differentiable_operator_gives_its_real_formula():
    for name, spec in REGISTRY.items():
        assert (type(spec).real is not OpSpec.real) == spec.is_differentiable, name
        assert spec.is_differentiable or not spec.has_weights, name


@pytest.mark.parametrize("item", CASES, ids=str)
def test_forward_is_the_real_formula_rounded(item):
    (type_,) = item.outputs
    for seed in range(3):
        arrays = draw_inputs(item.spec, item.case, np.random.default_rng(seed), "uniform")
        steps = real_result(item, real_inputs(item, arrays)) / type_.scale + type_.zero_point
        (result,) = item.spec.reference(
            item.case.attributes, item.case.inputs, arrays, StepContext()
        )
        info = np.iinfo(result.dtype)
        fits = (np.abs(steps) < 2**29) | (result.dtype == np.int8)
        expected = np.clip(steps, info.min, info.max)
        error = np.abs(result - expected)[fits]
        assert np.all(error <= 1 + 2.0**-29 * np.abs(expected[fits]))


@pytest.mark.parametrize("item", USUAL, ids=str)
def test_input_gradients_are_those_of_the_real_formula(item):
    arrays = usual_contents(item)
    graph = graph_of(item, arrays)
    maps = [value.name for value in graph.inputs]
    rule = GradientRule(graph, maps, named(item, arrays, maps), seed=1)
    assert np.any(rule.upstream), "every result of this case is clamped"
    values = real_inputs(item, arrays)
    for name in maps:
        assert rule.reaches(name), f"no gradient reaches {name}"
        found, unit = rule.mean_gradient(name, DRAWS)
        places, expected = derivatives(item, values, name, rule.upstream)
        compare(found.ravel()[places], expected, unit)


@pytest.mark.parametrize("sliced", [False, True])
@pytest.mark.parametrize("item", TRAINED, ids=str)
def test_updates_are_steps_down_the_real_gradient(item, sliced):
    item = with_bias_scales(item)
    arrays = usual_contents(item)
    graph = graph_of(item, arrays)
    trained = item.spec.trainable(graph.nodes[0], graph, bias=True, share=1.0)
    trained = item.spec.in_slices(trained) if sliced else trained
    values = {**graph.values, **{value.name: value for value in trained.values}}
    graph = replace(graph, values=values).with_nodes([*trained.before, trained.node])
    rule = GradientRule(graph, [], named(item, arrays, ["x"]), seed=2)
    updates = rule.mean_updates(DRAWS)
    assert set(updates) == {"bias.delta", "weight.delta"}
    for state, (found, unit) in updates.items():
        name = state.removesuffix(".delta")
        places, expected = derivatives(item, real_inputs(item, arrays), name, rule.upstream)
        compare(found.ravel()[places], expected, unit.ravel()[places])


def usual_contents(item: OperatorCase):
    """Small numbers, so that few results are clamped; biases that are smaller still."""
    rng = np.random.default_rng(5)
    arrays = draw_inputs(item.spec, item.case, rng, "small")
    return [
        rng.integers(-9, 10, array.shape).astype(array.dtype) if array.dtype == np.int32 else array
        for array in arrays
    ]


def with_bias_scales(item: OperatorCase) -> OperatorCase:
    """A bias has the scales of the products that it is added to."""
    scales = tuple(item.types.x.scale * scale for scale in item.types.weight.scales)
    inputs = [
        replace(type_, quantization=Quantization(scales, 0, 0)) if name == "bias" else type_
        for name, type_ in zip(item.reads, item.case.inputs, strict=True)
    ]
    return replace(item, case=replace(item.case, inputs=tuple(inputs)))


def graph_of(item: OperatorCase, arrays) -> Graph:
    """A graph of the one node: maps are inputs, parameters of a layer constants."""
    values = {}
    for name, type_, array in zip(item.reads, item.case.inputs, arrays, strict=True):
        is_map = name == "x" or not item.spec.has_weights
        kind = Kind.INPUT if is_map else Kind.CONSTANT
        values[name] = Value(name, type_, kind, None if is_map else array)
    (type_,) = item.outputs
    values["result"] = Value("result", type_, Kind.ACTIVATION)
    node = Node("n", item.spec.name, item.reads, ("result",), item.case.attributes, "n")
    return Graph("one", values, (node,), ("result",))


def named(item: OperatorCase, arrays, names):
    return {name: arrays[item.reads.index(name)] for name in names}


def real_inputs(item: OperatorCase, arrays):
    """Real values by operand; a delta is rounded to whole steps of its weight, as kernels do it."""
    types = with_bias_scales(item).types if item.spec.has_weights else item.types
    values = {}
    for name, type_, array in zip(item.reads, types, arrays, strict=True):
        if name == "delta":
            bits = item.case.attributes.fraction_bits
            weight = arrays[item.reads.index("weight")].astype(np.int64)
            steps = (array.astype(np.int64) + (1 << (bits - 1))) >> bits
            array, type_ = np.clip(weight + steps, -127, 127) - weight, types.weight  # noqa: PLW2901
        values[name] = real.dequantize(array, type_)
    return values


def real_result(item: OperatorCase, values):
    return item.spec.real(item.case.attributes, item.case.inputs, list(values.values()))


def derivatives(item: OperatorCase, values, name, upstream):
    """Of ⟨upstream, result⟩ for some elements of an input; none at a kink of the formula."""
    generator = np.random.default_rng(6)
    at = values[name].astype(np.float64)
    places = generator.permutation(at.size)[:SAMPLED]
    epsilon = 1e-6 * max(1.0, float(np.abs(at).max()))

    def loss(moved):
        return float((real_result(item, {**values, name: moved}) * upstream).sum())

    sides = np.zeros((2, len(places)))
    for k, flat in enumerate(places):
        for side, sign in enumerate((1, -1)):
            moved = at.copy()
            moved.flat[flat] += sign * epsilon
            sides[side, k] = sign * (loss(moved) - loss(at)) / epsilon
    largest = max(float(np.abs(sides).max()), 1e-30)
    is_smooth = np.abs(sides[0] - sides[1]) < 1e-2 * largest
    assert is_smooth.any(), "every place is a kink: test other contents"
    return places[is_smooth], sides.mean(axis=0)[is_smooth]


def compare(found, expected, unit):
    """Equal but for what rounding leaves in a mean, and for fixed-point scales."""
    largest = float(np.abs(expected).max())
    tolerance = 6 * 0.5 * unit / np.sqrt(DRAWS) + 0.01 * np.abs(expected) + 0.01 * largest
    assert np.all(np.abs(found - expected) <= tolerance), (found, expected)
