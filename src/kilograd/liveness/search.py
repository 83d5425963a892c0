"""Orders of execution that hold fewer bytes live than list scheduling finds, and proofs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

from kilograd.ir import Phase
from kilograd.liveness.bound import least_live, order_bound
from kilograd.liveness.problem import ScheduleProblem, members
from kilograd.rowwise import ALIGNMENT

#: Items that a search for an order under one limit may try. Counted, not timed, so that every
#: machine finds the same order.
TRIES = 300

#: Items that all searches for a proof that no order stays under a limit may try together.
TRIES_TO_PROVE = 2000

Order = tuple[int, ...]


def improve(problem: ScheduleProblem, tries: int = TRIES) -> Order:
    """An order with the lowest peak that is found; the given one where no better is.

    Inference items keep their order: leading ones run a row at a time, or are left out when what
    they make is kept. Where the given order holds more than the bound, minimum cuts along the
    longest chain of items say what else should run before each. Then orders are searched under
    limits between the bound and the best peak, by bisection.
    """
    order: Order = tuple(range(len(problem.items)))
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


def lower_bound(problem: ScheduleProblem, order: Iterable[int], tries: int = TRIES_TO_PROVE) -> int:
    """Bytes that no order goes below: the minimum cuts', raised where a search rules more out.

    Args:
        problem: the items.
        order: a valid one; the bound is not above its peak.
        tries: items that the searches may try together.
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


def _with_inference_in_order(problem: ScheduleProblem) -> ScheduleProblem:
    """Keep inference items in order, and their first ones, which read no state, in front."""
    inference = [i for i, item in enumerate(problem.items) if item.phase is Phase.INFERENCE]
    frozen = list(takewhile(lambda i: not problem.items[i].reads_state, inference))
    before: dict[int, int] = {}
    for earlier, later in pairwise(inference):
        before[later] = 1 << earlier
    for index, item in enumerate(problem.items):
        if item.phase is Phase.TRAINING:
            first = inference[:1]
            last = frozen[-1:] if item.reads_state else first
            before[index] = sum(1 << i for i in last or first if i < index)
    items = tuple(
        replace(item, before=item.before | before.get(index, 0))
        for index, item in enumerate(problem.items)
    )
    return replace(problem, items=items)


def _longest_path(problem: ScheduleProblem) -> list[int]:
    """The longest chain of items that wait for each other."""
    length: list[int] = []
    for item in problem.items:
        length.append(1 + max((length[u] for u in members(item.before)), default=0))
    path = [length.index(max(length))]
    while problem.items[path[-1]].before:
        path.append(max(members(problem.items[path[-1]].before), key=length.__getitem__))
    return path[::-1]


def _guided(problem: ScheduleProblem) -> Order:
    """Before each item of the longest chain, run what its minimum cut has done."""
    done = 0
    order: list[int] = []

    def run_all(target: int) -> None:
        nonlocal done
        while left := target & ~done:
            ready = [u for u in members(left) if not problem.items[u].before & ~done]
            item = min(ready, key=lambda u: (*_cost(problem, u, done), u))
            order.append(item)
            done |= 1 << item

    for item in _longest_path(problem):
        if not done >> item & 1:
            run_all(least_live(problem, item, done).done)
            run_all(done | 1 << item)
    run_all(problem.everything)
    return tuple(order)


def _cost(problem: ScheduleProblem, item: int, done: int) -> tuple[bool, int, int]:
    growth = problem.growth(item, done)
    return growth > 0, problem.transient(item, done), growth


@dataclass(frozen=True)
class _State:
    """Where a search stands.

    Attributes:
        order: of the items that are done.
        done: those items.
        live: bytes.
        last: the branch that led here where nothing settled after it; −1 otherwise.
    """

    order: Order
    done: int
    live: int
    last: int


class _Search:
    """Depth first, for an order that never holds more than a limit.

    An item that fits under the limit and leaves no more bytes live than there were is run at once:
    that takes nothing from any later item. Only the others are branches. Of two branches that may
    follow each other either way, only the way that starts with the lower index is followed.
    States that led nowhere are not entered again, on whatever way.
    """

    def __init__(self, problem: ScheduleProblem, limit: int, tries: int) -> None:
        self._problem = problem
        self._limit = limit
        self._waiting = [item.before for item in problem.items]
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

    def _after(self, state: _State, item: int) -> _State:
        live = state.live + self._problem.growth(item, state.done)
        return _State((*state.order, item), state.done | 1 << item, live, item)

    def _fits(self, state: _State, item: int) -> bool:
        return state.live + self._problem.transient(item, state.done) <= self._limit

    def _settled(self, state: _State) -> _State:
        """After running all that fits and leaves no more bytes live."""
        problem, limit = self._problem, self._limit
        items, done, live = list(state.order), state.done, state.live
        moved = True
        while moved:
            moved = False
            for item in self._ready(done):
                growth = problem.growth(item, done)
                if growth <= 0 and live + problem.transient(item, done) <= limit:
                    items.append(item)
                    done |= 1 << item
                    live += growth
                    moved = True
        return state if done == state.done else _State(tuple(items), done, live, -1)

    def _branches(self, state: _State, before: _State | None) -> list[int]:
        """Items that fit, the one to try first, by the given order, at the end."""
        fitting = [u for u in self._ready(state.done) if self._fits(state, u)]
        if state.last >= 0 and before is not None:
            fitting = [u for u in fitting if not self._goes_first(before, u, state.last)]
        return fitting[::-1]

    def _goes_first(self, state: _State, item: int, other: int) -> bool:
        """Whether an item can run right before another one, and has the lower index."""
        if item > other or self._waiting[item] >> other & 1 or not self._fits(state, item):
            return False
        return self._fits(self._after(state, item), other)

    def _ready(self, done: int) -> list[int]:
        todo = ~done
        waiting = self._waiting
        left = self._problem.everything & todo
        return [u for u in members(left) if not waiting[u] & todo]
