"""What the readers of folders and packs hand to the loader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kilograd.errors import DataError
from kilograd.ir import VALUE_RANGE, LabelKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from kilograd.data.broken import UnreadableError
    from kilograd.data.samples import Skipped

    Decoder = Callable[[Sequence[int]], "Decoded"]


@dataclass(frozen=True, eq=False)
class Decoded:
    """Samples as the network reads them.

    Attributes:
        inputs: int8 [n, height, width, channels].
        notes: what was done to them that somebody should know, a sentence each.
    """

    inputs: NDArray[np.int8]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Samples that are known but not decoded yet.

    Attributes:
        labels: the class of every sample, its set of classes, or its value.
        class_names: at least two; or the name of the value.
        train: indices of the samples to learn from.
        test: indices of the samples to be judged by; None where the source has no such split.
        decode: the samples at n indices; raises `BrokenSamplesError` for all that cannot be read.
        label_kind: what labels are.
        value_range: where they are values, of the training samples.
        noun: what the samples are, in the plural.
        unreadable: files that are meant as samples, in a format that is not read; the class of
            each, and what is wrong with it.
        skipped: files and folders that are not meant as samples, as far as one can tell.
        notes: what somebody should know of the source, a sentence each.
    """

    labels: Sequence[int]
    class_names: tuple[str, ...]
    train: Sequence[int]
    test: Sequence[int] | None
    decode: Decoder
    label_kind: LabelKind = LabelKind.CLASS
    value_range: tuple[float, float] = VALUE_RANGE
    noun: str = "samples"
    unreadable: tuple[tuple[str, UnreadableError], ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def has_classes(self) -> bool:
        """Whether every sample has one class."""
        return self.label_kind is LabelKind.CLASS

    def without(self, indices: Collection[int]) -> Source:
        """The source as if some of its samples had never been there.

        Raises:
            DataError: a class has no sample left to train on.
        """
        left_out = set(indices)
        kept = [index for index in range(len(self.labels)) if index not in left_out]
        position = {index: place for place, index in enumerate(kept)}
        train, test = (
            None if part is None else [position[i] for i in part if i in position]
            for part in (self.train, self.test)
        )
        self._check_classes(left_out)
        whole = self.decode

        def decode(chosen: Sequence[int]) -> Decoded:
            return whole([kept[index] for index in chosen])

        return replace(
            self,
            labels=[self.labels[index] for index in kept],
            train=train or [],
            test=test,
            decode=decode,
        )

    def _check_classes(self, left_out: set[int]) -> None:
        if not self.has_classes:
            return
        before = {self.labels[index] for index in self.train}
        after = {self.labels[index] for index in self.train if index not in left_out}
        for label in sorted(before - after):
            raise DataError(
                f"none of the {self.noun} of the class {self.class_names[label]!r} can be read",
                hint="give it others, or take the class out",
            )
