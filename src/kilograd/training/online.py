"""Learning from a stream, sample by sample, with or without a memory of what came before."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilograd.data import Drift
from kilograd.device.protocol import Device, LearningRate
from kilograd.training.answers import Evaluation
from kilograd.training.divergence import DivergenceMonitor, Listener
from kilograd.training.learners import MemoryUse, make_learner
from kilograd.training.loop import TrainingResult
from kilograd.training.records import Record, RecordListener
from kilograd.training.runner import Progress, Runner, answers_of, check_labels
from kilograd.training.stream import TEST, TRAIN, SampleKey, Stream
from kilograd.training.unfinished import Interrupted, never

#: Samples that the test-then-train accuracy is averaged over.
WINDOW = 100


@dataclass(frozen=True)
class Change:
    """What a change did, on the test samples.

    Attributes:
        sample: how many samples came before it.
        first_classes: number of classes before it.
        new_class: the class that appeared, or None.
        drift: what happened to the samples, or None.
        before: right before it, on test samples as they were: undrifted, of the first classes.
        after: right after it and before anything was learned from it: on test samples as they
            are now, the new class active.
        not_learned: at the end of the stream on the same samples, had the device stayed as it was
            before the change: its weights and its number of classes.
        unchanged: after the last step, on the samples of ``before``.
    """

    sample: int
    first_classes: int
    new_class: str | None
    drift: Drift | None
    before: Evaluation
    after: Evaluation
    not_learned: Evaluation
    unchanged: Evaluation

    def __str__(self) -> str:
        return f"new class {self.new_class}" if self.drift is None else f"drift {self.drift}"


@dataclass(frozen=True)
class OnlineResult(TrainingResult):
    """What a stream measured: as of any run, but for these.

    Attributes:
        before: on the test samples from before the change.
        after: on the test samples from after it.
        online_accuracy: of each sample, averaged over the last `WINDOW` (test, then train).
        losses: of each sample.
        change: None where nothing changed.
        memory: of samples that were learned from again; None without one.
    """

    change: Change | None = None
    memory: MemoryUse | None = None


def first_rows(evaluation: Evaluation, classes: int) -> Evaluation:
    """What an evaluation says of the samples of the first classes alone."""
    is_first = np.arange(len(evaluation.confusion))[:, np.newaxis] < classes
    return Evaluation(evaluation.confusion * is_first)


def train_online(
    device: Device,
    stream: Stream,
    progress: Progress | None = None,
    on_divergence: Listener | None = None,
    *,
    should_stop: Callable[[], bool] = never,
    on_record: RecordListener | None = None,
) -> OnlineResult:
    """Predict each sample, then learn from it, and go on to the next.

    With a memory, samples are learned from again on the way and at the end. Deterministic for a
    stream, whichever the device. Divergence is met as in `train`.

    Args:
        device: of the network.
        stream: what comes.
        progress: told about every sample.
        on_divergence: told about every divergence.
        should_stop: asked before every sample; a run that stops raises Interrupted.
        on_record: told what is known after each sample and after the evaluations of the result.

    Raises:
        Interrupted: the run was asked to stop; it cannot be gone on with.
        DataError: a label is no class.
        DeviceError: the device has no room for the memory.
    """
    check_labels(device, stream.dataset.train)
    check_labels(device, stream.dataset.test)
    options = stream.options
    device.initialize(options.seed)
    device.set_active_classes(stream.first_classes)
    examiner = _Examiner(device, stream, progress)
    start = examiner.evaluate_first_classes(drifted=False)

    monitor = DivergenceMonitor(device, LearningRate.from_float(options.rate), on_divergence)
    learner = make_learner(device, examiner.runner, monitor, stream)

    def tell(**known: float) -> None:
        if on_record is not None:
            on_record(Record(learner.steps, device.counters().training, **known))

    def stop_if_asked() -> None:
        if should_stop():
            raise Interrupted(device.read_state(), learner.steps, learner.all_steps)

    def tell_progress(done: int, total: int) -> None:
        if progress is not None:
            progress("consolidating", done, total, online[-1])

    tell(test_accuracy=start.accuracy)
    labels, count = stream.dataset.train.labels, len(stream.order)
    answers = answers_of(device)
    right: list[float] = []
    losses: list[float] = []
    online: list[float] = []
    seconds = 0.0
    for position, index in enumerate(stream.order.tolist()):
        stop_if_asked()
        if position == stream.change:
            examiner.change()
        started = time.perf_counter()
        label = int(labels[index])
        key = SampleKey(TRAIN, index, examiner.has_changed)
        logits = learner.learn(key, label)
        right.append(answers.score(logits, label))
        losses.append(answers.loss(logits, label))
        online.append(float(np.mean(right[-WINDOW:])))
        seconds += time.perf_counter() - started
        tell(
            learning_rate=monitor.rate.value,
            loss=losses[-1],
            running_accuracy=online[-1],
        )
        if progress is not None:
            progress("training", position + 1, count, online[-1])
    started = time.perf_counter()
    learner.consolidate(stop_if_asked, tell_progress)
    seconds += time.perf_counter() - started
    after = examiner.evaluate_all()
    tell(test_accuracy=after.accuracy)
    return OnlineResult(
        start,
        after,
        learner.steps,
        seconds,
        online,
        losses,
        device.read_state(),
        monitor.divergences,
        change=examiner.summary(after),
        memory=learner.memory,
    )


class _Examiner:
    """Knows which test samples count when."""

    def __init__(self, device: Device, stream: Stream, progress: Progress | None) -> None:
        self.runner: Runner[SampleKey] = Runner(device, stream.sample)
        self._device = device
        self._stream = stream
        self._progress = progress
        labels = stream.dataset.test.labels
        self._first = np.flatnonzero(labels < stream.first_classes)
        self._new = np.flatnonzero(labels >= stream.first_classes)
        self._changes: tuple[Evaluation, Evaluation, Evaluation] | None = None

    @property
    def has_changed(self) -> bool:
        """Whether the change was made."""
        return self._changes is not None

    def evaluate_first_classes(self, *, drifted: bool) -> Evaluation:
        """On test samples of the classes that are there before the change."""
        return self._evaluate(self._first, drifted=drifted)

    def evaluate_all(self) -> Evaluation:
        """On test samples as they are now."""
        return (
            self._evaluate_all() if self.has_changed else self.evaluate_first_classes(drifted=False)
        )

    def _evaluate_all(self) -> Evaluation:
        return self._evaluate(np.arange(len(self._stream.dataset.test)), drifted=True)

    def change(self) -> None:
        """Make the change: before it, after it, and had nothing been learned from it."""
        before = self.evaluate_first_classes(drifted=False)
        not_learned = None
        if self._stream.options.new_class is not None:
            missed = self._evaluate(self._new, drifted=False)
            not_learned = Evaluation(before.confusion + missed.confusion)
        self._device.set_active_classes(len(self._stream.dataset.class_names))
        after = self._evaluate_all()
        self._changes = before, after, after if not_learned is None else not_learned

    def summary(self, after: Evaluation) -> Change | None:
        """What the change did, once nothing comes any more; None where nothing changed."""
        stream, options = self._stream, self._stream.options
        if self._changes is None or stream.change is None:
            return None
        unchanged = (
            first_rows(after, stream.first_classes)
            if options.drift is None
            else self.evaluate_first_classes(drifted=False)
        )
        what = (stream.first_classes, options.new_class, options.drift)
        return Change(stream.change, *what, *self._changes, unchanged)

    def _evaluate(self, indices: NDArray[np.int64], *, drifted: bool) -> Evaluation:
        # Where nothing drifts, both are one sample, which runs through the frozen prefix once.
        drifted = drifted and self._stream.options.drift is not None
        keys = [SampleKey(TEST, index, drifted) for index in indices.tolist()]
        labels = self._stream.dataset.test.labels[indices]
        return self.runner.evaluate(keys, labels, self._progress)
