"""Which samples are trained on and which are tested on: a function of labels and seed alone.

Orders come from SHA-256 and not from a random generator, whose stream may change with its version.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from kilograd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def shuffled(items: Iterable[int], seed: int) -> list[int]:
    """Returns the items in an order that depends on nothing but the seed and each item."""
    return sorted(items, key=lambda item: hashlib.sha256(f"{seed}/{item}".encode()).digest())


def split_by_class(
    labels: Sequence[int], class_names: Sequence[str], *, share: float, seed: int
) -> tuple[list[int], list[int]]:
    """Splits samples into train and test, class by class.

    Args:
        labels: the class of each sample.
        class_names: for messages.
        share: the part of each class that is tested on; at least one sample stays on each side.
        seed: decides which.

    Returns:
        The indices of the train and of the test samples, each ascending.

    Raises:
        DataError: a class has a single sample.
    """
    members: defaultdict[int, list[int]] = defaultdict(list)
    for index in shuffled(range(len(labels)), seed):
        members[labels[index]].append(index)
    train: list[int] = []
    test: list[int] = []
    for label, indices in members.items():
        if len(indices) == 1:
            raise DataError(
                f"the class {class_names[label]!r} has a single sample, which cannot be split",
                hint="give it more samples, or give separate train and test samples",
            )
        count = min(max(round(share * len(indices)), 1), len(indices) - 1)
        test += indices[:count]
        train += indices[count:]
    return sorted(train), sorted(test)


def choose_balanced(
    indices: Iterable[int], labels: Sequence[int], limit: int | None, seed: int
) -> list[int]:
    """Chooses at most `limit` samples, as evenly over the classes as their sizes allow.

    A smaller limit chooses a subset of what a larger one does.

    Args:
        indices: the samples to choose from.
        labels: the class of every sample, by index.
        limit: None for all.
        seed: decides which, and their order.

    Returns:
        The chosen indices, shuffled.
    """
    order = shuffled(indices, seed)
    if limit is None or limit >= len(order):
        return order
    class_order = {label: rank for rank, label in enumerate(shuffled(set(labels), seed))}
    taken: Counter[int] = Counter()
    turns: list[tuple[int, int, int]] = []
    for position, index in enumerate(order):
        label = labels[index]
        turns.append((taken[label], class_order[label], position))
        taken[label] += 1
    return [order[position] for position in sorted(turn[2] for turn in sorted(turns)[:limit])]
