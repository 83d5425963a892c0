"""Samples that are kept to be learned from again: what every device does with them.

Class-balanced reservoir sampling (Chrysakis and Moens, Online Continual Learning from Imbalanced
Data, ICML 2020) with the counter-based numbers of docs/numerics.md, section 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from kilograd.codegen.sources import RUNTIME
from kilograd.device.protocol import Device, LearningRate
from kilograd.errors import DataError, DeviceError
from kilograd.ops.arithmetic import numbers_of, random_bits
from kilograd.ops.spec import c_constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


_HEADER = RUNTIME / "kg_memory_place.h"
#: Streams of random numbers; nodes of a step have those from 0 up.
_KEEPING, _DRAWING = (-c_constant(_HEADER, f"KG_MEMORY_{name}") for name in ("KEEPING", "DRAWING"))
_MOST_SEEN = c_constant(_HEADER, "KG_MEMORY_MOST_SEEN")
#: Fewer classes than these teach nothing.
_FEWEST_CLASSES = 2


@runtime_checkable
class MemoryDevice(Device, Protocol):
    """A device that keeps samples and learns from them again, as ``kg_memory.h`` says.

    Before `begin_memory`, and where a firmware has no room for one, calls raise DeviceError.
    """

    def begin_memory(self, samples: int, per_class: int = 0) -> None:
        """Begins with an empty memory.

        Args:
            samples: that there is room for, at least 1.
            per_class: most of a class; 0 for as many as there is room.
        """
        ...

    def memory_keep(self, sample: NDArray[np.int8], label: int) -> NDArray[np.int32]:
        """Keeps a sample, or not; nothing is learned. Returns its logits, int32, (classes,)."""
        ...

    def memory_step(
        self, sample: NDArray[np.int8], label: int, rate: LearningRate
    ) -> NDArray[np.int32]:
        """The same, and learns from it, unless samples of one class only are there."""
        ...

    def memory_replay(self, rate: LearningRate, at: int) -> int | None:
        """Learns from a sample that is drawn, as step ``at`` of a run of ``rate.steps``.

        Returns:
            Its label; None where fewer than two active classes are there.
        """
        ...

    def memory_forget(self, label: int) -> None:
        """Lets go of all samples of a class."""
        ...

    def memory_counts(self) -> tuple[int, ...]:
        """How many samples of each class are there."""
        ...


def check_memory(samples: int, per_class: int) -> None:
    """Refuses a memory that holds nothing.

    Raises:
        DataError: fewer than 1 sample, or a negative number of a class.
    """
    if samples < 1 or per_class < 0:
        raise DataError(
            f"a memory has room for at least 1 sample, not {samples} with {per_class} of a class",
            hint="0 of a class stands for as many as there is room",
        )


def no_memory(device: str) -> DeviceError:
    """The error for a call that needs a memory which has not begun."""
    return DeviceError("no memory of samples has begun", where=device)


def can_teach(counts: Sequence[int]) -> bool:
    """Whether samples of two classes are there, of so many of each."""
    return sum(count > 0 for count in counts) >= _FEWEST_CLASSES


@dataclass(frozen=True, eq=False)
class KeptSample:
    """A sample that is kept.

    Attributes:
        number: of all samples that came before it.
        label: its class.
        sample: itself.
    """

    number: int
    label: int
    sample: NDArray[np.int8]


class SampleMemory:
    """The definition of what is kept and what is drawn; as ``kg_memory.c``, number by number.

    Args:
        samples: that there is room for.
        per_class: most of a class; 0 for as many as there is room.
        classes: of the network.
    """

    def __init__(self, samples: int, per_class: int, classes: int) -> None:
        check_memory(samples, per_class)
        self._capacity = samples
        self._most = per_class if 0 < per_class < _MOST_SEEN else _MOST_SEEN
        self._kept: list[KeptSample] = []
        self._seen = [0] * classes
        self._was_largest = [False] * classes
        self._offered = 0

    def counts(self) -> tuple[int, ...]:
        """How many samples of each class are there."""
        labels = [one.label for one in self._kept]
        return tuple(labels.count(label) for label in range(len(self._seen)))

    def offer(self, sample: NDArray[np.int8], label: int, seed: int) -> None:
        """Keep a sample, or not.

        Args:
            sample: any array; a copy is kept.
            label: its class.
            seed: of the device's state.
        """
        number, self._offered = self._offered, self._offered + 1
        self._seen[label] = min(self._seen[label] + 1, _MOST_SEEN)
        counts = self.counts()
        is_full = len(self._kept) >= self._capacity
        if is_full:
            for other, count in enumerate(counts):
                self._was_largest[other] |= count == max(counts)
        leaving: int | None = None
        random = random_bits(seed, number, _KEEPING, 2).tolist()
        if counts[label] >= self._most or (is_full and self._was_largest[label]):
            if _below(random[0], self._seen[label]) >= counts[label]:
                return
            leaving = label
        elif is_full:
            leaving = counts.index(max(counts))
        if leaving is not None:
            self._kept.remove(self._choose(random[1], leaving))
        self._kept.append(KeptSample(number, label, np.array(sample, np.int8)))

    def draw(self, seed: int, step: int, active_classes: int) -> KeptSample | None:
        """The sample that a step learns from; None where fewer than two classes are there.

        Args:
            seed: of the device's state.
            step: likewise.
            active_classes: only samples of these are drawn.
        """
        counts = self.counts()[:active_classes]
        if not can_teach(counts):
            return None
        there = [label for label, count in enumerate(counts) if count]
        random = random_bits(seed, step, _DRAWING, 2).tolist()
        return self._choose(random[1], there[_below(random[0], len(there))])

    def forget(self, label: int) -> None:
        """Let go of all samples of a class."""
        self._kept = [one for one in self._kept if one.label != label]
        self._seen[label], self._was_largest[label] = 0, False

    def _choose(self, key: int, label: int) -> KeptSample:
        """The sample of a class whose number gives the smallest random number."""
        of_class = [one for one in self._kept if one.label == label]
        numbers = np.array([one.number for one in of_class], np.uint64)
        return of_class[int(numbers_of(np.array([key], np.uint64), numbers).argmin())]


def _below(random: int, count: int) -> int:
    return random * count >> 32
