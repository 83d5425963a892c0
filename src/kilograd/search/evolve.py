"""Evolutionary and random search on the solver's own objective: the baselines it is compared with.

The settings are those of the search that MCUNetV3 takes over from Once-for-All: a population of
100, the best quarter of it as parents, half of the next generation by mutation (each gene with
probability 0.1) and the rest by crossover, for 500 generations. A choice beyond the limits is
repaired instead of drawn again: parts of it are frozen in a random order until it fits, and those
that still fit are put back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kilograd.search.choice import Choice
from kilograd.search.contributions import Contributions
from kilograd.search.costs import CostModel
from kilograd.search.solve import Limits

POPULATION, PARENTS, MUTATED, MUTATION = 100, 0.25, 0.5, 0.1
GENERATIONS = 500

#: A bias flag and the number of a share (0 for none) a layer, in turn.
Genes = tuple[int, ...]


@dataclass(frozen=True)
class Trace:
    """What a search found.

    Attributes:
        choice: the best.
        gain: its sum of contributions.
        history: the best sum after each generation.
    """

    choice: Choice
    gain: float
    history: tuple[float, ...]


def evolve(
    costs: CostModel,
    contributions: Contributions,
    limits: Limits,
    *,
    generations: int = GENERATIONS,
    seed: int = 0,
) -> Trace:
    """Evolutionary search.

    Args:
        costs: what choices take.
        contributions: what they gain.
        limits: that every choice keeps within.
        generations: after the first, which is random.
        seed: of everything random.
    """
    space = _Space(costs, contributions, limits, seed)
    population = [space.random() for _ in range(POPULATION)]
    history: list[float] = []
    for _ in range(generations):
        # Each once: copies of the best would soon be all there is.
        population = sorted(dict.fromkeys(population), key=space.gain, reverse=True)
        history.append(space.gain(population[0]))
        parents = population[: round(PARENTS * POPULATION)]
        mutants = [space.mutant(parents) for _ in range(round(MUTATED * POPULATION))]
        children = [space.child(parents) for _ in range(POPULATION - len(mutants) - len(parents))]
        population = [*parents, *mutants, *children]
    best = max(population, key=space.gain)
    return Trace(space.choice(best), space.gain(best), (*history, space.gain(best)))


def search_at_random(
    costs: CostModel,
    contributions: Contributions,
    limits: Limits,
    *,
    generations: int = GENERATIONS // 10,
    seed: int = 0,
) -> Trace:
    """The best of random choices that fill their limits, a tenth as many as `evolve` makes."""
    space = _Space(costs, contributions, limits, seed)
    best = space.random()
    history = [space.gain(best)]
    for _ in range(generations):
        best = max([best, *(space.random() for _ in range(POPULATION))], key=space.gain)
        history.append(space.gain(best))
    return Trace(space.choice(best), space.gain(best), tuple(history))


class _Space:
    """Choices as genes, and what becomes of them."""

    def __init__(
        self, costs: CostModel, contributions: Contributions, limits: Limits, seed: int
    ) -> None:
        self._costs = costs
        self._contributions = contributions
        self._limits = limits
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self._sizes = [
            size for option in costs.parts.options for size in (2, 1 + len(option.weights))
        ]
        self._forbidden = [bool(costs.forbidden >> i & 1) for i in range(len(costs.parts))]
        self._gains: dict[Genes, float] = {}

    def choice(self, genes: Genes) -> Choice:
        """What genes stand for."""
        shares = [
            0.0 if not number else option.weights[number - 1].share
            for option, number in zip(self._costs.parts.options, genes[1::2], strict=True)
        ]
        return self._costs.parts.choice([bool(gene) for gene in genes[::2]], shares)

    def gain(self, genes: Genes) -> float:
        """The sum of contributions."""
        if genes not in self._gains:
            choice = self.choice(genes)
            self._gains[genes] = self._contributions.total(choice.biases, choice.weights)
        return self._gains[genes]

    def random(self) -> Genes:
        """A random choice: random genes are added in a random order while the limits allow it."""
        genes = [0] * len(self._sizes)
        order: list[int] = self._rng.permutation(len(genes)).tolist()
        for place in order:
            if self._forbidden[place]:
                continue
            genes[place] = int(self._rng.integers(self._sizes[place]))
            if genes[place] and not self._is_allowed(tuple(genes)):
                genes[place] = 0
        return tuple(genes)

    def mutant(self, parents: list[Genes]) -> Genes:
        """A parent with some genes drawn anew."""
        parent = parents[int(self._rng.integers(len(parents)))]
        drawn: list[bool] = (self._rng.random(len(parent)) < MUTATION).tolist()
        return self._repaired(
            [
                int(self._rng.integers(size)) if new and not never else gene
                for gene, new, size, never in zip(
                    parent, drawn, self._sizes, self._forbidden, strict=True
                )
            ]
        )

    def child(self, parents: list[Genes]) -> Genes:
        """Each gene of one of two parents."""
        one, other = (parents[int(self._rng.integers(len(parents)))] for _ in range(2))
        of_one: list[bool] = (self._rng.random(len(one)) < 0.5).tolist()  # noqa: PLR2004 - half
        return self._repaired(
            [
                gene if first else rival
                for gene, rival, first in zip(one, other, of_one, strict=True)
            ]
        )

    def _repaired(self, genes: list[int]) -> Genes:
        """Parts are frozen in a random order until the limits are kept; what fits comes back."""
        frozen: list[tuple[int, int]] = []
        order: list[int] = self._rng.permutation(len(genes)).tolist()
        for place in order:
            if not genes[place]:
                continue
            if self._is_allowed(tuple(genes)):
                break
            frozen.append((place, genes[place]))
            genes[place] = 0
        for place, gene in frozen[:-1]:
            genes[place] = gene
            if not self._is_allowed(tuple(genes)):
                genes[place] = 0
        return tuple(genes)

    def _is_allowed(self, genes: Genes) -> bool:
        return self._limits.allow(self._costs, self.choice(genes))
