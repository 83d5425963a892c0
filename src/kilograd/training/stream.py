"""A stream: every training sample once, in one pass, with a change of the world on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kilograd.compiler import Program
from kilograd.data import Dataset, Drift, InputSpec, with_class_order
from kilograd.device.protocol import LearningRate
from kilograd.errors import DataError
from kilograd.ir import LabelKind
from kilograd.training.loop import DEFAULT_RATE

#: Where in the stream a change happens unless it is told another place.
DEFAULT_CHANGE_AT = 0.5

#: Splits of a `SampleKey`.
TRAIN, TEST = 0, 1

#: In which order samples come.
ORDERS = ("shuffled", "sorted")


#: Samples that a memory holds at least: learning again needs two, of two classes.
_FEWEST_KEPT = 2


@dataclass(frozen=True)
class MemoryOptions:
    """What is kept of a stream's samples, to be learned from again.

    Attributes:
        samples: that there is room for, at least 2; see `MemoryOptions.for_program`.
        per_class: most samples of a class; 0 for as many as there is room.
        replays: steps from samples that are kept, after each new one.
        consolidation: steps from them at the end, when the device is idle; None for as many as
            samples came.
    """

    samples: int
    per_class: int = 0
    replays: int = 1
    consolidation: int | None = None

    def __post_init__(self) -> None:
        if self.samples < _FEWEST_KEPT or self.per_class < 0:
            raise DataError(
                f"learning again needs room for 2 samples, of two classes, not {self.samples}",
            )
        if self.replays < 0 or (self.consolidation is not None and self.consolidation < 0):
            raise DataError("steps from samples that are kept are 0 or more")

    @classmethod
    def for_program(
        cls, program: Program, *, per_class: int = 0, room_bytes: int | None = None
    ) -> MemoryOptions:
        """As much as a memory of a size holds, or one with room for so many of each class.

        Args:
            program: whose samples are kept.
            per_class: most samples of a class; 0 for as many as there is room.
            room_bytes: of RAM; None for as many as ``per_class`` of every class take.

        Raises:
            UserError: there is no room for two samples, or no samples can be kept.
        """
        each = program.memory_sample_bytes
        wanted = per_class * program.class_count
        if room_bytes is None:
            return cls(wanted, per_class)
        room = room_bytes // each
        if room < _FEWEST_KEPT:
            raise DataError(
                f"{room_bytes:,} bytes hold {room} of these samples, which take {each:,} bytes "
                "each, and learning again needs two, of two classes",
                hint=f"at least {_FEWEST_KEPT * each:,} bytes, or a scheme that trains later "
                "layers, behind which a sample is smaller",
            )
        return cls(min(room, wanted) if per_class else room, per_class)


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
        order: ``shuffled``, or ``sorted``: class after class, as people show things to a device.
        memory: of samples that are learned from again; None for none.
    """

    rate: float = DEFAULT_RATE
    seed: int = 0
    repeats: int = 1
    new_class: str | None = None
    drift: Drift | None = None
    change_at: float = DEFAULT_CHANGE_AT
    order: str = "shuffled"
    memory: MemoryOptions | None = None

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise DataError(
                f"there is no order {self.order!r}", hint=f"{' and '.join(ORDERS)} are known"
            )
        if self.memory is not None and self.repeats > 1:
            raise DataError(
                "with a memory, samples are learned from again because they are kept",
                where="repeats",
                hint="more replays, or no memory",
            )
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


class SampleKey(NamedTuple):
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

    def sample(self, key: SampleKey) -> NDArray[np.int8]:
        """A sample as the device sees it."""
        samples = self.dataset.train if key.split == TRAIN else self.dataset.test
        sample = samples.inputs[key.sample]
        drift, seed = self.options.drift, self.options.seed
        if drift is None or not key.drifted:
            return sample
        return drift.apply(sample, self.spec, seed=seed, index=key.sample, stream=key.split)


def make_online(dataset: Dataset, spec: InputSpec, options: OnlineOptions) -> Stream:
    """Put training samples into the order in which they come.

    The order is random, by the seed; a sorted stream is that, put in order of the classes before
    the change and again after it. With a new class, the first samples are of the others, and after
    the change all of its samples and what is left of the others come.

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
    if dataset.label_kind is not LabelKind.CLASS:
        raise DataError(
            f"a stream learns one class a sample, and these samples have {dataset.label_kind.noun}",
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
    labels = dataset.train.labels
    if not options.has_change:
        return Stream(dataset, spec, options, _sorted_if_asked(order, labels, options), None)
    change = min(max(round(options.change_at * count), 1), count - 1)
    if count == 1:
        raise DataError(
            "a stream with a change needs at least 2 training samples", where=dataset.name
        )
    if options.new_class is not None:
        is_new = labels[order] == len(dataset.class_names) - 1
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
    parts = (_sorted_if_asked(part, labels, options) for part in (order[:change], order[change:]))
    return Stream(dataset, spec, options, np.concatenate([*parts]), change)


def _sorted_if_asked(
    order: NDArray[np.int64], labels: NDArray[np.int32], options: OnlineOptions
) -> NDArray[np.int64]:
    if options.order != "sorted":
        return order
    return order[np.argsort(labels[order], kind="stable")]


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
