"""The fewest bytes that any valid order of execution can do with, as a lower bound.

While an item runs, some items are done: all that it waits for, none that waits for it, and with
every item those before it. Among all such sets, one with the fewest live bytes is a minimum cut:
a value is cut when its maker is done and a reader is not. The largest of these minima over all
items is a bound, since every order runs every item. It need not be attained: no order may be
best for all items at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilograd.liveness.problem import ScheduleProblem, Tensor, members

#: More than any sum of bytes; a cut never passes an edge of this capacity.
_UNCUT = 1 << 40


@dataclass(frozen=True)
class Cut:
    """The fewest bytes that are live while an item runs.

    Attributes:
        live: bytes.
        done: the fewest items that are done then.
    """

    live: int
    done: int


def order_bound(problem: ScheduleProblem, order: Iterable[int]) -> int:
    """Bytes that no order goes below.

    Args:
        problem: the items.
        order: a valid one; items that hold fewer bytes live in it than the bound are not looked at.
    """
    bound = problem.start_bytes
    running = sorted(problem.running(order), key=lambda item: (-item[1], item[0]))
    candidates = [(item, live) for item, live in running if item >= 0]
    for item, _ in candidates:
        bound = max(bound, _always_live(problem, item))
    for item, live in candidates:
        if live <= bound:
            break
        bound = max(bound, least_live(problem, item).live)
    return bound


def least_live(problem: ScheduleProblem, item: int, done: int = 0) -> Cut:
    """The fewest bytes live while an item runs, over all orders that run ``done`` first."""
    spared = _spared(problem, item)
    return min(
        (_cut(problem, item, done, value) for value in spared),
        key=lambda cut: (cut.live, cut.done.bit_count(), cut.done),
    )


def _spared(problem: ScheduleProblem, item: int) -> list[int]:
    """Values whose memory the item's result may take over in some order; −1 where it need not.

    Without more scratch for that, it is never worse to.
    """
    takes, more = problem.items[item].takes, problem.items[item].in_place
    spared = [v for v in takes if _can_end(problem, item, problem.values[v])]
    return [*spared, -1] if more or not spared else spared


def _can_end(problem: ScheduleProblem, item: int, value: Tensor) -> bool:
    return not value.kept and not value.readers & problem.descendants[item]


def _always_live(problem: ScheduleProblem, item: int) -> int:
    """Bytes live while an item runs in every order: a bound of the cut that costs little."""
    started = problem.ancestors[item]
    unfinished = problem.descendants[item] | 1 << item
    live = sum(
        value.size
        for value in problem.values
        if (value.maker < 0 or started >> value.maker & 1)
        and (value.kept or value.readers & unfinished)
    )
    more = problem.items[item].in_place
    saved = max(problem.values[v].size - more if v >= 0 else 0 for v in _spared(problem, item))
    return live + problem.made_bytes[item] - saved


def _cut(problem: ScheduleProblem, item: int, done: int, spared: int) -> Cut:
    """The minimum cut; of one value the item's reading is left out: it takes that over."""
    inside = done | problem.ancestors[item]
    outside = problem.descendants[item] | 1 << item
    network = _Network(problem, inside, problem.everything & ~inside & ~outside)
    for index, value in enumerate(problem.values):
        readers = value.readers & ~(1 << item) if index == spared else value.readers
        network.add(value, readers, late=value.kept or bool(readers & outside))
    live, more = network.cut()
    scratch = problem.items[item].in_place if spared >= 0 else 0
    return Cut(problem.made_bytes[item] + scratch + live, inside | more)


class _Network:
    """Edges whose minimum cut parts the items that are done from the others.

    Node 0 stands for all items that are done in any case, node 1 for all that are not; each other
    item has a node, and so has each value that is read by some of those.
    """

    def __init__(self, problem: ScheduleProblem, inside: int, free: int) -> None:
        self._inside = inside
        self._free = free
        self._number = {u: i + 2 for i, u in enumerate(members(free))}
        self._size = len(self._number) + 2
        self._always = 0
        self._tails: list[int] = []
        self._heads: list[int] = []
        self._capacities: list[int] = []
        for item, number in self._number.items():
            for other in members(problem.items[item].before & free):
                self._connect(number, self._number[other], _UNCUT)

    def add(self, value: Tensor, readers: int, *, late: bool) -> None:
        """Count a value's bytes where its maker is done and a reader is not, or it is late."""
        made = value.maker < 0 or bool(self._inside >> value.maker & 1)
        if made and late:
            self._always += value.size
        elif made or self._free >> value.maker & 1:
            maker = 0 if made else self._number[value.maker]
            if late:
                self._connect(maker, 1, value.size)
            elif readers & self._free:
                self._connect(maker, self._size, value.size)
                for reader in members(readers & self._free):
                    self._connect(self._size, self._number[reader], _UNCUT)
                self._size += 1

    def cut(self) -> tuple[int, int]:
        """The fewest bytes, and the fewest items to be done besides those that are."""
        if not self._tails:
            return self._always, 0
        from ortools.graph.python import max_flow  # noqa: PLC0415 - slow to import, seldom needed

        flow = max_flow.SimpleMaxFlow()
        ends = np.array([self._tails, self._heads], np.int32)
        limits: Any = np.array(self._capacities, np.int64)  # the stubs mistake its type
        flow.add_arcs_with_capacity(ends[0], ends[1], limits)
        flow.solve(0, 1)
        side = set(flow.get_source_side_min_cut())
        more = sum(1 << item for item, number in self._number.items() if number in side)
        return self._always + flow.optimal_flow(), more

    def _connect(self, tail: int, head: int, capacity: int) -> None:
        self._tails.append(tail)
        self._heads.append(head)
        self._capacities.append(capacity)
