"""What training each part of a network is worth: the common result of all analyses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

#: The unit of gains that can be compared between tasks.
PROBABILITY = "probability of the right class"


@dataclass(frozen=True)
class Contributions:
    """Gains of training single parts of a network beside its head, in one unit.

    Attributes:
        method: how they were found: ``measured`` or ``fisher``.
        unit: of all gains.
        biases: layer -> gain of training its bias, in forward order; the head is not among them,
            since it is always trained.
        weights: layer -> share of its input channels -> gain of training their weights; no share
            where none is possible.
        last: layer -> gain of all biases from it on; empty where that was not measured.
    """

    method: str
    unit: str
    biases: Mapping[str, float]
    weights: Mapping[str, Mapping[float, float]]
    last: Mapping[str, float] = field(default_factory=dict[str, float])

    def smoothed(self) -> Contributions:
        """The same with the gains of each weight on a curve, g · √share.

        One short run says little more than its noise, and a solver would pick what noise favours.
        Gains of weights follow the root of the share closely (docs/search.md): g is the best fit
        of all shares of a layer, by least squares.
        """
        fitted: dict[str, dict[float, float]] = {}
        for layer, shares in self.weights.items():
            gain = sum(g * share**0.5 for share, g in shares.items()) / (sum(shares) or 1.0)
            fitted[layer] = {share: gain * share**0.5 for share in shares}
        return replace(self, weights=fitted)

    def of_whole_weight(self, layer: str) -> float:
        """The gain of all of a layer's weights, on the curve; 0 where none can be trained."""
        share, gain = max(self.weights[layer].items(), default=(1.0, 0.0))
        return gain / share**0.5

    def total(self, biases: Sequence[str], weights: Mapping[str, float]) -> float:
        """The sum of the gains of what a scheme trains, its head left out."""
        gained = sum(self.biases[name] for name in biases if name in self.biases)
        return gained + sum(
            self.weights[name][share] for name, share in weights.items() if name in self.weights
        )


def average(several: Sequence[Contributions]) -> Contributions:
    """The mean over tasks.

    Gains of probability count as they are: a task with little to gain says little. Others are first
    scaled so that those above zero sum to 1, since each task's have a unit of their own.
    """
    first = several[0]
    if len(several) == 1:
        return first
    is_comparable = first.unit == PROBABILITY
    sums = [1.0 if is_comparable else _positive_sum(one) or 1.0 for one in several]
    return Contributions(
        first.method,
        first.unit if is_comparable else "share of all gains",
        {
            name: sum(o.biases[name] / s for o, s in zip(several, sums, strict=True)) / len(several)
            for name in first.biases
        },
        {
            name: {
                share: sum(o.weights[name][share] / s for o, s in zip(several, sums, strict=True))
                / len(several)
                for share in shares
            }
            for name, shares in first.weights.items()
        },
        {
            name: sum(o.last[name] / s for o, s in zip(several, sums, strict=True)) / len(several)
            for name in first.last
        },
    )


def _positive_sum(one: Contributions) -> float:
    """Of what training everything would gain."""
    biases = sum(max(0.0, gain) for gain in one.biases.values())
    return biases + sum(max(0.0, *shares.values()) for shares in one.weights.values())
