"""A stream: every training sample once, in one pass, with a change of the world on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kilograd.data import Dataset, Drift, InputSpec, with_class_order
from kilograd.device.protocol import Device, LearningRate
from kilograd.errors import DataError
from kilograd.training.answers import Evaluation, answers_of
from kilograd.training.divergence import DivergenceMonitor, Listener
from kilograd.training.loop import (
    DEFAULT_RATE,
    Progress,
    Runner,
    TrainingResult,
    check_labels,
)
from kilograd.training.records import Record, RecordListener
from kilograd.training.unfinished import Interrupted, never

#: Samples that the test-then-train accuracy is averaged over.
WINDOW = 100

#: Where in the stream a change happens unless it is told another place.
DEFAULT_CHANGE_AT = 0.5

_TRAIN, _TEST = 0, 1


@dataclass(frozen=True)
class OnlineOptions:
    """What a stream is like.

    Attributes:
        rate: learning rate; it stays, since nobody knows where a stream ends.
        seed: of the order of samples, of noise, and of the device's stochastic rounding.
        repeats: training steps on each sample before the next one comes; at least 1. Accuracy
            is told by the first.
        new_class: name of a class that nothing is seen of until the change; None for none.
        drift: of all samples from the change on; None for none.
        change_at: the share of the stream that comes before the change, between 0 and 1.
    """

    rate: float = DEFAULT_RATE
    seed: int = 0
    repeats: int = 1
    new_class: str | None = None
    drift: Drift | None = None
    change_at: float = DEFAULT_CHANGE_AT

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise DataError(f"a sample needs at least 1 training step, not {self.repeats}")
        if not 0 < self.change_at < 1:
            raise DataError(
                f"the change happens at a share of the stream between 0 and 1, "
                f"not at {self.change_at}",
                hint="0.5 is the middle",
            )
        if self.new_class is not None and self.drift is not None:
            raise DataError(
                "a stream has one change: a new class or a drift, not both",
                hint="run it twice, once for each",
            )
        LearningRate.from_float(self.rate)  # refuses what is no rate before anything starts

    @property
    def has_change(self) -> bool:
        """Whether anything happens on the way."""
        return self.new_class is not None or self.drift is not None


class _Key(NamedTuple):
    """A sample, as it is or drifted."""

    split: int
    sample: int
    drifted: bool


@dataclass(frozen=True, eq=False)
class Stream:
    """Which sample comes when; see `make_online`.

    Attributes:
        dataset: with the new class, if there is one, as the last.
        spec: the quantization of its samples.
        options: what was asked for.
        order: indices of the training samples in the order in which they come, each once.
        change: how many samples come before the change; None where nothing changes.
    """

    dataset: Dataset
    spec: InputSpec
    options: OnlineOptions
    order: NDArray[np.int64]
    change: int | None

    @property
    def first_classes(self) -> int:
        """Number of classes before the change."""
        return len(self.dataset.class_names) - (self.options.new_class is not None)

    def sample(self, key: _Key) -> NDArray[np.int8]:
        """A sample as the device sees it."""
        samples = self.dataset.train if key.split == _TRAIN else self.dataset.test
        sample = samples.inputs[key.sample]
        drift, seed = self.options.drift, self.options.seed
        if drift is None or not key.drifted:
            return sample
        return drift.apply(sample, self.spec, seed=seed, index=key.sample, stream=key.split)


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
    """

    change: Change | None = None


def first_rows(evaluation: Evaluation, classes: int) -> Evaluation:
    """What an evaluation says of the samples of the first classes alone."""
    is_first = np.arange(len(evaluation.confusion))[:, np.newaxis] < classes
    return Evaluation(evaluation.confusion * is_first)


def make_online(dataset: Dataset, spec: InputSpec, options: OnlineOptions) -> Stream:
    """Put training samples into the order in which they come.

    The order is random, by the seed. With a new class, the first samples are of the others, and
    after the change all of its samples and what is left of the others come mixed.

    Args:
        dataset: the samples.
        spec: their quantization, which drifts need.
        options: what the stream is like.

    Raises:
        DataError: no training samples, too few for the change, no such class, or a drift of
            what are no images.
    """
    count = len(dataset.train)
    if not count:
        raise DataError("there are no training samples", where=dataset.name)
    if dataset.has_label_sets:
        raise DataError(
            "a stream learns one class a sample, and these samples have sets of labels",
            where=dataset.name,
            hint="train on them in epochs, without a stream",
        )
    if options.drift is not None and spec.features is not None:
        raise DataError(
            "only images drift: these samples are turned into features first",
            where="drift",
            hint="a new class can come for every kind of sample",
        )
    if options.new_class is not None:
        dataset = put_last(dataset, options.new_class)
    generator = np.random.Generator(np.random.PCG64(options.seed))
    order = generator.permutation(count)
    if not options.has_change:
        return Stream(dataset, spec, options, order, None)
    change = min(max(round(options.change_at * count), 1), count - 1)
    if count == 1:
        raise DataError(
            "a stream with a change needs at least 2 training samples", where=dataset.name
        )
    if options.new_class is not None:
        is_new = dataset.train.labels[order] == len(dataset.class_names) - 1
        first = order[~is_new]
        if change > len(first):
            raise DataError(
                f"{change} of the {count} samples come before the change, but only {len(first)} "
                f"are of other classes than {options.new_class!r}",
                where="change_at",
                hint=f"at most {len(first) * 100 // count / 100:g} here",
            )
        rest = np.concatenate([first[change:], order[is_new]])
        order = np.concatenate([first[:change], generator.permutation(rest)])
    return Stream(dataset, spec, options, order, change)


def put_last(dataset: Dataset, name: str) -> Dataset:
    """The same samples with one class as the last; the others keep their order.

    Raises:
        DataError: there is no such class, it has no training samples, or fewer than two others.
    """
    names = dataset.class_names
    if name not in names:
        raise DataError(
            f"{dataset.name} has no class {name!r}",
            where="new_class",
            hint=f"its classes: {', '.join(names)}",
        )
    if len(names) < 3:  # noqa: PLR2004 - one class alone is nothing to learn
        raise DataError(
            "a new class needs two others that are there before it",
            where="new_class",
            hint=f"{dataset.name} has only {' and '.join(names)}",
        )
    ordered = with_class_order(dataset, (*(other for other in names if other != name), name))
    if not (ordered.train.labels == len(names) - 1).any():
        raise DataError(
            f"the class {name!r} has no training samples",
            where=dataset.name,
            hint="more training samples, or all of them, would include some",
        )
    return ordered


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

    Deterministic for a stream, whichever the device. Divergence is met as in `train`.

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
    """
    check_labels(device, stream.dataset.train)
    check_labels(device, stream.dataset.test)
    options = stream.options
    device.initialize(options.seed)
    device.set_active_classes(stream.first_classes)
    examiner = _Examiner(device, stream, progress)
    start = examiner.evaluate_first_classes(drifted=False)

    def tell(done: int, **known: float) -> None:
        if on_record is not None:
            steps = done * options.repeats
            on_record(Record(steps, device.counters().training, **known))

    tell(0, test_accuracy=start.accuracy)
    monitor = DivergenceMonitor(device, LearningRate.from_float(options.rate), on_divergence)
    labels, count = stream.dataset.train.labels, len(stream.order)
    changes: tuple[Evaluation, Evaluation, Evaluation] | None = None
    answers = answers_of(device)
    right: list[float] = []
    losses: list[float] = []
    online: list[float] = []
    seconds = 0.0
    for position, index in enumerate(stream.order.tolist()):
        if should_stop():
            done, total = position * options.repeats, count * options.repeats
            raise Interrupted(device.read_state(), done, total)
        if position == stream.change:
            changes = examiner.change()
        started = time.perf_counter()
        label = int(labels[index])
        key = _Key(_TRAIN, index, changes is not None)
        logits = examiner.runner.step(key, label, monitor.rate)
        monitor.after_step()
        for _ in range(options.repeats - 1):
            examiner.runner.step(key, label, monitor.rate)
            monitor.after_step()
        examiner.runner.forget(key)
        right.append(answers.right(logits, label))
        losses.append(answers.loss(logits, label))
        online.append(float(np.mean(right[-WINDOW:])))
        seconds += time.perf_counter() - started
        tell(
            position + 1,
            learning_rate=monitor.rate.value,
            loss=losses[-1],
            running_accuracy=online[-1],
        )
        if progress is not None:
            progress("training", position + 1, count, online[-1])
    after = examiner.evaluate_all()
    tell(count, test_accuracy=after.accuracy)
    change = None
    if changes is not None and stream.change is not None:
        unchanged = (
            first_rows(after, stream.first_classes)
            if options.drift is None
            else examiner.evaluate_first_classes(drifted=False)
        )
        what = (stream.first_classes, options.new_class, options.drift)
        change = Change(stream.change, *what, *changes, unchanged)
    return OnlineResult(
        start,
        after,
        count * options.repeats,
        seconds,
        online,
        losses,
        device.read_state(),
        monitor.divergences,
        change,
    )


class _Examiner:
    """Knows which test samples count when."""

    def __init__(self, device: Device, stream: Stream, progress: Progress | None) -> None:
        self.runner: Runner[_Key] = Runner(device, stream.sample)
        self._device = device
        self._stream = stream
        self._progress = progress
        labels = stream.dataset.test.labels
        self._first = np.flatnonzero(labels < stream.first_classes)
        self._new = np.flatnonzero(labels >= stream.first_classes)
        self._changed = False

    def evaluate_first_classes(self, *, drifted: bool) -> Evaluation:
        """On test samples of the classes that are there before the change."""
        return self._evaluate(self._first, drifted=drifted)

    def evaluate_all(self) -> Evaluation:
        """On test samples as they are now."""
        if not self._changed:
            return self.evaluate_first_classes(drifted=False)
        return self._evaluate(np.arange(len(self._stream.dataset.test)), drifted=True)

    def change(self) -> tuple[Evaluation, Evaluation, Evaluation]:
        """Make the change: before it, after it, and had nothing been learned from it."""
        before = self.evaluate_first_classes(drifted=False)
        not_learned = None
        if self._stream.options.new_class is not None:
            missed = self._evaluate(self._new, drifted=False)
            not_learned = Evaluation(before.confusion + missed.confusion)
        self._device.set_active_classes(len(self._stream.dataset.class_names))
        self._changed = True
        after = self.evaluate_all()
        return before, after, after if not_learned is None else not_learned

    def _evaluate(self, indices: NDArray[np.int64], *, drifted: bool) -> Evaluation:
        # Where nothing drifts, both are one sample, which runs through the frozen prefix once.
        drifted = drifted and self._stream.options.drift is not None
        keys = [_Key(_TEST, index, drifted) for index in indices.tolist()]
        labels = self._stream.dataset.test.labels[indices]
        return self.runner.evaluate(keys, labels, self._progress)
