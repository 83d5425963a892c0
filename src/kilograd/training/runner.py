"""Samples on their way through a device, each once through the frozen prefix where it can."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from kilograd.data import Samples
from kilograd.device.protocol import Device, LearningRate, check_label
from kilograd.ir import LabelKind
from kilograd.training.anomalies import Reconstructions
from kilograd.training.answers import Answers, Evaluation, LabelSets, OneClass, Values
from kilograd.training.unfinished import never

#: Names a sample of a run.
Key = TypeVar("Key", bound=Hashable)


@runtime_checkable
class PrefixDevice(Protocol):
    """A device that can run the frozen prefix of a network once and keep the result."""

    def prefix_snapshot(self, sample: NDArray[np.int8]) -> NDArray[np.uint8]:
        """What the frozen prefix leaves in memory for a sample."""
        ...

    def predict_from_snapshot(self, snapshot: NDArray[np.uint8]) -> NDArray[np.int32]:
        """As predict."""
        ...

    def train_step_from_snapshot(
        self, snapshot: NDArray[np.uint8], label: int, rate: LearningRate
    ) -> NDArray[np.int32]:
        """As train_step."""
        ...


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """An evaluation stopped where it was asked to."""


class Progress(Protocol):
    """Told about every sample that a run is done with."""

    def __call__(self, stage: str, done: int, total: int, so_far: float) -> None:
        """``stage`` is evaluating or training; ``so_far`` its accuracy, or its values' error."""
        ...


def answers_of(device: Device) -> Answers:
    """What suits a device's network."""
    kind, count = device.label_kind, device.class_count
    if kind is LabelKind.ANOMALY:
        return Reconstructions()
    if kind is LabelKind.VALUE:
        return Values()
    return LabelSets(count) if kind is LabelKind.SET else OneClass(count)


def check_labels(device: Device, samples: Samples, *, are_learned: bool = True) -> None:
    """Refuse samples of classes that a device does not have.

    Args:
        device: of the network.
        samples: with labels.
        are_learned: whether these are to be learned; anomalies can only be judged by.

    Raises:
        DataError: a label is no class.
    """
    if device.label_kind is LabelKind.ANOMALY and not are_learned:
        return
    for label in np.unique(samples.labels).tolist():
        check_label(label, device.class_count, device.label_kind)


class Runner(Generic[Key]):
    """Runs samples through a device, each once through the frozen prefix where the device can.

    Args:
        device: to run them.
        sample: int8 sample of a key; asked for once a key, or each time where nothing is kept.
        keeps: whether what the frozen prefix makes of a sample is kept where that can be done.
    """

    def __init__(
        self, device: Device, sample: Callable[[Key], NDArray[np.int8]], *, keeps: bool = True
    ) -> None:
        self._device = device
        self._keeps = keeps
        self._sample = sample
        self._kept: dict[Key, NDArray[np.uint8]] = {}

    def step(self, key: Key, label: int, rate: LearningRate) -> NDArray[np.int32]:
        """As `Device.train_step`."""
        device = self._device
        if isinstance(device, PrefixDevice):
            return device.train_step_from_snapshot(self._snapshot(device, key), label, rate)
        return device.train_step(self._sample(key), label, rate)

    def predict(self, key: Key) -> NDArray[np.int32]:
        """As `Device.predict`."""
        device = self._device
        if self._keeps and isinstance(device, PrefixDevice):
            return device.predict_from_snapshot(self._snapshot(device, key))
        return device.predict(self._sample(key))

    def evaluate(
        self,
        keys: Sequence[Key],
        labels: NDArray[np.int32],
        progress: Progress | None = None,
        should_stop: Callable[[], bool] = never,
    ) -> Evaluation:
        """Predict every sample."""
        device = self._device
        answers = answers_of(device)
        predictions: list[tuple[NDArray[np.int32], int]] = []
        total = 0.0
        for done, (key, label) in enumerate(zip(keys, labels.tolist(), strict=True), 1):
            if should_stop():
                raise Stopped
            predictions.append((self.predict(key), label))
            if progress is not None:
                total += answers.score(*predictions[-1])
                progress("evaluating", done, len(keys), total / done)
        return answers.evaluation(predictions)

    def forget(self, key: Key) -> None:
        """Let go of what is kept for a sample."""
        self._kept.pop(key, None)

    def _snapshot(self, device: PrefixDevice, key: Key) -> NDArray[np.uint8]:
        if key not in self._kept:
            self._kept[key] = device.prefix_snapshot(self._sample(key))
        return self._kept[key]
