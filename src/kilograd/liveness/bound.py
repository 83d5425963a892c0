"""The fewest bytes that any valid order of execution can do with, as a lower bound.

While a unit runs, some units are done: all that it waits for, none that waits for it, and with
every unit those before it. Among all such sets, one with the fewest live bytes is a minimum cut:
a value is cut when its maker is done and a reader is not. The largest of these minima over all
units is a bound, since every order runs every unit. It need not be attained: no order may be
best for all units at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilograd.liveness.units import Held, Problem, members

#: More than any sum of bytes; a cut never passes an edge of this capacity.
_UNCUT = 1 << 40


@dataclass(frozen=True)
class Cut:
    """The fewest bytes that are live while a unit runs.

    Attributes:
        live: bytes.
        done: the fewest units that are done then.
    """

    live: int
    done: int


def order_bound(problem: Problem, order: Iterable[int]) -> int:
    """Bytes that no order goes below.

    Args:
        problem: the units.
        order: a valid one; units that hold fewer bytes live in it than the bound are not looked at.
    """
    bound = problem.start_bytes
    running = sorted(problem.running(order), key=lambda item: (-item[1], item[0]))
    candidates = [(unit, live) for unit, live in running if unit >= 0]
    for unit, _ in candidates:
        bound = max(bound, _always_live(problem, unit))
    for unit, live in candidates:
        if live <= bound:
            break
        bound = max(bound, least_live(problem, unit).live)
    return bound


def least_live(problem: Problem, unit: int, done: int = 0) -> Cut:
    """The fewest bytes live while a unit runs, over all orders that run ``done`` first."""
    spared = _spared(problem, unit)
    return min(
        (_cut(problem, unit, done, value) for value in spared),
        key=lambda cut: (cut.live, cut.done.bit_count(), cut.done),
    )


def _spared(problem: Problem, unit: int) -> list[int]:
    """Values whose memory the unit's result may take over in some order; −1 where it need not.

    Without more scratch for that, it is never worse to.
    """
    takes, more = problem.units[unit].takes, problem.units[unit].in_place
    spared = [v for v in takes if _can_end(problem, unit, problem.values[v])]
    return [*spared, -1] if more or not spared else spared


def _can_end(problem: Problem, unit: int, value: Held) -> bool:
    return not value.kept and not value.readers & problem.descendants[unit]


def _always_live(problem: Problem, unit: int) -> int:
    """Bytes live while a unit runs in every order: a bound of the cut that costs little."""
    started = problem.ancestors[unit]
    unfinished = problem.descendants[unit] | 1 << unit
    live = sum(
        value.size
        for value in problem.values
        if (value.maker < 0 or started >> value.maker & 1)
        and (value.kept or value.readers & unfinished)
    )
    more = problem.units[unit].in_place
    saved = max(problem.values[v].size - more if v >= 0 else 0 for v in _spared(problem, unit))
    return live + problem.made_bytes[unit] - saved


def _cut(problem: Problem, unit: int, done: int, spared: int) -> Cut:
    """The minimum cut; of one value the unit's reading is left out: it takes that over."""
    inside = done | problem.ancestors[unit]
    outside = problem.descendants[unit] | 1 << unit
    network = _Network(problem, inside, problem.everything & ~inside & ~outside)
    for index, value in enumerate(problem.values):
        readers = value.readers & ~(1 << unit) if index == spared else value.readers
        network.add(value, readers, late=value.kept or bool(readers & outside))
    live, more = network.cut()
    scratch = problem.units[unit].in_place if spared >= 0 else 0
    return Cut(problem.made_bytes[unit] + scratch + live, inside | more)


class _Network:
    """Edges whose minimum cut parts the units that are done from the others.

    Node 0 stands for all units that are done in any case, node 1 for all that are not; each other
    unit has a node, and so has each value that is read by some of those.
    """

    def __init__(self, problem: Problem, inside: int, free: int) -> None:
        self._inside = inside
        self._free = free
        self._number = {u: i + 2 for i, u in enumerate(members(free))}
        self._size = len(self._number) + 2
        self._always = 0
        self._tails: list[int] = []
        self._heads: list[int] = []
        self._capacities: list[int] = []
        for unit, number in self._number.items():
            for other in members(problem.units[unit].before & free):
                self._connect(number, self._number[other], _UNCUT)

    def add(self, value: Held, readers: int, *, late: bool) -> None:
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
        """The fewest bytes, and the fewest units to be done besides those that are."""
        if not self._tails:
            return self._always, 0
        from ortools.graph.python import max_flow  # noqa: PLC0415 - slow to import, seldom needed

        flow = max_flow.SimpleMaxFlow()
        ends = np.array([self._tails, self._heads], np.int32)
        limits: Any = np.array(self._capacities, np.int64)  # the stubs mistake its type
        flow.add_arcs_with_capacity(ends[0], ends[1], limits)
        flow.solve(0, 1)
        side = set(flow.get_source_side_min_cut())
        more = sum(1 << unit for unit, number in self._number.items() if number in side)
        return self._always + flow.optimal_flow(), more

    def _connect(self, tail: int, head: int, capacity: int) -> None:
        self._tails.append(tail)
        self._heads.append(head)
        self._capacities.append(capacity)
