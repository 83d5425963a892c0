"""What it costs to keep samples and to learn from them again, and where more would fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kilograd.codegen.boundary import boundary_bytes
from kilograd.compiler import Program
from kilograd.device.protocol import LearningRate
from kilograd.device.unicorn import UnicornDevice
from kilograd.errors import KilogradError
from kilograd.toolchain import Build


@dataclass(frozen=True)
class BoundaryChoice:
    """A place where the frozen layers could end.

    Attributes:
        layer: the first one behind it, which could still be trained.
        map_bytes: of a sample that crosses it.
    """

    layer: str
    map_bytes: int


@dataclass(frozen=True)
class MemoryCost:
    """What a memory of samples costs.

    Attributes:
        samples: that it holds.
        sample_bytes: of RAM for each: what the layers that learn read of it, its label, its
            number and a checksum.
        bytes: of RAM for all of them; part of ``data_bss``.
        instructions_replay: of a training step from a sample that is kept, emulated.
        stack: high-water mark of keeping and replaying, in bytes.
        later: later boundaries, behind each of which a sample is smaller than at all before it;
            only layers behind it could then be trained.
    """

    samples: int
    sample_bytes: int
    bytes: int
    instructions_replay: int
    stack: int
    later: tuple[BoundaryChoice, ...]


def measure_sample_memory(program: Program, build: Build) -> MemoryCost | None:
    """Keeps two samples of two classes and learns from one of them; None without a memory."""
    samples = program.request.memory_samples
    if not samples:
        return None
    shape = program.graph.inputs[0].type.shape
    generator = np.random.Generator(np.random.PCG64(0))
    with UnicornDevice(build.path, build.target) as device:
        device.initialize(0)
        device.begin_memory(samples)
        for label in (0, 1):
            device.memory_keep(generator.integers(-128, 128, shape).astype(np.int8), label)
        device.memory_replay(LearningRate.from_float(0.01, 100), 0)
        counters = device.counters()
    if counters.instructions_last_call is None or counters.stack_bytes is None:
        raise KilogradError("the emulator measured nothing")
    each = program.memory_sample_bytes
    return MemoryCost(
        samples,
        each,
        samples * each,
        counters.instructions_last_call,
        counters.stack_bytes,
        tuple(_later_boundaries(program)),
    )


def _later_boundaries(program: Program) -> list[BoundaryChoice]:
    """Where fewer bytes cross than at the program's own boundary and all places before."""
    graph = program.request.graph
    last_read = {name: at for at, node in enumerate(graph.nodes) for name in node.inputs}
    found: list[BoundaryChoice] = []
    smallest = boundary_bytes(program.graph, program.plan) or 0
    made: list[str] = [value.name for value in graph.inputs]
    for at, node in enumerate(graph.nodes):
        crossing = [name for name in made if last_read.get(name, -1) >= at]
        size = sum(graph.type_of(name).nbytes for name in crossing)
        if size < smallest and node.layer:
            smallest = size
            found.append(BoundaryChoice(node.layer, size))
        made += node.outputs
    return found
