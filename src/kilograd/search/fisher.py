"""Contributions from gradients: the Fisher information of each part of a network.

The squared gradient of a parameter, averaged over samples, is the diagonal of the empirical Fisher
information, which TinyTrain (section 3.2) takes of activations. A contribution here is the root of
its sum over what an option trains, the norm of the gradient: the square itself says how fast the
loss falls at first, but not for how long, and would put everything on a few steep weights
(docs/search.md).

The gradients are those of the arithmetic that ships. A training step with everything trained moves
each delta by rate · gradient, rounded stochastically; two steps from the same state with different
random numbers round independently, so that the product of both moves has the squared gradient for
its mean, however small the moves are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilograd.compiler import Program, compile_model
from kilograd.data import Samples
from kilograd.device.host import HostDevice
from kilograd.device.protocol import LearningRate
from kilograd.ir import Graph, Phase, TensorType
from kilograd.measuring.budget import trained_states
from kilograd.memory.state_layout import StateHeader
from kilograd.scheme import load_scheme
from kilograd.search.contributions import Contributions
from kilograd.search.options import LayerOptions
from kilograd.toolchain import build_host_library
from kilograd.training.loop import Runner, TrainingOptions, default_rate

#: Most samples whose gradients are averaged.
SAMPLES = 256
#: Steps before gradients count: exponents of gradients adapt to their sizes first.
_WARM_UP = 48
#: Most of the steps that may stand at the end of a delta's range.
_MOST_SATURATED = 1e-3


@dataclass(frozen=True)
class _Delta:
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


def fisher_contributions(
    graph: Graph,
    options: tuple[LayerOptions, ...],
    samples: Samples,
    *,
    epochs: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Contributions:
    """The mean squared gradient of every option, with a head that was trained before.

    Args:
        graph: the forward graph.
        options: of all its layers.
        samples: that may be learned from.
        epochs: passes over them that the head is trained for first.
        seed: of the order of samples and of the rounding.
        progress: told how many of all steps are done.
    """
    everything = load_scheme("full", graph)
    program = compile_model(graph, everything)
    head = compile_model(graph, load_scheme("head", graph))
    rng = np.random.Generator(np.random.PCG64(seed))
    chosen = rng.permutation(len(samples))[:SAMPLES].tolist()
    with HostDevice(build_host_library(program.sources).path) as device:
        device.initialize(seed)
        state = _with_head(program, head, device.read_state(), samples, epochs, seed)
        deltas = _deltas(program)
        gradients = _Gradients(device, deltas, state)
        squares = _squared_gradients(gradients, deltas, samples, chosen, progress)
    return _grouped(options, deltas, squares)


def _with_head(
    program: Program, head: Program, state: bytes, samples: Samples, epochs: int, seed: int
) -> bytes:
    """A state in which nothing but the head has been trained."""
    with HostDevice(build_host_library(head.sources).path) as device:
        device.initialize(seed)
        runner: Runner[int] = Runner(device, lambda index: samples.inputs[index])
        options = TrainingOptions(epochs, default_rate(head), seed=seed)
        rate = options.learning_rate(epochs * len(samples))
        generator = np.random.Generator(np.random.PCG64(seed))
        for _ in range(epochs):
            for index in generator.permutation(len(samples)).tolist():
                runner.step(index, int(samples.labels[index]), rate)
        learned = device.read_state()
    merged = bytearray(state)
    for name, offset in head.plan.states.items():
        size = head.graph.values[name].type.nbytes
        start = program.plan.states[name]
        merged[start : start + size] = learned[offset : offset + size]
    return bytes(merged)


def _deltas(program: Program) -> list[_Delta]:
    """The deltas of all layers in forward order; the head's come last."""
    graph = program.graph
    layers = dict.fromkeys(node.layer for node in graph.nodes if node.phase is Phase.INFERENCE)
    return [
        _Delta(layer, program.plan.states[state.name], state.type)
        for layer in layers
        for state in trained_states(graph, layer)
    ]


def _squared_gradients(
    gradients: _Gradients,
    deltas: list[_Delta],
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


class _Gradients:
    """Reads gradients off training steps that are taken back.

    Args:
        device: of a program that trains everything.
        deltas: all of them.
        state: that every step starts from; its exponents follow the steps.
    """

    def __init__(self, device: HostDevice, deltas: list[_Delta], state: bytes) -> None:
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


def _grouped(
    options: tuple[LayerOptions, ...], deltas: list[_Delta], squares: list[NDArray[np.float64]]
) -> Contributions:
    """The gains of the options: sums over the elements that they train."""
    found = {(d.layer, d.is_bias): square for d, square in zip(deltas, squares, strict=True)}
    trunk = options[:-1]
    by_channel = {
        o.layer: found[o.layer, False].reshape(-1, found[o.layer, False].shape[-1]).sum(axis=0)
        for o in trunk
    }
    return Contributions(
        "fisher",
        "gradient norm",
        {o.layer: _norm(found[o.layer, True]) for o in trunk},
        {
            o.layer: {w.share: _norm(by_channel[o.layer][list(w.channels)]) for w in o.weights}
            for o in trunk
        },
    )


def _norm(squares: NDArray[np.float64]) -> float:
    """Root of a sum of squares; what rounding leaves of nothing may be below zero."""
    return float(np.sqrt(max(0.0, squares.sum())))
