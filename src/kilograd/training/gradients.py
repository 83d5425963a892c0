"""Squared gradients of all that a program trains, in the arithmetic that ships.

A training step moves each delta by rate · gradient, rounded stochastically; two steps from the same
state with different random numbers round independently, so that the product of both moves has the
squared gradient for its mean, however small the moves are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilograd.compiler import Program
from kilograd.data import Samples
from kilograd.device.host import HostDevice
from kilograd.device.protocol import LearningRate
from kilograd.ir import Phase, TensorType
from kilograd.measuring.budget import trained_states
from kilograd.memory.state_layout import StateHeader

#: Steps before gradients count: exponents of gradients adapt to their sizes first.
_WARM_UP = 48
#: Most of the steps that may stand at the end of a delta's range.
_MOST_SATURATED = 1e-3


@dataclass(frozen=True)
class Delta:
    """Where a trained tensor lies in a state."""

    layer: str
    offset: int
    type: TensorType

    @property
    def end(self) -> int:
        """Offset of what comes after it."""
        return self.offset + self.type.nbytes

    @property
    def most(self) -> int:
        """The end of its range."""
        return int(np.iinfo(self.type.dtype.value).max)

    @property
    def is_bias(self) -> bool:
        """Biases are vectors."""
        return len(self.type.shape) == 1

    def read(self, state: bytes) -> NDArray[np.int32]:
        """Its contents."""
        found = np.frombuffer(state, self.type.dtype.numpy, self.type.size, self.offset)
        return found.reshape(self.type.shape).astype(np.int32)

    def scales(self) -> NDArray[np.float64]:
        """One step of every element, broadcastable to its shape."""
        quantization = self.type.quantization
        axis = quantization.axis if quantization and quantization.axis is not None else 0
        shape = [1] * len(self.type.shape)
        shape[axis] = len(self.type.scales)
        return np.array(self.type.scales).reshape(shape)


def deltas_of(program: Program) -> list[Delta]:
    """The deltas of all layers in forward order; the head's come last."""
    graph = program.graph
    layers = dict.fromkeys(node.layer for node in graph.nodes if node.phase is Phase.INFERENCE)
    return [
        Delta(layer, program.plan.states[state.name], state.type)
        for layer in layers
        for state in trained_states(graph, layer)
    ]


def squared_gradients(
    gradients: GradientReader,
    deltas: list[Delta],
    samples: Samples,
    chosen: list[int],
    progress: Callable[[int, int], None] | None,
) -> list[NDArray[np.float64]]:
    """The mean squared gradient of every element, in nats squared by units squared."""
    pairs = [(samples.inputs[index], int(samples.labels[index])) for index in chosen]
    count = _WARM_UP + len(pairs)
    for done in range(_WARM_UP):
        gradients.warm_up(*pairs[done % len(pairs)])
        if progress is not None:
            progress(done + 1, count)
    gradients.choose_rate(pairs[:16])
    sums = [np.zeros(delta.type.shape) for delta in deltas]
    for done, pair in enumerate(pairs, _WARM_UP + 1):
        moves = zip(*gradients.of(*pair), strict=True)
        sums = [total + one * other for total, (one, other) in zip(sums, moves, strict=True)]
        if progress is not None:
            progress(done, count)
    rate = gradients.rate.value
    return [
        total * (delta.scales() / rate) ** 2 / len(pairs)
        for delta, total in zip(deltas, sums, strict=True)
    ]


class GradientReader:
    """Reads gradients off training steps that are taken back.

    Args:
        device: of a program that trains everything.
        deltas: all of them.
        state: that every step starts from; its exponents follow the steps.
    """

    def __init__(self, device: HostDevice, deltas: list[Delta], state: bytes) -> None:
        self._device = device
        self._deltas = deltas
        self._state = state
        self._draws = 0
        self.rate = LearningRate.from_float(2.0**-12)

    def warm_up(self, sample: NDArray[np.int8], label: int) -> None:
        """A step that changes nothing but exponents."""
        self._follow(self._step(sample, label))

    def choose_rate(self, pairs: list[tuple[NDArray[np.int8], int]]) -> None:
        """The largest power of two at which hardly any delta reaches the end of its range."""
        for exponent in range(6, -30, -1):
            self.rate = LearningRate.from_float(2.0**exponent)
            count = ends = 0
            for pair in pairs:
                for delta, move in zip(self._deltas, self._moves(self._step(*pair)), strict=True):
                    count += move.size
                    ends += int(np.count_nonzero(np.abs(move) >= delta.most))
            if ends <= _MOST_SATURATED * count:
                return

    def of(
        self, sample: NDArray[np.int8], label: int
    ) -> tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]]:
        """Twice the moves that a sample makes, rounded independently."""
        first, second = self._step(sample, label), self._step(sample, label)
        self._follow(second)
        return self._moves(first), self._moves(second)

    def _step(self, sample: NDArray[np.int8], label: int) -> bytes:
        """The state after a step with random numbers that no other step had."""
        self._draws += 1
        header = StateHeader.unpack(self._state)
        drawn = StateHeader(self._draws, header.steps, header.classes).pack()
        self._device.write_state(drawn + self._state[StateHeader.BYTES :])
        self._device.train_step(sample, label, self.rate)
        return self._device.read_state()

    def _moves(self, after: bytes) -> list[NDArray[np.int32]]:
        return [delta.read(after) - delta.read(self._state) for delta in self._deltas]

    def _follow(self, after: bytes) -> None:
        """Take over everything of a state but the deltas."""
        merged = bytearray(after)
        for delta in self._deltas:
            merged[delta.offset : delta.end] = self._state[delta.offset : delta.end]
        self._state = bytes(merged)
