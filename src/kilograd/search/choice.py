"""A choice of what is trained, and the parts that it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kilograd.scheme import Scheme
from kilograd.search.options import LayerOptions

#: What a choice is told apart by.
Key = tuple[tuple[str, ...], tuple[tuple[str, float], ...]]


@dataclass(frozen=True)
class Choice:
    """What is trained beside the head, which always is.

    Attributes:
        biases: layers, in forward order.
        weights: layer -> share of its input channels, in (0, 1].
    """

    biases: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def key(self) -> Key:
        """Equal for equal choices; can be hashed."""
        return self.biases, tuple(self.weights.items())

    def scheme(self, name: str, head: str) -> Scheme:
        """As a scheme, with the head."""
        return Scheme(name, (*self.biases, head), {**self.weights, head: 1.0})


@dataclass(frozen=True)
class Parts:
    """Numbers for all that can be chosen: part 2i is layer i's bias, 2i + 1 its weight.

    Attributes:
        options: of all layers but the head.
    """

    options: tuple[LayerOptions, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        """Number of each layer."""
        return {option.layer: i for i, option in enumerate(self.options)}

    def __len__(self) -> int:
        return 2 * len(self.options)

    def bias(self, layer: str) -> int:
        """Number of a layer's bias."""
        return 2 * self.index[layer]

    def weight(self, layer: str) -> int:
        """Number of a layer's weight."""
        return 2 * self.index[layer] + 1

    def chosen(self, choice: Choice) -> NDArray[np.bool_]:
        """Which parts a choice trains."""
        found = np.zeros(len(self), np.bool_)
        found[[self.bias(layer) for layer in choice.biases]] = True
        found[[self.weight(layer) for layer in choice.weights]] = True
        return found

    def state_bytes(self, choice: Choice) -> int:
        """Of all deltas of a choice."""
        by_share = [{w.share: w.state_bytes for w in option.weights} for option in self.options]
        biases = sum(self.options[self.index[layer]].bias_bytes for layer in choice.biases)
        return biases + sum(
            by_share[self.index[layer]][share] for layer, share in choice.weights.items()
        )

    def choice(self, biases: Sequence[bool], shares: Sequence[float]) -> Choice:
        """Of flags and shares, one a layer; share 0 is a frozen weight."""
        names = [option.layer for option in self.options]
        return Choice(
            tuple(name for name, chosen in zip(names, biases, strict=True) if chosen),
            {name: share for name, share in zip(names, shares, strict=True) if share},
        )
