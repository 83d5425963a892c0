"""Verifies that devices compute the same bits, step by step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilograd.compiler import Program
from kilograd.device.open import open_device
from kilograd.device.protocol import DEFAULT_RATE, Device, LearningRate
from kilograd.device.sample_memory import MemoryDevice
from kilograd.errors import DeviceError
from kilograd.ir import LabelKind


@dataclass(frozen=True)
class Equivalence:
    """What the devices computed.

    Attributes:
        devices: their names.
        steps: training steps compared.
        digests: SHA-256 over state and logits of every step so far, after each step, by device.
    """

    devices: tuple[str, ...]
    steps: int
    digests: dict[str, tuple[str, ...]]

    @property
    def identical(self) -> bool:
        """Whether every device had the same bits at every step."""
        return len(set(self.digests.values())) == 1

    @property
    def digest(self) -> str:
        """The first device's digest after the last step."""
        return self.digests[self.devices[0]][-1]

    @property
    def first_difference(self) -> int | None:
        """The first step at which two devices differ, from 1; None when none do."""
        for step in range(self.steps):
            if len({digests[step] for digests in self.digests.values()}) > 1:
                return step + 1
        return None


def verify_devices(
    program: Program,
    devices: Sequence[str],
    *,
    steps: int,
    seed: int = 0,
    progress: Callable[[str, int], None] | None = None,
) -> Equivalence:
    """Train the same random samples on each device and compare all that training changes.

    The digest after step k covers the logits and the whole state of steps 1 to k. Where the program
    has room for samples that are learned from again, each step keeps its sample and is followed by
    one from a sample that is kept, whose label is covered, too.

    Raises:
        DeviceError: a device cannot be opened, or keeps no samples where the program does.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    shape = program.graph.inputs[0].type.shape
    samples = [generator.integers(-128, 128, shape).astype(np.int8) for _ in range(steps)]
    first, end = _labels(program)
    labels = generator.integers(first, end, steps).tolist()
    rate = LearningRate.from_float(DEFAULT_RATE, 2 * steps)
    digests: dict[str, tuple[str, ...]] = {}
    kept = program.request.memory_samples
    with ExitStack() as stack:
        for name in devices:
            device: Device = stack.enter_context(open_device(program, name))
            device.initialize(seed)
            learn = _learner(device, rate, kept)
            hasher = hashlib.sha256()
            taken: list[str] = []
            for step, (sample, label) in enumerate(zip(samples, labels, strict=True)):
                hasher.update(learn(sample, label))
                hasher.update(device.read_state())
                taken.append(hasher.hexdigest())
                if progress is not None:
                    progress(name, step + 1)
            digests[name] = tuple(taken)
    return Equivalence(tuple(devices), steps, digests)


def _labels(program: Program) -> tuple[int, int]:
    """The lowest label, and the end of all; of values, those that are expected."""
    classes = program.class_count
    ends = {LabelKind.SET: 1 << classes, LabelKind.VALUE: 1 << 16}
    end = ends.get(program.graph.label_kind, classes)
    return (-end if program.graph.label_kind is LabelKind.VALUE else 0), end


def _learner(
    device: Device, rate: LearningRate, kept: int
) -> Callable[[NDArray[np.int8], int], bytes]:
    """What a step is: from a sample to its logits and, with a memory, what was drawn after it."""
    if not kept:
        return lambda sample, label: device.train_step(sample, label, rate).astype("<i4").tobytes()
    if not isinstance(device, MemoryDevice):
        raise DeviceError("it keeps no samples", where=device.name)
    memory = device
    memory.begin_memory(kept)

    def learn(sample: NDArray[np.int8], label: int) -> bytes:
        logits = memory.memory_step(sample, label, rate).astype("<i4").tobytes()
        drawn = memory.memory_replay(rate, 0)
        return logits + repr((drawn, memory.memory_counts())).encode()

    return learn
