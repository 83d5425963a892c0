"""Constant channels keep their constant, and a bias that no accumulator holds is refused."""

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from kilograd.errors import ModelError
from kilograd.frontend.builder import GraphBuilder
from kilograd.frontend.constant_channels import Parameters, rescale_constant_channels
from kilograd.ir import Quantization
from kilograd.ops.arithmetic import bias_limit, quantize_multiplier

GIVEN, OUTPUT = Quantization((0.05,), 3), Quantization((0.02,), -5)


def results(p, q, given=GIVEN, output=OUTPUT):
    """What each channel gives for the inputs q, in integers of any size."""
    accumulator = p.weight.astype(np.int64) @ (q.astype(np.int64) - given.zero_point) + p.bias
    made = []
    for total, scale in zip(accumulator.tolist(), p.scales.tolist(), strict=True):
        multiplier, shift = quantize_multiplier(given.scale * scale / output.scale)
        high = ((total << max(shift, 0)) * multiplier + (1 << 30)) >> 31
        right = max(-shift, 0)
        made.append((high + ((1 << right) >> 1) - (high < 0 < right)) >> right)
    return np.clip(np.array(made) + output.zero_point, -128, 127).astype(int)


@st.composite
def layers(draw):
    """Ten channels, of which up to nine are dead: a tiny scale, and any bias."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dead = draw(st.integers(1, 9))
    weight = rng.integers(-127, 128, (10, 4)).astype(np.int8)
    bias = rng.integers(-500, 500, 10).astype(np.int32)
    scales = rng.uniform(0.003, 0.005, 10)
    scales[:dead] = 10 ** rng.uniform(-11, draw(st.sampled_from([-8.5, -4, -1])), dead)
    edges = np.array([2**31 - 1, -(2**31), 2**30, 10**6])
    bias[:dead] = rng.choice(edges, dead)
    order = rng.permutation(10)
    return Parameters(weight[order], bias[order], scales[order])


def reject_unless(is_expected):
    assert is_expected
    reject()


def rescaled(p):
    return rescale_constant_channels(p, 0, GIVEN, OUTPUT, is_int8=True)


@given(layers(), st.integers(0, 2**32 - 1))
def test_no_result_changes(p, seed):
    q = np.random.default_rng(seed).integers(-128, 128, 4)
    try:
        found = rescaled(p)
    except ValueError as error:
        reject_unless("the channel is not constant" in str(error))
    for inputs in (q, np.full(4, -128), np.full(4, 127)):
        assert results(found, inputs).tolist() == results(p, inputs).tolist()
    assert np.abs(found.bias.astype(np.int64)).max() <= bias_limit(4)


def test_the_layer_of_which_most_is_dead():
    """Seven of ten channels are pruned, so the median scale is itself that of a dead one."""
    scales = np.full(10, 0.004)
    scales[:7] = np.linspace(0.5, 2.0, 7) * 1e-9
    bias = np.array([2**31 - 1, -(2**31)] * 3 + [2**31 - 1, 5, 6, 7], np.int32)
    p = Parameters(np.full((10, 2), 90, np.int8), bias, scales)
    found = rescaled(p)
    assert results(found, np.zeros(2, int)).tolist() == results(p, np.zeros(2, int)).tolist()
    assert (found.scales == 0.004).all()
    assert not found.weight[:7].any()


def test_a_constant_is_that_of_fixed_point():
    """It rounds twice, and so differs from real numbers near a half, as this channel's bias is."""
    output = Quantization((0.025263728573918343,), -83)
    given = Quantization((0.08644892275333405,), 3)
    scales = np.array([1.0274291639689181e-08, 0.004, 0.004])
    p = Parameters(np.zeros((3, 2), np.int8), np.array([2**31 - 1, 0, 0], np.int32), scales)
    found = rescale_constant_channels(p, 0, given, output, is_int8=True)
    nothing = np.zeros(2, int)
    assert results(p, nothing, given, output)[0] == -8
    assert results(found, nothing, given, output)[0] == -8


def test_weights_do_not_wrap_around():
    """The scale is above the median: 100 in units of the median does not fit int8."""
    scales, bias = np.array([0.016, 0.004, 0.004]), np.array([2**31 - 1, 0, 0], np.int32)
    found = rescaled(Parameters(np.full((3, 2), 100, np.int8), bias, scales))
    assert not found.weight[0].any()
    assert results(found, np.zeros(2, int))[0] == 127


def test_what_is_not_constant_and_does_not_fit_is_named():
    weight = np.array([[127] * 40, [1] * 40], np.int8)
    bias = np.array([2**30, 0], np.int32)
    builder = GraphBuilder("m", 1, 1, 40, Quantization((0.05,), 0))
    scale = 53.5 / 2**30 * OUTPUT.scale / 0.05  # halfway between two results
    p = Parameters(weight, bias, np.full(2, scale))
    with pytest.raises(ModelError) as caught:
        builder.pointwise("a", "input", p, OUTPUT)
    assert "layer a: the bias 1,073,741,824 of channel 0 is past ±" in caught.value.what
    assert "the channel is not constant" in caught.value.what


def test_a_healthy_layer_stays_as_it_is():
    p = Parameters(np.ones((2, 3), np.int8), np.zeros(2, np.int32), np.array([0.01, 0.02]))
    assert rescaled(p) is p
