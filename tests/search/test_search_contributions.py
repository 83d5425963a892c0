"""Gains from outcomes: what weights are measured on top of, means over tasks, confidence."""

import numpy as np
import pytest

from kilograd.search.contributions import PROBABILITY, Contributions, average
from kilograd.search.measured import Analysis, contributions_of
from kilograd.search.options import LayerOptions, WeightOption
from kilograd.search.runs import Outcome, judge


def option(layer):
    return LayerOptions(layer, 8, 16, (WeightOption(0.5, (0,), 10), WeightOption(1.0, (0, 1), 20)))


@pytest.fixture
def analysis():
    return Analysis(tuple(option(name) for name in ("a", "b", "c", "d")))


def outcomes(analysis, last, weights=()):
    """Of all runs, where training more biases gains these, from the last layer on."""
    found = {analysis.alone.key: Outcome(0, 0, 0.25)}
    for name, choice in analysis.own.items():
        found[choice.key] = Outcome(0, 0, 0.25 + last[name] / 2)
    for name, choice in analysis.last.items():
        found[choice.key] = Outcome(0, 0, 0.25 + last[name])
    found.update(weights)
    return found


LAST = {"a": 0.40, "b": 0.38, "c": 0.36, "d": 0.04}


def test_weights_are_measured_on_top_of_the_biases_that_gain_most(analysis):
    base = analysis.base([outcomes(analysis, LAST)])
    assert base == "c"
    below = {name: analysis.below(name, base).biases for name in "abcd"}
    assert below == {"a": tuple("abcd"), "b": tuple("bcd"), "c": tuple("cd"), "d": tuple("cd")}
    assert analysis.weights(base)["d"][0.5].biases == ("c", "d")
    assert analysis.runs == 1 + 4 + 4 + 8


def test_biases_that_gain_nothing_are_still_a_base(analysis):
    assert analysis.base([outcomes(analysis, dict.fromkeys("abcd", 0.0))]) == "d"
    worse = {"a": -0.4, "b": -0.3, "c": -0.2, "d": -0.1}
    assert analysis.base([outcomes(analysis, worse)]) == "d"


def test_gains_are_differences(analysis):
    base = "c"
    weights = {
        choice.key: Outcome(0, 0, 0.25 + LAST["c"] + 0.1 * share)
        for name in "cd"
        for share, choice in analysis.weights(base)[name].items()
    }
    for name in "ab":
        for share, choice in analysis.weights(base)[name].items():
            weights[choice.key] = Outcome(0, 0, 0.25 + LAST[name] - 0.1 * share)
    found = contributions_of(analysis, base, outcomes(analysis, LAST, weights))
    assert found.weights["d"] == pytest.approx({0.5: 0.05, 1.0: 0.1})
    assert found.weights["a"] == pytest.approx({0.5: -0.05, 1.0: -0.1})
    assert found.last == pytest.approx(LAST)
    # Own gains are scaled so that they sum to the most that any number of biases gains.
    assert sum(found.biases.values()) == pytest.approx(LAST["a"])
    assert found.biases["a"] / found.biases["b"] == pytest.approx(LAST["a"] / LAST["b"])


def contributions(unit, gain):
    return Contributions("method", unit, {"a": gain}, {"a": {1.0: 3 * gain}}, {"a": gain})


def test_gains_of_probability_count_as_they_are():
    found = average([contributions(PROBABILITY, 0.3), contributions(PROBABILITY, 0.1)])
    assert found.biases["a"] == pytest.approx(0.2)
    assert found.weights["a"][1.0] == pytest.approx(0.6)
    assert found.last["a"] == pytest.approx(0.2)
    assert found.unit == PROBABILITY


def test_other_gains_count_by_their_share():
    found = average([contributions("norm", 8.0), contributions("norm", 2.0)])
    assert found.biases["a"] == pytest.approx(0.25)
    assert found.weights["a"][1.0] == pytest.approx(0.75)
    assert found.unit == "share of all gains"


def test_mere_confidence_is_no_gain():
    generator = np.random.default_rng(3)
    logits = generator.normal(0, 1 << 16, (50, 4)).astype(np.int32)
    labels = logits.argmax(axis=1).astype(np.int32)
    labels[::5] = 0
    found, sure = judge(logits, labels), judge(logits * 4, labels)
    assert sure.calibrated == pytest.approx(found.calibrated, rel=1e-9)
    assert sure.accuracy == found.accuracy
    assert sure.expected > found.expected
    assert 0.25 < found.calibrated < found.accuracy


def test_noise_of_shares_is_smoothed_away():
    exact = {share: 0.4 * share**0.5 for share in (0.125, 0.25, 0.5, 1.0)}
    noisy = {**exact, 0.125: exact[0.125] + 0.1, 1.0: exact[1.0] - 0.1}
    found = Contributions("measured", PROBABILITY, {"a": 0.1}, {"a": exact, "b": noisy}).smoothed()
    assert found.weights["a"] == pytest.approx(exact)
    gains = list(found.weights["b"].values())
    assert gains == sorted(gains)
    assert found.biases == {"a": 0.1}
