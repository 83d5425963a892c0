"""The training loop: epochs, learning-rate schedule, evaluation, progress."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from kilograd.data import Augment, Dataset, Samples
from kilograd.device.protocol import DEFAULT_RATE, Device, LearningRate, check_label
from kilograd.errors import DataError
from kilograd.ops.spec import TrainingCounters
from kilograd.training.answers import Evaluation, answers_of
from kilograd.training.divergence import Divergence, DivergenceMonitor, Listener
from kilograd.training.records import Record, RecordListener
from kilograd.training.unfinished import Interrupted, Unfinished, never

#: Steps that the running accuracy is averaged over.
RECENT = 50

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


@dataclass(frozen=True)
class TrainingOptions:
    """How a run trains.

    Attributes:
        epochs: passes over the training samples, each in a new order; at least 1.
        rate: learning rate at its highest.
        schedule: ``cosine`` (a short linear rise, then a cosine down to zero) or ``constant``.
        seed: of the order of samples and of the device's stochastic rounding.
    """

    epochs: int = 1
    rate: float = DEFAULT_RATE
    schedule: str = "cosine"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise DataError(f"epochs must be at least 1, not {self.epochs}")
        if self.schedule not in ("cosine", "constant"):
            raise DataError(
                f"there is no schedule {self.schedule!r}", hint="cosine and constant are known"
            )
        LearningRate.from_float(self.rate)  # refuses what is no rate before anything starts

    def learning_rate(self, steps: int) -> LearningRate:
        """What every step of a run of ``steps`` is given; the device follows the schedule."""
        return LearningRate.from_float(self.rate, steps if self.schedule == "cosine" else 0)


@dataclass(frozen=True)
class TrainingResult:
    """What a run measured.

    Attributes:
        before: evaluation on the test samples before the first step.
        after: and after the last.
        steps: training steps done.
        seconds: wall time of the steps alone.
        online_accuracy: after each step, the running share of training samples that were
            predicted rightly before they were learned from (averaged over the last 50).
        losses: cross-entropy of each step's sample before it was learned from, in nats.
        state: the device's state after the last step.
        divergences: each time that the run diverged and went back to a healthy state.
    """

    before: Evaluation
    after: Evaluation
    steps: int
    seconds: float
    online_accuracy: Sequence[float]
    losses: Sequence[float]
    state: bytes
    divergences: Sequence[Divergence] = ()

    @property
    def state_digest(self) -> str:
        """SHA-256 of the state."""
        return hashlib.sha256(self.state).hexdigest()


class _Stopped(Exception):  # noqa: N818 - nothing went wrong
    """An evaluation stopped where it was asked to."""


class Progress(Protocol):
    """Told about every sample that a run is done with."""

    def __call__(self, stage: str, done: int, total: int, accuracy: float) -> None:
        """``stage`` is evaluating or training; ``accuracy`` so far in it."""
        ...


def train(
    device: Device,
    dataset: Dataset,
    options: TrainingOptions,
    progress: Progress | None = None,
    on_divergence: Listener | None = None,
    *,
    augment: Augment | None = None,
    unfinished: Unfinished | None = None,
    should_stop: Callable[[], bool] = never,
    on_record: RecordListener | None = None,
) -> TrainingResult:
    """Evaluate, train one sample at a time, evaluate again.

    Deterministic for a dataset and options, whichever the device. Where the device can keep the
    results of the frozen prefix, each sample runs through it once. Where the run diverges, it
    goes back to a healthy state and to a quarter of the rate, and on from there.

    Args:
        device: of the network.
        dataset: what is learned.
        options: how.
        progress: told about every sample.
        on_divergence: told about every divergence.
        augment: what becomes of a sample before a step learns from it.
        unfinished: a run of the same dataset, options and augmentation to go on with, to the same
            end as if it had never been interrupted.
        should_stop: asked before every sample; a run that stops raises Interrupted.
        on_record: told what is known after each step and each evaluation.

    Raises:
        Interrupted: the run was asked to stop.
        DataError: when there is nothing to train on, or a label is no class.
    """
    if not len(dataset.train):
        raise DataError("there are no training samples", where=dataset.name)
    check_labels(device, dataset.train)
    check_labels(device, dataset.test)
    run = _Run(device, dataset, options, augment, unfinished, on_divergence, on_record)
    return run.finish(progress, should_stop)


class _Key(NamedTuple):
    """A sample of a run.

    Attributes:
        split: train or test.
        number: in it.
        step: that it is augmented for; None as it is.
    """

    split: str
    number: int
    step: int | None = None


class _Run:
    """A run, and how far it is."""

    def __init__(
        self,
        device: Device,
        dataset: Dataset,
        options: TrainingOptions,
        augment: Augment | None,
        unfinished: Unfinished | None,
        on_divergence: Listener | None,
        on_record: RecordListener | None,
    ) -> None:
        self._runner: Runner[_Key] = Runner(device, self._sample)
        self._device = device
        self._augment = augment
        self._on_record = on_record
        self._answers = answers_of(device)
        self._dataset = dataset
        self._options = options
        self._total = options.epochs * len(dataset.train)
        device.initialize(options.seed)
        if unfinished is not None:
            device.write_state(unfinished.state)
        self._monitor = DivergenceMonitor(device, options.learning_rate(self._total), on_divergence)
        self._right: list[float] = []
        self._losses: list[float] = []
        self._before: Evaluation | None = None
        self._counters = TrainingCounters()
        if unfinished is not None:
            self._monitor.resume(unfinished.watch)
            self._right, self._losses = [*unfinished.right], [*unfinished.losses]
            self._before = unfinished.before
            self._counters = unfinished.counters

    def finish(self, progress: Progress | None, should_stop: Callable[[], bool]) -> TrainingResult:
        """Do what is left of it."""
        tested = [_Key("test", index) for index in range(len(self._dataset.test))]

        def evaluate_tested() -> Evaluation:
            try:
                labels = self._dataset.test.labels
                return self._runner.evaluate(tested, labels, progress, should_stop)
            except _Stopped:
                raise self._interrupted() from None

        if self._before is None:
            self._before = evaluate_tested()
            self._tell_evaluation(self._before)
        before = self._before
        started = time.perf_counter()
        indices = islice(_order(self._options, len(self._dataset.train)), len(self._right), None)
        for index in indices:
            if should_stop():
                raise self._interrupted()
            self._step(index)
            if progress is not None:
                accuracy = float(np.mean(self._right[-RECENT:]))
                progress("training", len(self._right), self._total, accuracy)
        seconds = time.perf_counter() - started
        after = evaluate_tested()
        self._tell_evaluation(after)
        right = self._right
        online = [float(np.mean(right[max(0, i + 1 - RECENT) : i + 1])) for i in range(len(right))]
        state, divergences = self._device.read_state(), self._monitor.divergences
        return TrainingResult(
            before, after, self._total, seconds, online, self._losses, state, divergences
        )

    def _sample(self, key: _Key) -> NDArray[np.int8]:
        split = self._dataset.train if key.split == "train" else self._dataset.test
        sample = split.inputs[key.number]
        if key.step is None or self._augment is None:
            return sample
        return self._augment(sample, key.step)

    def _step(self, index: int) -> None:
        step, rate = len(self._right), self._monitor.rate
        label = int(self._dataset.train.labels[index])
        key = _Key("train", index, None if self._augment is None else step)
        logits = self._runner.step(key, label, rate)
        if key.step is not None:
            self._runner.forget(key)
        self._monitor.after_step()
        self._right.append(self._answers.right(logits, label))
        self._losses.append(self._answers.loss(logits, label))
        if self._on_record is not None:
            known = (rate.value_at(step), self._losses[-1], float(np.mean(self._right[-RECENT:])))
            self._on_record(Record(step + 1, self._all_counters(), *known))

    def _tell_evaluation(self, evaluation: Evaluation) -> None:
        if self._on_record is not None:
            accuracy = evaluation.accuracy
            self._on_record(Record(len(self._right), self._all_counters(), test_accuracy=accuracy))

    def _all_counters(self) -> TrainingCounters:
        return self._device.counters().training.plus(self._counters)

    def _interrupted(self) -> Interrupted:
        state = self._device.read_state()
        counters = self._all_counters()
        right, losses = tuple(self._right), tuple(self._losses)
        left = Unfinished(state, self._monitor.watch, right, losses, self._before, counters)
        return Interrupted(state, len(right), self._total, left)


def _order(options: TrainingOptions, count: int) -> Iterator[int]:
    """Which sample each step learns from."""
    generator = np.random.Generator(np.random.PCG64(options.seed))
    for _ in range(options.epochs):
        yield from generator.permutation(count).tolist()


def evaluate(device: Device, samples: Samples, progress: Progress | None = None) -> Evaluation:
    """Predict every sample.

    Raises:
        DataError: when a label is no class.
    """
    check_labels(device, samples)
    runner: Runner[int] = Runner(device, lambda index: samples.inputs[index], keeps=False)
    return runner.evaluate(range(len(samples)), samples.labels, progress)


def check_labels(device: Device, samples: Samples) -> None:
    """Refuse samples of classes that a device does not have.

    Raises:
        DataError: a label is no class.
    """
    for label in np.unique(samples.labels).tolist():
        check_label(label, device.class_count, are_sets=device.has_label_sets)


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
        counts = answers.empty()
        for done, (key, label) in enumerate(zip(keys, labels.tolist(), strict=True), 1):
            if should_stop():
                raise _Stopped
            answers.count(counts, self.predict(key), label)
            if progress is not None:
                progress("evaluating", done, len(keys), Evaluation(counts).accuracy)
        return Evaluation(counts)

    def forget(self, key: Key) -> None:
        """Let go of what is kept for a sample."""
        self._kept.pop(key, None)

    def _snapshot(self, device: PrefixDevice, key: Key) -> NDArray[np.uint8]:
        if key not in self._kept:
            self._kept[key] = device.prefix_snapshot(self._sample(key))
        return self._kept[key]
