"""A solution that really fits: the estimates are compared with what the compiler makes of it.

Estimates say where to look, the compiler decides. What a compiled choice needs beyond its estimate
moves the limit for the next solution, and a fit that leaves room asks for a larger one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from kilograd.compiler import Program, Request
from kilograd.errors import BudgetError
from kilograd.ir import Graph
from kilograd.measuring.firmware import Measurement, check_firmware_target, measure
from kilograd.scheme import Scheme, load_scheme
from kilograd.search.choice import Choice, Key, Parts
from kilograd.search.contributions import Contributions
from kilograd.search.costs import CostModel, cost_model
from kilograd.search.options import layer_options
from kilograd.search.solve import Limits, Solution, constant_bytes, solve
from kilograd.targets import Target

#: Solutions that are compiled for one budget.
_ROUNDS = 8
#: Share of a budget that may stay free without looking for more.
_SLACK = 0.005


@dataclass(frozen=True)
class Budgets:
    """What a training step may take.

    Attributes:
        sram: bytes, all of it.
        instructions: of a training step, emulated; None for any number.
        flash: bytes; None for all that the target has.
    """

    sram: int
    instructions: int | None = None
    flash: int | None = None


@dataclass(frozen=True)
class Found:
    """A scheme within its budgets.

    Attributes:
        scheme: what is trained.
        choice: the same without the head.
        budgets: that it keeps within.
        measurement: of its firmware.
        solution: the sum of contributions that it has, and the largest that the limits allow.
        rounds: how many solutions were compiled.
    """

    scheme: Scheme
    choice: Choice
    budgets: Budgets
    measurement: Measurement
    solution: Solution
    rounds: int


class Space:
    """All schemes of a model on a target, with what they take.

    Args:
        graph: the forward graph, with the classes that it will learn.
        target: of the firmware.
        row_input: whether samples arrive in rows.
        recompute: as for `compile_model`.

    Raises:
        TargetError: no firmware can be built for the target.
        BudgetError: not even the head can be trained on it.
    """

    def __init__(self, graph: Graph, target: Target, *, row_input: bool, recompute: float) -> None:
        check_firmware_target(target)
        self.graph = graph
        self.target = target
        self._request = Request(graph, row_input, recompute)
        options = layer_options(graph)
        self.parts = Parts(options[:-1])
        self.head = options[-1].layer

    @property
    def row_input(self) -> bool:
        """Whether samples arrive in rows."""
        return self._request.row_input

    @cached_property
    def smallest(self) -> tuple[Program, Measurement]:
        """The program that trains the head alone, and what it takes."""
        program = self.compile(Choice())
        return program, measure(program)

    @cached_property
    def costs(self) -> CostModel:
        """The estimates."""
        return cost_model(self.graph, self.parts, self.target, self.smallest[0])

    def compile(self, choice: Choice, name: str = "") -> Program:
        """A choice, compiled."""
        chosen = choice.scheme(name or self.graph.name, self.head)
        return self._request.compile(chosen, self.target)

    def choice(self, scheme: str) -> Choice:
        """What a named scheme trains beside the head."""
        loaded = load_scheme(scheme, self.graph)
        weights = {name: s for name, s in loaded.weights.items() if name != self.head}
        return Choice(tuple(name for name in loaded.biases if name != self.head), weights)

    def estimated(self, choice: Choice) -> int:
        """Bytes of arena and deltas."""
        return self.costs.arena_bytes(choice) + self.parts.state_bytes(choice)


def find_scheme(
    space: Space,
    contributions: Contributions,
    budgets: Budgets,
    name: str,
    on_round: Callable[[str], None] | None = None,
) -> Found:
    """The scheme with the largest sum of contributions whose firmware keeps within the budgets.

    Raises:
        BudgetError: the head alone takes more; says how much.
    """
    _, smallest = space.smallest
    _check_possible(smallest, budgets)
    search = _Search(space, contributions, budgets, name)
    for number in range(1, _ROUNDS + 1):
        text = search.advance()
        if on_round is not None:
            on_round(f"solution {number}: {text}")
        if search.is_done:
            break
    return search.result()


class _Search:
    """Limits that close in on the budgets."""

    def __init__(
        self, space: Space, contributions: Contributions, budgets: Budgets, name: str
    ) -> None:
        self._space = space
        self._contributions = contributions
        self._budgets = budgets
        self._name = name
        _, smallest = space.smallest
        none = Choice()
        self._factor = 3.0  # instructions a unit of cost, until a firmware has been measured
        self._offset = smallest.sram_total_bytes - space.estimated(none)
        self._flash_offset = smallest.flash_bytes
        #: of memory limits: the largest that led to a fit, the smallest that did not
        self._fits = 0
        self._fails: int | None = None
        self._best: Found | None = None
        self._seen: set[Key] = set()
        self.is_done = False
        self._rounds = 0

    def advance(self) -> str:
        """Solve, compile, measure, learn from the difference."""
        self._rounds += 1
        limits = self._limits()
        solution = solve(self._space.costs, self._contributions, limits)
        if solution.choice.key in self._seen:
            self.is_done = True
            return "the same again"
        self._seen.add(solution.choice.key)
        taken = measure(self._space.compile(solution.choice, self._name))
        return self._learn(limits, solution, taken)

    def _limits(self) -> Limits:
        memory = self._budgets.sram - self._offset
        if self._fails is not None and memory >= self._fails:
            memory = (
                (self._fits + self._fails) // 2 if self._fits else self._fails - self._fails // 50
            )
        if memory <= self._fits and self._fails is not None:
            memory = (self._fits + self._fails) // 2
        least = self._space.estimated(Choice())
        most, room = self._budgets.instructions, None
        if most is not None:
            base = self._space.smallest[1].instructions_train_step
            head = self._space.costs.backward_cost(Choice())
            room = max(0, int((most - base) / self._factor + head))
        flash = self._budgets.flash
        constants = None if flash is None else max(0, flash - self._flash_offset)
        return Limits(max(memory, least), room, constants)

    def _learn(self, limits: Limits, solution: Solution, taken: Measurement) -> str:
        budgets, choice, space = self._budgets, solution.choice, self._space
        self._offset = taken.sram_total_bytes - space.estimated(choice)
        self._flash_offset = taken.flash_bytes - constant_bytes(space.parts, choice)
        smallest = space.smallest[1]
        added = space.costs.backward_cost(choice) - space.costs.backward_cost(Choice())
        if added > 0:
            more = taken.instructions_train_step - smallest.instructions_train_step
            self._factor = more / added
        over = [
            text
            for text, value, budget in (
                ("SRAM", taken.sram_total_bytes, budgets.sram),
                ("instructions", taken.instructions_train_step, budgets.instructions),
                ("flash", taken.flash_bytes, budgets.flash),
            )
            if budget is not None and value > budget
        ]
        text = f"{taken.sram_total_bytes:,} bytes of SRAM"
        if over:
            if "SRAM" in over:
                self._fails = min(self._fails or limits.memory_bytes, limits.memory_bytes)
            return f"{text}, too much {' and '.join(over)}"
        self._fits = max(self._fits, limits.memory_bytes)
        if self._best is None or solution.gain > self._best.solution.gain:
            scheme = choice.scheme(self._name, space.head)
            self._best = Found(scheme, choice, budgets, taken, solution, self._rounds)
        free = budgets.sram - taken.sram_total_bytes
        self.is_done = free <= _SLACK * budgets.sram
        return text

    def result(self) -> Found:
        """The best that fitted."""
        if self._best is None:
            choice = Choice()
            solution = Solution(choice, 0.0, 0.0)
            scheme = choice.scheme(self._name, self._space.head)
            measured = self._space.smallest[1]
            return Found(scheme, choice, self._budgets, measured, solution, self._rounds)
        return replace(self._best, rounds=self._rounds)


def _check_possible(smallest: Measurement, budgets: Budgets) -> None:
    """Refuse budgets that not even the head fits."""
    for what, needed, budget in (
        ("bytes of SRAM", smallest.sram_total_bytes, budgets.sram),
        ("instructions", smallest.instructions_train_step, budgets.instructions),
        ("bytes of flash", smallest.flash_bytes, budgets.flash),
    ):
        if budget is not None and needed > budget:
            raise BudgetError(
                f"training the head alone takes {needed:,} {what}, the budget is {budget:,}",
                hint="the head is the least that can be trained",
            )
