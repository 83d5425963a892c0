"""Networks from other tools' files learn at a rate that follows from their own arithmetic."""

from dataclasses import replace

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.device.protocol import LearningRate
from kilograd.export.deployment import deployment_of
from kilograd.frontend.builder import GraphBuilder, fresh_head
from kilograd.frontend.constant_channels import Parameters
from kilograd.frontend.open import load_model
from kilograd.ir import LabelKind, Quantization
from kilograd.ops.common.window import Window
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.rate import (
    DEFAULT_HEAD_RATE,
    default_rate,
    made_up_samples,
)


def network(scale, head=None, *, is_foreign=True):
    """One convolution whose results have a scale, an average, and a head of three classes."""
    rng = np.random.default_rng(1)
    weight = rng.integers(-127, 128, (6, 3, 3, 3)).astype(np.int8)
    # The same int8 results whatever their scale is.
    scales = np.full(6, 3e-3 * scale / 0.05)
    p = Parameters(weight, np.zeros(6, np.int32), scales)
    builder = GraphBuilder("net", 8, 8, 3, Quantization((0.05,), 0))
    x = builder.conv("first", "input", p, Window.same(3), Quantization((scale,), -10))
    x = builder.average_pool("pool", x)
    head = fresh_head(6, 3) if head is None else head
    return builder.finish(builder.dense("head", x, head), is_foreign=is_foreign)


def trained_head(size):
    """Random weights with a scale of their own."""
    weight = np.random.default_rng(2).integers(-127, 128, (3, 6)).astype(np.int8)
    return Parameters(weight, np.zeros(3, np.int32), np.full(3, size / 127))


def rate(graph, scheme="full"):
    return default_rate(compile_model(graph, load_scheme(scheme, graph)))


def test_a_known_network_has_the_rate_that_was_found_for_it():
    graph = network(0.5, is_foreign=False)
    assert rate(graph) == 0.0015
    assert rate(graph, "head") == DEFAULT_HEAD_RATE
    assert rate(load_model("kilograd-48", 2)) == 0.0015


def test_features_that_are_ten_times_as_large_learn_at_a_hundredth_of_the_rate():
    small, large = rate(network(1.0)), rate(network(10.0))
    assert large < small
    # One is for the bias, whose input is always 1; two digits are kept.
    assert large / small == pytest.approx(1 / 100, rel=0.15)


def test_a_head_alone_learns_at_twice_the_rate():
    graph = network(2.0)
    assert rate(graph, "head") / rate(graph) == pytest.approx(2, rel=0.05)


def test_small_features_have_the_largest_rate():
    assert rate(network(0.01)) == 0.05
    assert rate(network(0.01, trained_head(0.1))) == 0.015


def test_a_trained_head_lowers_the_rate_with_the_gradients_that_it_lets_through():
    fresh = rate(network(0.3))
    weak, strong = (rate(network(0.3, trained_head(size))) for size in (0.1, 30.0))
    assert weak == fresh
    assert strong < fresh / 20
    assert rate(network(0.3, trained_head(30.0)), "head") == rate(network(0.3), "head")


def test_sets_of_classes_learn_at_the_rate_of_classes_from_a_trained_head():
    """What gradients are divided by are errors of sigmoids here, and of a softmax there."""
    graph = network(0.3, trained_head(100))
    sets = rate(replace(graph, label_kind=LabelKind.SET))
    assert sets == pytest.approx(rate(graph), rel=0.05)


@pytest.mark.parametrize("target", ["host", "cortex-m7", "riscv32"])
def test_the_rate_is_the_same_on_every_target(target):
    graph = network(0.3, trained_head(30.0))
    program = compile_model(graph, load_scheme("full", graph), get_target(target))
    assert default_rate(program) == rate(graph)


def test_made_up_samples_are_always_the_same_and_use_all_of_int8():
    samples = made_up_samples((20, 30, 3), 8)
    assert samples.shape == (8, 20, 30, 3)
    assert samples.dtype == np.int8
    assert np.array_equal(samples[:2], made_up_samples((20, 30, 3), 8)[:2])
    assert samples.min() < -100
    assert samples.max() > 100
    # Neighbours are alike, as in pictures.
    steps = np.diff(samples.astype(int), axis=2)
    assert np.median(np.abs(steps)) < 25
    assert made_up_samples((1, 1, 640), 2).shape == (2, 1, 1, 640)


def test_the_rate_of_a_foreign_network_is_in_its_firmware():
    graph = replace(load_model("kilograd-48", 2), is_foreign=True)
    program = compile_model(graph, load_scheme("head", graph))
    stated = deployment_of(program, None).rate
    assert stated == LearningRate.from_float(default_rate(program))
    assert stated != LearningRate.from_float(DEFAULT_HEAD_RATE)
