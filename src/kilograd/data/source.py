"""What the readers of folders and packs hand to the loader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Decoder = Callable[[Sequence[int]], NDArray[np.int8]]


@dataclass(frozen=True)
class Source:
    """Samples that are known but not decoded yet.

    Attributes:
        labels: the class of every sample.
        class_names: at least two.
        train: indices of the samples to learn from.
        test: indices of the samples to be judged by; None where the source has no such split.
        decode: int8 [n, height, width, channels] of the samples at n indices.
        has_label_sets: whether labels are sets of classes, as numbers: bit k is 1 where class k
            applies.
    """

    labels: Sequence[int]
    class_names: tuple[str, ...]
    train: Sequence[int]
    test: Sequence[int] | None
    decode: Decoder
    has_label_sets: bool = False
