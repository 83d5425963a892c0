"""Logistic regression on frozen features: what a network is worth that does not learn itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from kilograd.codegen.boundary import boundary_regions
from kilograd.compiler import Program
from kilograd.data import Dataset, hold_back
from kilograd.device.snapshots import SnapshotCache

Floats = NDArray[np.float64]

#: Weight of the squared norm of the weights, for features of unit variance; the best of 0.3, 1, 3
#: and 10 on samples that were held back of the training splits of flowers17, oxford_pets3,
#: person_scene and flowers5, with ten samples a class.
PENALTY = 10.0

#: Those that the best is chosen of where there are enough samples to hold some back.
PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_HELD_BACK, _HELD_SEED = 0.25, 0


def head_features(program: Program, device: SnapshotCache, inputs: NDArray[np.int8]) -> Floats:
    """What the head reads of each sample: (samples, channels); nothing else may learn."""
    regions = boundary_regions(program.graph, program.plan) or []
    channels = sum(size for _, size in regions)
    snapshots = [device.prefix_snapshot(sample)[:channels].view(np.int8) for sample in inputs]
    return np.array(snapshots, np.float64)


def chosen_probe(program: Program, device: SnapshotCache, dataset: Dataset) -> tuple[float, float]:
    """Share of test samples told rightly, and the penalty: the best for held-back samples."""
    classes = len(dataset.class_names)

    def told(part: Dataset, penalties: Sequence[float]) -> list[float]:
        learned, tested = (
            head_features(program, device, samples.inputs) for samples in (part.train, part.test)
        )
        labels, right = part.train.labels, part.test.labels
        return [
            probe_accuracy(learned, labels, tested, right, classes, penalty)
            for penalty in penalties
        ]

    held = told(hold_back(dataset, _HELD_BACK, _HELD_SEED), PENALTIES)
    _, penalty = max(zip(held, PENALTIES, strict=True))
    (accuracy,) = told(dataset, [penalty])
    return accuracy, penalty


def probe_accuracy(
    features: Floats,
    labels: NDArray[np.int32],
    tested: Floats,
    right: NDArray[np.int32],
    classes: int,
    penalty: float = PENALTY,
) -> float:
    """Share of samples that multinomial logistic regression tells rightly.

    Args:
        features: to learn from, (samples, features).
        labels: their classes.
        tested: to be told, (samples, features).
        right: their classes.
        classes: how many there are.
        penalty: of the weights' squared norm.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    x = (features - mean) / deviation
    count, width = x.shape
    wanted = np.eye(classes)[labels]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, biases = _split(parameters, width, classes)
        scores = x @ weights + biases
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        shares /= shares.sum(axis=1, keepdims=True)
        total = -np.log(shares[np.arange(count), labels] + 1e-12).sum()
        error = shares - wanted
        gradient = np.concatenate([(x.T @ error + penalty * weights).ravel(), error.sum(axis=0)])
        return float(total + penalty / 2 * (weights**2).sum()), gradient

    start = np.zeros((width + 1) * classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
    weights, biases = _split(found.x, width, classes)
    scores = (tested - mean) / deviation @ weights + biases
    return float(np.mean(scores.argmax(axis=1) == right))


def _split(parameters: Floats, width: int, classes: int) -> tuple[Floats, Floats]:
    weights = parameters[: width * classes].reshape(width, classes)
    return weights, parameters[width * classes :]
