"""Gradients in integers against real formulas and finite differences in float64."""

from functools import cache
from unittest.mock import patch

import numpy as np
import pytest

from kilograd.device.protocol import LearningRate
from kilograd.ops import REGISTRY
from kilograd.ops.spec import Control, StepContext
from kilograd.passes import differentiate
from kilograd.scheme import Scheme, layers
from operators import real
from operators.cases import all_cases
from operators.draws import draw_inputs
from operators.formulas import BACKWARD, backward, forward
from operators.integer import IntegerModel, compile_recorded, cosine, norm_ratio
from operators.networks import RealModel, residual_network, samples, squeeze_excite_network

CASES = [item for item in all_cases() if item.alias is None]
FORWARD = [i for i in CASES if i.spec.has_weights or i.spec.name in ("add", "average_pool")]
STEPS = [i for i in CASES if i.spec.name in BACKWARD and i.spec.updates]
TENSORS = [i for i in CASES if i.spec.name in BACKWARD and not i.spec.updates]
LABEL = 1
LOSSES = {
    "softmax_cross_entropy",
    "sigmoid_cross_entropy",
    "huber_loss",
    "reconstruction_loss",
}


def test_every_operator_that_rounds_at_random_has_a_formula():
    random = {item.spec.name for item in CASES if Control() in item.kernel.arguments}
    assert random - set(BACKWARD) == LOSSES
    assert {item.spec.name for item in CASES if item.spec.has_weights} == {
        name for name, spec in REGISTRY.items() if spec.has_weights
    }


@pytest.mark.parametrize("item", FORWARD, ids=str)
def test_forward_is_the_real_formula_rounded(item):
    for seed in range(4):
        arrays = draw_inputs(item.spec, item.case, np.random.default_rng(seed), "uniform")
        exact = forward(item, arrays)
        (result,) = run(item, arrays, StepContext())
        (type_,) = item.outputs
        if item.spec.name == "dense":
            fits = np.abs(exact) < 2**29
            assert np.all(np.abs(result - exact)[fits] <= 1 + 2.0**-30 * np.abs(exact[fits]))
        else:
            expected = np.clip(exact + type_.zero_point, -128, 127)
            assert np.abs(result - expected).max() <= 1
            assert np.abs(result - expected).mean() <= 0.5


@pytest.mark.parametrize("item", TENSORS, ids=str)
def test_gradient_tensors_are_the_real_formula_rounded(item):
    rng = np.random.default_rng(3)
    arrays = draw_inputs(item.spec, item.case, rng, "uniform")
    exact = backward(item, arrays, rng)
    largest = max(float(np.abs(exact.values).max()), 1e-30)
    exponent = int(np.ceil(np.log2(largest / 100)))
    arrays[-1] = np.array([16 * exponent + int(rng.integers(16))], np.int32)
    scaled = exact.values / 2.0**exponent
    slack = exact.slack / 2.0**exponent + 2.0**-12 * np.abs(scaled)
    draws = []
    for seed in range(48):
        result, seen = run(item, arrays, StepContext(seed, seed * 7))
        chosen = result.ravel()[exact.at]
        assert np.all(np.abs(chosen - scaled) < 1 + slack)
        bits = int(np.abs(result).max()).bit_length()
        assert int(seen[0]).bit_length() == bits or (bits == 7 and int(seen[0]) > 127)
        draws.append(chosen)
    mean = np.mean(draws, axis=0)
    assert np.all(np.abs(mean - scaled) < 5.5 * 0.5 / np.sqrt(len(draws)) + slack)
    assert abs((mean - scaled).mean()) < 3 / np.sqrt(np.size(draws)) + slack.mean()


@pytest.mark.parametrize("item", STEPS, ids=str)
def test_steps_are_the_real_formula_rounded(item):
    rng = np.random.default_rng(4)
    arrays = draw_inputs(item.spec, item.case, rng, "uniform")
    exact = backward(item, arrays, rng)
    largest = max(float(np.abs(exact.values).max()), 1e-30)
    rate = LearningRate.from_float(20 / largest)
    wanted = -rate.value * exact.values
    old = arrays[0].ravel()[exact.at].astype(np.int64)
    limit = {"int8": 127, "int16": 32767, "int32": 2**30}[item.case.inputs[0].dtype.value]
    errors = []
    for seed in range(48):
        context = StepContext(seed, seed * 7, 0, rate.mantissa, rate.exponent)
        (new,) = run(item, arrays, context)
        expected = np.clip(old + wanted, -limit, limit)
        error = new.ravel()[exact.at] - expected
        assert np.all(np.abs(error) < 1 + 2.0**-11 * np.abs(wanted))
        if exact.frozen is not None:
            assert np.array_equal(new[exact.frozen], arrays[0][exact.frozen])
        errors.append(np.where(np.abs(old + wanted) < limit - 1, error, 0))
    assert np.all(np.abs(np.mean(errors, axis=0)) < 5.5 * 0.5 / np.sqrt(len(errors)) + 0.01)
    assert abs(np.mean(errors)) < 3 / np.sqrt(np.size(errors)) + 0.01


@pytest.mark.parametrize("item", [i for i in CASES if i.spec.name == "mask_gradient"], ids=str)
def test_masks_pass_what_is_not_clamped(item):
    rng = np.random.default_rng(5)
    activation = rng.choice([-128, -127, 0, 126, 127], item.case.inputs[0].shape).astype(np.int8)
    (gradient, _) = draw_inputs(item.spec, item.case, rng, "uniform")
    mask_spec = REGISTRY["clamp_mask"]
    (mask,) = mask_spec.reference(
        next(iter(mask_spec.cases())).attributes, item.case.inputs[:1], [activation], StepContext()
    )
    (result,) = run(item, [gradient, mask], StepContext())
    inside = np.isin(activation, (-127, 0, 126))
    assert np.array_equal(result, np.where(inside, gradient, 0))


@pytest.mark.parametrize("item", [i for i in CASES if i.spec.name in LOSSES], ids=str)
def test_loss_gradient_is_that_of_the_loss(item):
    rng = np.random.default_rng(6)
    loss = real.LOSSES[item.spec.label_kind]
    for label in range(min(item.case.inputs[0].size, 4)):
        arrays = draw_inputs(item.spec, item.case, rng, "uniform")
        values, *others = map(real.dequantize, arrays, item.case.inputs)
        # A sample is compared in the unit that an operator's attributes have.
        more = (others[0], item.case.attributes) if others else ()
        expected = real.numeric_gradient(lambda v, y=label, m=more: loss(v, y, *m), values, 1e-4)
        gradient, exponent = run(item, arrays, StepContext(9, 9, label))
        unit = 2.0 ** int(exponent[0])
        tolerance = 1e-6 * max(1.0, np.abs(values).max())
        assert np.abs(gradient * unit - expected).max() < unit + tolerance
        assert np.abs(gradient).max() >= 63 or np.abs(expected).max() < 2.0**-22


def run(item, arrays, context):
    case = item.case
    return item.spec.reference(case.attributes, case.inputs, arrays, context)


@cache
def trained(seed, share, network=residual_network):
    """Integer and real model of a network, everything trained at this share."""
    graph = network(seed)
    names = layers(graph)
    scheme = Scheme("test", tuple(names), dict.fromkeys(names, share))
    program, recorded = compile_recorded(graph, scheme)
    sample = samples(graph, 1, seed)[0]
    integer = IntegerModel(program, sample, LABEL)
    x = real.dequantize(sample, graph.inputs[0].type)
    return integer, RealModel(program.graph, integer.activations), recorded, x


@pytest.mark.parametrize(
    ("seed", "share"),
    [
        (1, 1.0),
        (2, 0.4),
        pytest.param(1, 0.4, marks=pytest.mark.thorough),
        pytest.param(2, 1.0, marks=pytest.mark.thorough),
    ],
)
def test_parameter_gradients_of_a_network(seed, share):
    integer, model, _, x = trained(seed, share)
    gradients = integer.parameter_gradients(seeds=16)
    states = {s.name for s in model.graph.states if s.type.quantization is not None}
    assert set(gradients) == states
    assert len(states) == 2 * len(layers(model.graph))
    for name, gradient in gradients.items():
        expected = real.numeric_gradient(
            lambda p, n=name: model.loss(x, LABEL, {n: p}), model.parameters[name], 1e-5
        )
        if share < 1:
            expected = only_trained(model.graph, name, expected)
        check(name, gradient, expected)


@pytest.mark.parametrize("seed", [1, 2])
def test_activation_gradients_of_a_network(seed):
    integer, model, recorded, x = trained(seed, 1.0)
    gradients = integer.activation_gradients(recorded, seeds=16)
    layers_only = [node for node in model.nodes if node.name == node.layer]
    assert set(gradients) == {node.outputs[0] for node in layers_only}
    for name, gradient in gradients.items():
        check(name, gradient, activation_gradient(model, x, name))


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [1, 2])
def test_gradients_of_a_network_with_squeeze_and_excite(seed):
    """The gates' layers, too: their gradients are sums over the positions of a map."""
    integer, model, recorded, x = trained(seed, 1.0, squeeze_excite_network)
    model.anchored(x)
    found = {
        name: (gradient, activation_gradient(model, x, name))
        for name, gradient in integer.activation_gradients(recorded, seeds=16).items()
    }
    for name, gradient in integer.parameter_gradients(seeds=16).items():
        expected = real.numeric_gradient(
            lambda p, n=name: model.loss(x, LABEL, {n: p}), model.parameters[name], 1e-5
        )
        found[name] = gradient, expected
    assert {"block1.mean", "block1.squeeze.weight.delta", "block2.excite.bias.delta"} <= set(found)
    passing = 0
    for name, (gradient, expected) in found.items():
        if expected.any():
            passing += 1
            check(name, gradient, expected)
        else:  # behind a block whose squeezed channels are all clamped for this sample
            assert not gradient.any(), name
    assert passing > 0.75 * len(found)


def test_gradients_that_meet_at_a_residual_join_are_summed():
    """The stem is read by the block and by its join; assigning one branch must be noticed."""
    integer, model, recorded, x = trained(1, 1.0)
    expected = activation_gradient(model, x, "stem")
    summed = integer.activation_gradients(recorded, seeds=16)["stem"]
    check("stem", summed, expected)

    def assign(builder, name, gradient):
        builder._contributions[name] = [gradient]

    def keep_first(builder, name, gradient):
        builder._contributions.setdefault(name, [gradient])

    for mistake in (assign, keep_first):
        with patch.object(differentiate._Builder, "contribute", mistake):
            graph = residual_network(1)
            names = layers(graph)
            scheme = Scheme("test", tuple(names), dict.fromkeys(names, 1.0))
            program, wrong = compile_recorded(graph, scheme)
        sample = samples(graph, 1, 1)[0]
        branch = IntegerModel(program, sample, LABEL).activation_gradients(wrong, seeds=8)["stem"]
        with pytest.raises(AssertionError, match="stem"):
            check("stem", branch, expected)


def test_a_rate_of_zero_moves_exponents_only():
    integer, model, _, _ = trained(1, 1.0)
    graph = model.graph
    for state in graph.states:
        now = integer._device._states[state.name]
        if state.type.quantization is not None:
            assert np.array_equal(now, state.array), state.name
    exponents = [state for state in graph.states if state.type.quantization is None]
    assert any(integer._device._states[s.name][0] != s.array[0] for s in exponents)


def activation_gradient(model, x, name):
    zeros = np.zeros(model.graph.type_of(name).shape)
    return real.numeric_gradient(lambda d: model.loss(x, LABEL, added={name: d}), zeros, 1e-5)


def only_trained(graph, weight, gradient):
    """Without the channels that a convolution's weight update leaves alone."""
    layer = weight.removesuffix(".weight.delta")
    node = next((n for n in graph.nodes if n.name == layer), None)
    if node is None or node.operator not in ("conv", "depthwise"):
        return gradient
    mask = np.zeros(gradient.shape[-1])
    mask[list(node.attributes.trained_channels)] = 1
    return gradient * mask


def check(name, gradient, expected):
    """The same direction and length, up to the rounding of activations."""
    assert cosine(gradient, expected) > 0.995, name
    assert norm_ratio(gradient, expected) == pytest.approx(1, abs=0.04), name
