"""Contributions from gradients: the Fisher information of each part of a network.

The squared gradient of a parameter, averaged over samples, is the diagonal of the empirical Fisher
information, which TinyTrain (section 3.2) takes of activations. A contribution here is the root of
its sum over what an option trains, the norm of the gradient: the square itself says how fast the
loss falls at first, but not for how long, and would put everything on a few steep weights
(docs/search.md).

The gradients are those of the arithmetic that ships (``kilograd.training.gradients``).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kilograd.compiler import Program, compile_model
from kilograd.data import Samples
from kilograd.device.host import HostDevice
from kilograd.ir import Graph
from kilograd.scheme import load_scheme
from kilograd.search.contributions import Contributions
from kilograd.search.options import LayerOptions
from kilograd.toolchain import build_host_library
from kilograd.training.gradients import (
    Delta,
    GradientReader,
    deltas_of,
    squared_gradients,
)
from kilograd.training.loop import TrainingOptions
from kilograd.training.rate import default_rate
from kilograd.training.runner import Runner

#: Most samples whose gradients are averaged.
SAMPLES = 256


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
        deltas = deltas_of(program)
        gradients = GradientReader(device, deltas, state)
        squares = squared_gradients(gradients, deltas, samples, chosen, progress)
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


def _grouped(
    options: tuple[LayerOptions, ...], deltas: list[Delta], squares: list[NDArray[np.float64]]
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
