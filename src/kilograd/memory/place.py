"""Offsets for buffers: no two that are live at once overlap."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence

from kilograd.liveness import Buffer, clusters
from kilograd.memory.solve import solve

#: Shuffled retries after the fixed orders, while the result is above the lower bound.
_RETRIES = 40


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """Bytes that no placement can go below: the most that is live at one time."""
    times = {buffer.first for buffer in buffers}
    return max((sum(b.size for b in buffers if b.first <= t <= b.last) for t in times), default=0)


def place(buffers: Sequence[Buffer]) -> dict[str, int]:
    """Offsets: the best of first fit, or a solver's where that is above the lower bound.

    Deterministic.
    """
    best = first_fit(buffers)
    bound = lower_bound(buffers)
    if peak(buffers, best) == bound:
        return best
    return solve(buffers, best, bound) or best


def first_fit(buffers: Sequence[Buffer]) -> dict[str, int]:
    """Offsets by first fit, over several orders of the buffers; the lowest peak wins.

    Stops as soon as a placement meets the lower bound.
    """
    bound = lower_bound(buffers)
    best: dict[str, int] = {}
    best_peak = -1
    for order in _orders(buffers):
        offsets = _first_fit(order)
        top = peak(buffers, offsets)
        if best_peak < 0 or top < best_peak:
            best, best_peak = offsets, top
        if best_peak == bound:
            break
    return best


def peak(buffers: Sequence[Buffer], offsets: Mapping[str, int]) -> int:
    """Bytes from the arena's start to the end of the highest buffer."""
    return max((offsets[b.name] + b.size for b in buffers), default=0)


def _orders(buffers: Sequence[Buffer]) -> Iterable[list[list[Buffer]]]:
    """Clusters, sorted by the largest buffer of each, and from first to last."""
    together = {_outline(cluster): cluster for cluster in clusters(buffers)}
    for order in _sorted(list(together)):
        yield [together[buffer] for buffer in order]


def _outline(cluster: Sequence[Buffer]) -> Buffer:
    """A buffer that covers all of a cluster."""
    if len(cluster) == 1:
        return cluster[0]
    first, last = min(b.first for b in cluster), max(b.last for b in cluster)
    return Buffer(cluster[0].name, (), max(b.size for b in cluster), first, last)


def _sorted(buffers: Sequence[Buffer]) -> Iterable[list[Buffer]]:
    keys: list[Callable[[Buffer], tuple[int, ...]]] = [
        lambda b: (-b.size, b.first),
        lambda b: (-(b.last - b.first), -b.size),
        lambda b: (-b.size * (b.last - b.first + 1), b.first),
        lambda b: (b.first, -b.size),
    ]
    for key in keys:
        yield sorted(buffers, key=lambda b, key=key: (*key(b), b.name))
    generator = random.Random(0)  # noqa: S311 - reproducible retries, not secrets
    for _ in range(_RETRIES):
        noise = {b.name: generator.uniform(0.5, 1.5) for b in buffers}
        yield sorted(buffers, key=lambda b, noise=noise: (-b.size * noise[b.name], b.name))


def _first_fit(order: Sequence[Sequence[Buffer]]) -> dict[str, int]:
    offsets: dict[str, int] = {}
    placed: list[Buffer] = []
    for cluster in order:
        # Offsets above the first and below the second of a pair do not fit.
        taken = sorted(
            (offsets[other.name] - buffer.size, offsets[other.name] + other.size)
            for other in placed
            for buffer in cluster
            if buffer.overlaps(other)
        )
        offset = 0
        for below, end in taken:
            if below >= offset:
                break
            offset = max(offset, end)
        offsets.update(dict.fromkeys((buffer.name for buffer in cluster), offset))
        placed += cluster
    return offsets
