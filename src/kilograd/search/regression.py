"""What parts of a network are worth together: Bayesian linear regression over trials.

Gains that were measured one by one do not add up: two weights that learn alike gain hardly more
than one of them. In a trial, a whole scheme is trained instead. Of what trials reached, a part's
share of its single gain follows:

    reached = offset of the round + Σ gain of part · (share of all + share of part) + noise,

where shares of parts are normal around zero. A part without a single gain has none here either. The
spread of shares and of the noise are those of the largest evidence (MacKay, "Bayesian
Interpolation", 1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from kilograd.search.choice import Choice, Parts
from kilograd.search.contributions import Contributions

Array = NDArray[np.float64]

#: The unit of what trials reach.
REACHED = "mean of accuracy and probability of the right class"
#: Before any trial: gains add up, give or take as much again of every part.
_SHARE, _SHARE_SPREAD, _PART_SPREAD = 1.0, 0.5, 1.0
#: Of what a round of trials reaches, a probability.
_OFFSET_SPREAD = 1.0
#: Spreads of shares and of noise that are tried.
_PART_SPREADS = [2.0 ** (step / 2) for step in range(-12, 1)]
_NOISES = [2.0 ** (step / 2) for step in range(-24, -7)]


@dataclass(frozen=True)
class Trial:
    """A scheme that was trained.

    Attributes:
        choice: what it trains beside the head.
        round: whose trials learned from the same samples.
        reached: on samples that were held back, in [0, 1].
    """

    choice: Choice
    round: int
    reached: float


class Regression:
    """What every part gains in company of others, by what trials reached.

    Args:
        parts: of the network.
        contributions: the gain of each part alone, in any unit; gains in company are in that of
            what trials reached.
        trials: any number.
    """

    def __init__(self, parts: Parts, contributions: Contributions, trials: Sequence[Trial]) -> None:
        self._parts = parts
        self._contributions = contributions.smoothed()
        self._unit = REACHED if trials else contributions.unit
        self._gains = self._single_gains()
        rounds = sorted({trial.round for trial in trials})
        # Unknowns: an offset a round, the share of all parts, and what each part's adds to it.
        self._mean: Array = np.zeros(len(rounds) + 1 + len(parts))
        self._mean[len(rounds)] = _SHARE
        self._first = len(rounds)
        inputs: Array = np.zeros((len(trials), len(self._mean)))
        for row, trial in zip(inputs, trials, strict=True):
            gained = self._gains * self._amounts(trial.choice)
            row[rounds.index(trial.round)] = 1.0
            row[self._first] = gained.sum()
            row[self._first + 1 :] = gained
        reached: Array = np.array([trial.reached for trial in trials])
        self.part_spread, self.noise = self._most_evident(inputs, reached)
        self._learn(inputs, reached)

    def _single_gains(self) -> Array:
        """Of each part; none below zero, since what loses alone is not looked for in company."""
        found = np.zeros(len(self._parts))
        for option in self._parts.options:
            layer = option.layer
            found[self._parts.bias(layer)] = self._contributions.biases[layer]
            found[self._parts.weight(layer)] = self._contributions.of_whole_weight(layer)
        return np.maximum(found, 0.0)

    def _amounts(self, choice: Choice) -> Array:
        """How much of each part a choice trains: 1 of a bias, the root of the share of a weight."""
        found = self._parts.chosen(choice).astype(np.float64)
        for layer, share in choice.weights.items():
            found[self._parts.weight(layer)] = share**0.5
        return found

    def _variances(self, part_spread: float) -> Array:
        """Of the unknowns before any trial."""
        found = np.full(len(self._mean), part_spread**2)
        found[: self._first] = _OFFSET_SPREAD**2
        found[self._first] = _SHARE_SPREAD**2
        return found

    def _most_evident(self, inputs: Array, reached: Array) -> tuple[float, float]:
        """Spread of the parts' shares and of the noise."""
        if not len(reached):
            return _PART_SPREAD, _NOISES[-1]
        return max(
            product(_PART_SPREADS, _NOISES), key=lambda pair: self._evidence(inputs, reached, *pair)
        )

    def _spread(self, inputs: Array, part_spread: float, noise: float) -> Array:
        """Covariance of what is reached, before any trial."""
        found: Array = np.einsum("ip,p,jp->ij", inputs, self._variances(part_spread), inputs)
        return found + noise**2 * np.eye(len(inputs))

    def _evidence(self, inputs: Array, reached: Array, part_spread: float, noise: float) -> float:
        """Logarithm of the density of what was reached, up to a constant."""
        root = np.linalg.cholesky(self._spread(inputs, part_spread, noise))
        surprise = np.linalg.solve(root, reached - inputs @ self._mean)
        return float(-0.5 * np.square(surprise).sum() - np.log(np.diag(root)).sum())

    def _learn(self, inputs: Array, reached: Array) -> None:
        """Mean and covariance of the unknowns after the trials."""
        variances = self._variances(self.part_spread)
        toward: Array = np.einsum("p,ip->pi", variances, inputs)
        surprise: Array = reached - inputs @ self._mean
        inverse = np.linalg.inv(self._spread(inputs, self.part_spread, self.noise))
        weighted: Array = np.einsum("pi,ij->pj", toward, inverse)
        self._mean += weighted @ surprise
        self._covariance: Array = np.diag(variances) - np.einsum("pi,qi->pq", weighted, toward)

    def expected(self) -> Contributions:
        """The mean of each part's gain in company."""
        return self._as_contributions(self._mean)

    def sample(self, generator: np.random.Generator) -> Contributions:
        """Gains in company that are as likely as they are sampled."""
        # Unlike Cholesky's, this root exists where rounding made an eigenvalue negative.
        values, vectors = np.linalg.eigh(self._covariance)
        root: Array = vectors * np.sqrt(np.maximum(values, 0.0))
        return self._as_contributions(self._mean + root @ generator.standard_normal(len(root)))

    def _as_contributions(self, unknowns: Array) -> Contributions:
        gains = self._gains * (unknowns[self._first] + unknowns[self._first + 1 :])
        biases = {
            layer: float(gains[self._parts.bias(layer)]) for layer in self._contributions.biases
        }
        weights = {
            layer: {s: float(gains[self._parts.weight(layer)]) * s**0.5 for s in shares}
            for layer, shares in self._contributions.weights.items()
        }
        return Contributions(self._contributions.method, self._unit, biases, weights)
