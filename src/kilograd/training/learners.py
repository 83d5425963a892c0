"""What is done with each new sample of a stream: learned from at once, or kept as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kilograd.device.protocol import Device
from kilograd.device.sample_memory import MemoryDevice, can_teach
from kilograd.errors import DeviceError
from kilograd.training.divergence import DivergenceMonitor
from kilograd.training.overshoot import FirstStepsGuard, OvershootGuard
from kilograd.training.runner import Runner
from kilograd.training.stream import MemoryOptions, SampleKey, Stream


@dataclass(frozen=True)
class MemoryUse:
    """What became of a memory.

    Attributes:
        options: of it.
        counts: samples of each class that are there at the end.
        replays: steps that were taken from them, one after each new sample or so.
        consolidation: and at the end.
    """

    options: MemoryOptions
    counts: tuple[int, ...]
    replays: int
    consolidation: int


#: Told of steps that are done, and of how many there are.
Told = Callable[[int, int], None]


class Learner(Protocol):
    """Learns from samples as they come.

    Attributes:
        steps: training steps so far.
        all_steps: that the whole stream takes, at most.
    """

    steps: int
    all_steps: int

    @property
    def memory(self) -> MemoryUse | None:
        """What became of the memory; None without one."""
        ...

    def learn(self, key: SampleKey, label: int) -> NDArray[np.int32]:
        """Learn from a new sample: its logits from before."""
        ...

    def consolidate(
        self, before_step: Callable[[], None], tell: Callable[[int, int], None]
    ) -> None:
        """What is done once nothing comes any more.

        Args:
            before_step: called before each step.
            tell: given steps done, and all of them.
        """
        ...


def make_learner(
    device: Device, runner: Runner[SampleKey], monitor: DivergenceMonitor, stream: Stream
) -> Learner:
    """What the stream's options ask for, on an initialized device.

    Raises:
        DeviceError: the device has no room for the memory.
    """
    options = stream.options
    if options.memory is None:
        # What a step does to its own sample says nothing where the next ones are like it.
        guard = OvershootGuard(monitor) if options.order == "shuffled" else None
        return _AtOnce(runner, monitor, guard, options.repeats, len(stream.order))
    if not isinstance(device, MemoryDevice):
        raise DeviceError(f"{device.name} keeps no samples")
    return _WithMemory(device, stream, monitor, options.memory)


class _AtOnce:
    """Learns from each sample, and lets it go."""

    memory = None

    def __init__(
        self,
        runner: Runner[SampleKey],
        monitor: DivergenceMonitor,
        guard: OvershootGuard | None,
        repeats: int,
        count: int,
    ) -> None:
        self._runner = runner
        self._monitor = monitor
        self._guard = guard
        self._repeats = repeats
        self.steps = 0
        self.all_steps = repeats * count

    def learn(self, key: SampleKey, label: int) -> NDArray[np.int32]:
        logits = [self._step(key, label) for _ in range(self._repeats)]
        self._runner.forget(key)
        return logits[0]

    def _step(self, key: SampleKey, label: int) -> NDArray[np.int32]:
        logits = self._runner.step(key, label, self._monitor.rate)
        self._monitor.after_step()
        self.steps += 1
        if self._guard is not None and self._guard.is_due(logits, label):
            self._guard.look(logits, self._runner.predict(key), label)
        return logits

    def consolidate(
        self, before_step: Callable[[], None], tell: Callable[[int, int], None]
    ) -> None:
        """Nothing was kept."""


class _WithMemory:
    """Learns from each sample, keeps it or not, and learns again from some that are kept."""

    def __init__(
        self,
        device: MemoryDevice,
        stream: Stream,
        monitor: DivergenceMonitor,
        options: MemoryOptions,
    ) -> None:
        self._device = device
        self._stream = stream
        self._monitor = monitor
        self._options = options
        count = len(stream.order)
        asked = options.consolidation
        self._last_steps = count if asked is None else asked
        self.steps = self._replayed = self._consolidated = 0
        self._teaches = False
        self._guard = FirstStepsGuard(monitor)
        self.all_steps = count * (1 + options.replays) + self._last_steps
        device.begin_memory(options.samples, options.per_class)

    @property
    def memory(self) -> MemoryUse:
        counts = self._device.memory_counts()
        return MemoryUse(self._options, counts, self._replayed, self._consolidated)

    def learn(self, key: SampleKey, label: int) -> NDArray[np.int32]:
        sample, rate = self._stream.sample(key), self._monitor.rate
        logits = self._device.memory_step(sample, label, rate)
        if not self._can_teach():
            return logits
        if self._guard.is_due:
            self._guard.look(logits, self._device.predict(sample), label)
        self._count_step()
        for _ in range(self._options.replays):
            if self._device.memory_replay(self._monitor.rate, 0) is not None:
                self._count_step()
                self._replayed += 1
        return logits

    def consolidate(
        self, before_step: Callable[[], None], tell: Callable[[int, int], None]
    ) -> None:
        if not self._last_steps or not self._can_teach():
            return
        for step in range(self._last_steps):
            before_step()
            rate = replace(self._monitor.rate, steps=self._last_steps)
            self._device.memory_replay(rate, step)
            self._count_step()
            self._consolidated += 1
            tell(step + 1, self._last_steps)

    def _can_teach(self) -> bool:
        """Once samples of two classes are there, they stay."""
        self._teaches = self._teaches or can_teach(self._device.memory_counts())
        return self._teaches

    def _count_step(self) -> None:
        self.steps += 1
        self._monitor.after_step()
