"""A small network with samples that can be told apart, for tests of the search."""

import numpy as np

from kilograd.data import Dataset, Samples
from kilograd.search.contributions import Contributions
from kilograd.search.options import layer_options
from networks import blobs, tiny_graph


def small_graph(folder, classes=4):
    return tiny_graph(folder, fresh_classes=classes)


def small_dataset(graph, train=64, classes=4, name="blobs"):
    names = tuple("abcdefgh"[:classes])
    fit = Samples(*blobs(graph, train, classes=classes))
    return Dataset(name, fit, Samples(*blobs(graph, 8, seed=9, classes=classes)), names)


def random_contributions(graph, seed):
    """Gains that grow with the share, as real ones do."""
    rng = np.random.default_rng(seed)
    options = layer_options(graph)
    weights = {}
    for option in options[:-1]:
        gain = rng.exponential()
        weights[option.layer] = {w.share: gain * w.share**0.5 for w in option.weights}
    return Contributions(
        "measured",
        "points",
        {option.layer: float(rng.exponential() / 4) for option in options[:-1]},
        weights,
    )
