"""Orders of execution that hold fewer bytes live than list scheduling finds, and proofs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

from kilograd.ir import Phase
from kilograd.liveness.bound import least_live, order_bound
from kilograd.liveness.units import Problem, members
from kilograd.rows import ALIGNMENT

#: Units that a search for an order under one limit may try. Counted, not timed, so that every
#: machine finds the same order.
TRIES = 300

#: Units that all searches for a proof that no order stays under a limit may try together.
TRIES_TO_PROVE = 2000

Order = tuple[int, ...]


def improve(problem: Problem, tries: int = TRIES) -> Order:
    """An order with the lowest peak that is found; the given one where no better is.

    Inference units keep their order: leading ones run a row at a time, or are left out when what
    they make is kept. Where the given order holds more than the bound, minimum cuts along the
    longest chain of units say what else should run before each. Then orders are searched under
    limits between the bound and the best peak, by bisection.
    """
    order: Order = tuple(range(len(problem.units)))
    peak = problem.peak(order)
    bound = order_bound(problem, order)
    if peak <= bound:
        return order
    fixed = _with_inference_in_order(problem)
    guided = _guided(fixed)
    if problem.peak(guided) < peak:
        order, peak = guided, problem.peak(guided)
    low = bound
    while low < peak:
        limit = low if low == bound else (low + peak) // (2 * ALIGNMENT) * ALIGNMENT
        found = _Search(fixed, limit, tries).order()
        if found is None:
            low = limit + ALIGNMENT
        else:
            order, peak = found, problem.peak(found)
    return order


def lower_bound(problem: Problem, order: Iterable[int], tries: int = TRIES_TO_PROVE) -> int:
    """Bytes that no order goes below: the minimum cuts', raised where a search rules more out.

    Args:
        problem: the units.
        order: a valid one; the bound is not above its peak.
        tries: units that the searches may try together.
    """
    order = tuple(order)
    low, high = order_bound(problem, order), problem.peak(order)
    limit = high - ALIGNMENT
    while low < high and tries > 0:
        search = _Search(problem, limit, tries)
        found = search.order()
        tries = search.tries
        if found is None and tries > 0:
            low = limit + ALIGNMENT
        else:
            high = limit
        limit = (low + high) // (2 * ALIGNMENT) * ALIGNMENT
    return low


def _with_inference_in_order(problem: Problem) -> Problem:
    """Keep inference units in order, and their first ones, which read no state, in front."""
    inference = [i for i, unit in enumerate(problem.units) if unit.phase is Phase.INFERENCE]
    frozen = list(takewhile(lambda i: not problem.units[i].reads_state, inference))
    before: dict[int, int] = {}
    for earlier, later in pairwise(inference):
        before[later] = 1 << earlier
    for index, unit in enumerate(problem.units):
        if unit.phase is Phase.TRAINING:
            first = inference[:1]
            last = frozen[-1:] if unit.reads_state else first
            before[index] = sum(1 << i for i in last or first if i < index)
    units = tuple(
        replace(unit, before=unit.before | before.get(index, 0))
        for index, unit in enumerate(problem.units)
    )
    return replace(problem, units=units)


def _longest_path(problem: Problem) -> list[int]:
    """The longest chain of units that wait for each other."""
    length: list[int] = []
    for unit in problem.units:
        length.append(1 + max((length[u] for u in members(unit.before)), default=0))
    path = [length.index(max(length))]
    while problem.units[path[-1]].before:
        path.append(max(members(problem.units[path[-1]].before), key=length.__getitem__))
    return path[::-1]


def _guided(problem: Problem) -> Order:
    """Before each unit of the longest chain, run what its minimum cut has done."""
    done = 0
    order: list[int] = []

    def run_all(target: int) -> None:
        nonlocal done
        while left := target & ~done:
            ready = [u for u in members(left) if not problem.units[u].before & ~done]
            unit = min(ready, key=lambda u: (*_cost(problem, u, done), u))
            order.append(unit)
            done |= 1 << unit

    for unit in _longest_path(problem):
        if not done >> unit & 1:
            run_all(least_live(problem, unit, done).done)
            run_all(done | 1 << unit)
    run_all(problem.everything)
    return tuple(order)


def _cost(problem: Problem, unit: int, done: int) -> tuple[bool, int, int]:
    growth = problem.growth(unit, done)
    return growth > 0, problem.transient(unit, done), growth


@dataclass(frozen=True)
class _State:
    """Where a search stands.

    Attributes:
        order: of the units that are done.
        done: those units.
        live: bytes.
        last: the branch that led here where nothing settled after it; −1 otherwise.
    """

    order: Order
    done: int
    live: int
    last: int


class _Search:
    """Depth first, for an order that never holds more than a limit.

    A unit that fits under the limit and leaves no more bytes live than there were is run at once:
    that takes nothing from any later unit. Only the others are branches. Of two branches that may
    follow each other either way, only the way that starts with the lower index is followed.
    States that led nowhere are not entered again, on whatever way.
    """

    def __init__(self, problem: Problem, limit: int, tries: int) -> None:
        self._problem = problem
        self._limit = limit
        self._waiting = [unit.before for unit in problem.units]
        self._entered: set[tuple[int, int]] = set()
        self.tries = tries

    def order(self) -> Order | None:
        """An order under the limit; None where there is none, or no tries are left."""
        problem = self._problem
        first = self._settled(_State((), 0, problem.live(0), -1))
        stack = [(first, self._branches(first, None))]
        while stack and self.tries > 0:
            state, branches = stack[-1]
            if state.done == problem.everything:
                return state.order
            if not branches:
                stack.pop()
                continue
            self.tries -= 1
            after = self._settled(self._after(state, branches.pop()))
            if (after.done, after.last) not in self._entered:
                self._entered.add((after.done, after.last))
                stack.append((after, self._branches(after, state)))
        return None

    def _after(self, state: _State, unit: int) -> _State:
        live = state.live + self._problem.growth(unit, state.done)
        return _State((*state.order, unit), state.done | 1 << unit, live, unit)

    def _fits(self, state: _State, unit: int) -> bool:
        return state.live + self._problem.transient(unit, state.done) <= self._limit

    def _settled(self, state: _State) -> _State:
        """After running all that fits and leaves no more bytes live."""
        problem, limit = self._problem, self._limit
        units, done, live = list(state.order), state.done, state.live
        moved = True
        while moved:
            moved = False
            for unit in self._ready(done):
                growth = problem.growth(unit, done)
                if growth <= 0 and live + problem.transient(unit, done) <= limit:
                    units.append(unit)
                    done |= 1 << unit
                    live += growth
                    moved = True
        return state if done == state.done else _State(tuple(units), done, live, -1)

    def _branches(self, state: _State, before: _State | None) -> list[int]:
        """Units that fit, the one to try first, by the given order, at the end."""
        fitting = [u for u in self._ready(state.done) if self._fits(state, u)]
        if state.last >= 0 and before is not None:
            fitting = [u for u in fitting if not self._goes_first(before, u, state.last)]
        return fitting[::-1]

    def _goes_first(self, state: _State, unit: int, other: int) -> bool:
        """Whether a unit can run right before another one, and has the lower index."""
        if unit > other or self._waiting[unit] >> other & 1 or not self._fits(state, unit):
            return False
        return self._fits(self._after(state, unit), other)

    def _ready(self, done: int) -> list[int]:
        todo = ~done
        waiting = self._waiting
        left = self._problem.everything & todo
        return [u for u in members(left) if not waiting[u] & todo]
