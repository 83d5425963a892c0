"""What parts are worth together, learned from trials of whole schemes."""

import numpy as np
import pytest
from search_cases import random_contributions, small_graph

from kilograd.search.choice import Choice, Parts
from kilograd.search.options import layer_options
from kilograd.search.regression import Regression, Trial


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    graph = small_graph(tmp_path_factory.mktemp("regression"))
    return Parts(layer_options(graph)[:-1])


@pytest.fixture(scope="module")
def alone(parts, tmp_path_factory):
    return random_contributions(small_graph(tmp_path_factory.mktemp("alone")), 1)


def random_choices(parts, count, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        biases = tuple(o.layer for o in parts.options if rng.random() < 0.5)
        weights = {
            o.layer: float(rng.choice([w.share for w in o.weights]))
            for o in parts.options
            if rng.random() < 0.5
        }
        yield Choice(biases, weights)


def scaled(gains, factor):
    """Gains in company: each part's single gain, times a factor of its layer."""
    return (
        {layer: gain * factor[layer] for layer, gain in gains.biases.items()},
        {layer: {s: g * factor[layer] for s, g in w.items()} for layer, w in gains.weights.items()},
    )


def trials_of(parts, truth, count, noise=0.0, offsets=(0.3,), seed=0):
    biases, weights = truth
    rng = np.random.default_rng(seed + 100)
    for i, choice in enumerate(random_choices(parts, count, seed)):
        gained = sum(biases[layer] for layer in choice.biases)
        gained += sum(weights[layer][share] for layer, share in choice.weights.items())
        number = i % len(offsets)
        yield Trial(choice, number, offsets[number] + gained + noise * rng.standard_normal())


def factors(parts, seed=3):
    rng = np.random.default_rng(seed)
    return {option.layer: 0.02 * rng.uniform(0, 2) for option in parts.options}


def test_without_trials_gains_are_those_of_single_parts(parts, alone):
    expected = Regression(parts, alone, []).expected()
    assert expected.biases == pytest.approx(alone.biases)
    for layer, shares in alone.weights.items():
        assert expected.weights[layer] == pytest.approx(shares)
    assert (expected.method, expected.unit) == (alone.method, alone.unit)


def test_what_parts_are_worth_together_is_learned(parts, alone):
    factor = factors(parts)
    biases, weights = scaled(alone, factor)
    trials = list(trials_of(parts, (biases, weights), 60, offsets=(0.3, 0.35, 0.2)))
    expected = Regression(parts, alone, trials).expected()
    assert expected.biases == pytest.approx(biases, abs=2e-3)
    for layer, shares in weights.items():
        assert expected.weights[layer] == pytest.approx(shares, abs=2e-3)


def test_noise_is_estimated_and_trials_narrow_what_is_likely(parts, alone):
    truth = scaled(alone, factors(parts))
    spreads = []
    for count in (10, 80):
        trials = list(trials_of(parts, truth, count, noise=0.004))
        regression = Regression(parts, alone, trials)
        generator = np.random.Generator(np.random.PCG64(0))
        layer = parts.options[2].layer
        sampled = [regression.sample(generator).weights[layer][1.0] for _ in range(200)]
        assert np.mean(sampled) == pytest.approx(
            regression.expected().weights[layer][1.0], abs=4 * np.std(sampled) / 200**0.5
        )
        spreads.append(np.std(sampled))
    assert 0.002 < regression.noise < 0.008
    assert spreads[1] < spreads[0] / 2


def test_a_round_that_is_easier_says_nothing_about_parts(parts, alone):
    """Rounds learn from other samples, and only what differs within one counts."""
    truth = scaled(alone, factors(parts))
    found = [
        Regression(
            parts, alone, list(trials_of(parts, truth, 40, noise=0.002, offsets=offsets))
        ).expected()
        for offsets in ((0.3, 0.3), (0.3, 0.5))
    ]
    assert found[1].biases == pytest.approx(found[0].biases, abs=1e-4)
    for layer, shares in found[0].weights.items():
        assert found[1].weights[layer] == pytest.approx(shares, abs=1e-4)


def test_what_loses_alone_is_worth_nothing_in_company(parts, alone):
    first = parts.options[0].layer
    losing = alone.weights | {first: dict.fromkeys(alone.weights[first], -1.0)}
    single = type(alone)(alone.method, alone.unit, alone.biases, losing)
    trials = list(trials_of(parts, scaled(alone, factors(parts)), 20))
    for regression in (Regression(parts, single, []), Regression(parts, single, trials)):
        generator = np.random.Generator(np.random.PCG64(0))
        for found in (regression.expected(), regression.sample(generator)):
            assert set(found.weights[first].values()) == {0.0}
