"""A small network that makes its samples again, and samples of which some are unlike the others."""

from itertools import pairwise

import numpy as np

from kilograd.compiler import compile_model
from kilograd.data import Dataset, Samples, as_anomalies
from kilograd.frontend.builder import GraphBuilder, Parameters
from kilograd.ir import LabelKind, Quantization
from kilograd.ops.loss.reconstruction import ReconstructionAttributes
from kilograd.scheme import load_scheme
from kilograd.targets import get_target

RANGE = (-2.0, 2.0)
_SAMPLE = Quantization((0.015,), -4)


def autoencoder(widths=(24, 16, 8, 16, 24), seed=3):
    """A graph of dense layers with random weights."""
    rng = np.random.default_rng(seed)
    builder = GraphBuilder("again", 1, 1, widths[0], _SAMPLE)
    x = "input"
    for place, (given, made) in enumerate(pairwise(widths)):
        is_last = place == len(widths) - 2
        weight = rng.integers(-60, 61, (made, given)).astype(np.int8)
        scales = np.full(made, 3 / (127 * np.sqrt(given)))
        output = Quantization((1 / 128,), 0) if is_last else Quantization((0.012,), -128)
        p = Parameters(weight, np.zeros(made, np.int32), scales)
        x = builder.pointwise(f"dense_{place}", x, p, output)
    attributes = ReconstructionAttributes(RANGE[1])
    error = builder.append("error", "reconstruction_error", [x, "input"], attributes)
    return builder.finish(error, is_foreign=True, label_kind=LabelKind.ANOMALY, value_range=RANGE)


def program(target="cortex-m7", scheme="full", **options):
    graph = autoencoder()
    return compile_model(graph, load_scheme(scheme, graph), get_target(target), **options)


def waves(count, seed=0, width=24):
    """Samples [n, 1, 1, width]: sines of one frequency, or, with label 1, of another."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 5 == 4).astype(np.int32)
    phase, size = rng.uniform(0, 2 * np.pi, count), rng.uniform(40, 80, count)
    frequency = np.where(labels == 1, 3, 1)
    turns = 2 * np.pi * np.arange(width) / width
    waves = size[:, None] * np.sin(frequency[:, None] * turns + phase[:, None])
    waves += rng.normal(0, 3, waves.shape)
    inputs = np.clip(np.rint(waves), -128, 127).astype(np.int8)
    return Samples(inputs.reshape(count, 1, 1, width), labels)


def wave_data(train=400, test=100):
    """Waves to learn, normal ones and others, and further ones."""
    return Dataset("waves", waves(train), waves(test, 1), ("normal", "fast"))


def learned(train=400, test=100):
    """The same as a network that learns what is normal has them."""
    return as_anomalies(wave_data(train, test), RANGE)
