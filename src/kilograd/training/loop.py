"""The training loop: epochs, learning-rate schedule, evaluation, progress."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kilograd.data import Augment, Dataset, Samples
from kilograd.device.protocol import DEFAULT_RATE, Device, LearningRate
from kilograd.errors import DataError
from kilograd.ops.spec import TrainingCounters
from kilograd.training.anomalies import Detection
from kilograd.training.answers import Evaluation
from kilograd.training.divergence import Divergence, DivergenceMonitor, Listener
from kilograd.training.records import Record, RecordListener
from kilograd.training.runner import Progress, Runner, Stopped, answers_of, check_labels
from kilograd.training.unfinished import Interrupted, Unfinished, never

#: Steps that the running accuracy is averaged over.
RECENT = 50


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
            predicted rightly before they were learned from (averaged over the last 50); empty
            where answers have errors.
        losses: of each step's sample before it was learned from: cross-entropy in nats, or Huber's.
        state: the device's state after the last step.
        divergences: each time that the run diverged and went back to a healthy state.
        online_error: of values and of what is made again, after each step the running error, in
            ranges.
    """

    before: Evaluation
    after: Evaluation
    steps: int
    seconds: float
    online_accuracy: Sequence[float]
    losses: Sequence[float]
    state: bytes
    divergences: Sequence[Divergence] = ()
    online_error: Sequence[float] = ()

    @property
    def state_digest(self) -> str:
        """SHA-256 of the state."""
        return hashlib.sha256(self.state).hexdigest()


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
    check_labels(device, dataset.test, are_learned=False)
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
        self._scores: list[float] = []
        self._losses: list[float] = []
        self._before: Evaluation | None = None
        self._counters = TrainingCounters()
        if unfinished is not None:
            self._monitor.resume(unfinished.watch)
            self._scores, self._losses = [*unfinished.scores], [*unfinished.losses]
            self._before = unfinished.before
            self._counters = unfinished.counters

    def finish(self, progress: Progress | None, should_stop: Callable[[], bool]) -> TrainingResult:
        """Do what is left of it."""

        def evaluate_split(split: str, samples: Samples) -> Evaluation:
            keys = [_Key(split, index) for index in range(len(samples))]
            return self._runner.evaluate(keys, samples.labels, progress, should_stop)

        def evaluate_tested() -> Evaluation:
            try:
                found = evaluate_split("test", self._dataset.test)
                if isinstance(found, Detection):
                    found = found.with_threshold(evaluate_split("train", self._dataset.train))
            except Stopped:
                raise self._interrupted() from None
            return found

        if self._before is None:
            self._before = evaluate_tested()
            self._tell_evaluation(self._before)
        before = self._before
        started = time.perf_counter()
        indices = islice(_order(self._options, len(self._dataset.train)), len(self._scores), None)
        for index in indices:
            if should_stop():
                raise self._interrupted()
            self._step(index)
            if progress is not None:
                progress("training", len(self._scores), self._total, self._running)
        seconds = time.perf_counter() - started
        after = evaluate_tested()
        self._tell_evaluation(after)
        online = [
            float(np.mean(self._scores[max(0, done - RECENT) : done]))
            for done in range(1, len(self._scores) + 1)
        ]
        state, divergences = self._device.read_state(), self._monitor.divergences
        return TrainingResult(
            before,
            after,
            self._total,
            seconds,
            [] if self._has_errors else online,
            self._losses,
            state,
            divergences,
            online if self._has_errors else [],
        )

    @property
    def _running(self) -> float:
        """Accuracy or error of the last steps."""
        return float(np.mean(self._scores[-RECENT:]))

    def _sample(self, key: _Key) -> NDArray[np.int8]:
        split = self._dataset.train if key.split == "train" else self._dataset.test
        sample = split.inputs[key.number]
        if key.step is None or self._augment is None:
            return sample
        return self._augment(sample, key.step)

    def _step(self, index: int) -> None:
        step, rate = len(self._scores), self._monitor.rate
        label = int(self._dataset.train.labels[index])
        key = _Key("train", index, None if self._augment is None else step)
        logits = self._runner.step(key, label, rate)
        if key.step is not None:
            self._runner.forget(key)
        self._monitor.after_step()
        self._scores.append(self._answers.score(logits, label))
        self._losses.append(self._answers.loss(logits, label))
        if self._on_record is not None:
            record = Record(step + 1, self._all_counters(), rate.value_at(step), self._losses[-1])
            if self._has_errors:
                record = replace(record, running_error=self._running)
            else:
                record = replace(record, running_accuracy=self._running)
            self._on_record(record)

    def _tell_evaluation(self, evaluation: Evaluation) -> None:
        if self._on_record is not None:
            record = Record(len(self._scores), self._all_counters())
            if self._has_errors:
                record = replace(record, test_error=evaluation.error)
            else:
                record = replace(record, test_accuracy=evaluation.accuracy)
            self._on_record(record)

    @property
    def _has_errors(self) -> bool:
        """Whether answers have errors and no accuracy."""
        return self._device.label_kind.has_errors

    def _all_counters(self) -> TrainingCounters:
        return self._device.counters().training.plus(self._counters)

    def _interrupted(self) -> Interrupted:
        state = self._device.read_state()
        counters = self._all_counters()
        scores, losses = tuple(self._scores), tuple(self._losses)
        left = Unfinished(state, self._monitor.watch, scores, losses, self._before, counters)
        return Interrupted(state, len(scores), self._total, left)


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
    check_labels(device, samples, are_learned=False)
    runner: Runner[int] = Runner(device, lambda index: samples.inputs[index], keeps=False)
    return runner.evaluate(range(len(samples)), samples.labels, progress)
