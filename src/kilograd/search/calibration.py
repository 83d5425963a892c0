"""A solution that really fits: the estimates are compared with what the compiler makes of it.

Estimates say where to look, the compiler decides. What a compiled choice needs beyond its estimate
moves the limit for the next solution, and a fit that leaves room asks for a larger one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kilograd.compiler import Program, Request
from kilograd.errors import BudgetError
from kilograd.ir import Graph
from kilograd.measuring.firmware import Measurement, check_firmware_target, measure
from kilograd.scheme import Scheme, load_scheme
from kilograd.search.choice import Choice, Key, Parts
from kilograd.search.contributions import Contributions
from kilograd.search.costs import CostModel, cost_model
from kilograd.search.options import LayerOptions, layer_options
from kilograd.search.solve import Limits, Solution, constant_bytes, solve
from kilograd.targets import Target

#: Solutions that are looked for, and compiled, for one budget.
_SOLUTIONS, _ROUNDS = 40, 8
#: Share of a budget that may stay free without looking for more.
_SLACK = 0.005
#: Instructions a unit of backward cost, before any was measured.
_INSTRUCTIONS = 3.0
#: What is estimated to take more of the SRAM than this multiple of a budget is in no scheme within
#: it. Estimates of samples that come row by row are too high, since rows are recomputed.
_MOST_HELD, _MOST_STREAMED = 1.1, 1.25


@dataclass(frozen=True)
class Budgets:
    """What a training step may take.

    Attributes:
        sram: bytes, all of it.
        instructions: of a training step, emulated; None for any number.
        flash: bytes; None for all that the target has.

    Both memories are the target's at most: what does not even link is no measurement.
    """

    sram: int
    instructions: int | None = None
    flash: int | None = None

    def allow(self, taken: Measurement) -> bool:
        """Whether a firmware keeps within them."""
        most = {"SRAM": self.sram, "instructions": self.instructions, "flash": self.flash}
        sizes = _figures(taken)
        return all(limit is None or sizes[what] <= limit for what, limit in most.items())


@dataclass(frozen=True)
class Found:
    """A scheme within its budgets.

    Attributes:
        scheme: what is trained.
        choice: the same without the head.
        budgets: that it keeps within.
        measurement: of its firmware.
        solution: the sum of contributions that it has, and the largest that the limits allow.
        limits: of its estimates, by which it was found.
        rounds: how many solutions were compiled.
    """

    scheme: Scheme
    choice: Choice
    budgets: Budgets
    measurement: Measurement
    solution: Solution
    limits: Limits
    rounds: int


class Space:
    """All schemes of a model on a target, with what they take.

    Args:
        graph: the forward graph, with the classes that it will learn.
        target: of the firmware.
        row_input: whether samples arrive in rows.
        recompute: as for `compile_model`.
        options: of some layers, the head last; those of all if None.

    Raises:
        TargetError: no firmware can be built for the target.
        BudgetError: not even the head can be trained on it.
    """

    def __init__(
        self,
        graph: Graph,
        target: Target,
        *,
        row_input: bool,
        recompute: float,
        options: Sequence[LayerOptions] | None = None,
    ) -> None:
        check_firmware_target(target)
        self.graph = graph
        self.target = target
        self.options = tuple(layer_options(graph) if options is None else options)
        self._request = Request(graph, row_input, recompute)
        self.parts = Parts(self.options[:-1])
        self.head = self.options[-1].layer

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

    def within(self, budgets: Budgets) -> Space:
        """The schemes that may keep within a budget of SRAM; nothing else need be looked at.

        Layers are left out whose bias alone is too much, and shares of weights that are, or that
        cannot be trained at all. Where nothing is possible beside the head, nothing is left out.
        """
        most = budgets.sram * (_MOST_STREAMED if self.row_input else _MOST_HELD)
        taken = self.smallest[1].sram_total_bytes - self.estimated(Choice())

        def is_possible(choice: Choice) -> bool:
            chosen = np.flatnonzero(self.parts.chosen(choice)).tolist()
            if any(self.costs.forbidden >> part & 1 for part in chosen):
                return False
            return taken + self.estimated(choice) <= most

        options = [
            replace(
                option,
                weights=tuple(
                    weight
                    for weight in option.weights
                    if is_possible(Choice(weights={option.layer: weight.share}))
                ),
            )
            for option in self.parts.options
            if is_possible(Choice((option.layer,)))
        ]
        if not options:
            return self
        possible = Space(
            self.graph,
            self.target,
            row_input=self.row_input,
            recompute=self._request.recompute,
            options=[*options, self.options[-1]],
        )
        possible.smallest = self.smallest  # the head alone is no other
        return possible

    def prepare(self) -> None:
        """Make the estimates now, so that workers which are given this need not."""
        _ = self.costs

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
    check_possible(space, budgets)
    search = _Search(space, contributions.smoothed(), budgets, name)
    for _ in range(_SOLUTIONS):
        text = search.advance()
        if on_round is not None and text:
            on_round(f"solution {search.rounds}: {text}")
        if search.is_done or search.rounds == _ROUNDS:
            break
    return search.result()


class _Closing:
    """A limit on an estimate that closes in on a budget of what is measured.

    Attributes:
        fits: the largest estimate that was within the budget.
        fails: the smallest that was not; None before there was one.
        guess: the limit that should just fit, by the last measurement.
    """

    def __init__(self, fits: float, guess: float) -> None:
        self.fits = fits
        self.fails: float | None = None
        self.guess = guess

    @property
    def limit(self) -> int:
        """What to try next."""
        if self.fails is None:
            return int(max(self.guess, self.fits))
        if self.fits < self.guess < self.fails:
            return int(self.guess)
        return int((self.fits + self.fails) / 2)

    @property
    def is_closed(self) -> bool:
        """Whether nothing lies between what fits and what does not."""
        return self.fails is not None and self.fails - self.fits <= max(1.0, _SLACK * self.fails)

    def refuse(self, estimate: float) -> None:
        """Take in that a choice of this estimate is too much, by nobody knows how much."""
        self.fails = estimate if self.fails is None else min(self.fails, estimate)
        self.guess = self.fails

    def learn(self, estimate: float, measured: int, budget: int, scale: float = 1.0) -> None:
        """Take in what a choice of this estimate really takes; ``scale`` is a unit's worth."""
        if measured > budget:
            self.refuse(estimate)
        else:
            self.fits = max(self.fits, estimate)
        self.guess = estimate + (budget - measured) / scale


class _Search:
    """Limits that close in on the budgets."""

    def __init__(
        self, space: Space, contributions: Contributions, budgets: Budgets, name: str
    ) -> None:
        self._space = space
        self._contributions = contributions
        self._budgets = budgets
        self._name = name
        self._wanted = _wanted(budgets, space.target)
        self._closing: dict[str, _Closing] = {}
        measured, estimates = _figures(space.smallest[1]), self._estimates(Choice())
        for what, budget in self._wanted.items():
            scale = _INSTRUCTIONS if what == "instructions" else 1.0
            guess = estimates[what] + (budget - measured[what]) / scale
            self._closing[what] = _Closing(estimates[what], guess)
        self._best: Found | None = None
        self._seen: set[Key] = set()
        self.is_done = False
        self.rounds = 0

    def advance(self) -> str:
        """Solve, compile, measure, learn from the difference."""
        most = {what: closing.limit for what, closing in self._closing.items()}
        limits = Limits(most["SRAM"], most.get("instructions"), most.get("flash"))
        solution = solve(self._space.costs, self._contributions, limits)
        if solution.choice.key in self._seen:
            # It is the best up to these limits, too.
            for what, closing in self._closing.items():
                closing.fits = max(closing.fits, most[what])
            self.is_done = all(c.is_closed or c.fails is None for c in self._closing.values())
            return ""
        self._seen.add(solution.choice.key)
        self.rounds += 1
        try:
            taken = measure(self._space.compile(solution.choice, self._name))
        except BudgetError as error:
            self._refuse(solution.choice)
            return error.what
        return self._learn(solution, limits, taken)

    def _refuse(self, choice: Choice) -> None:
        """A choice that the target's memories do not hold: whichever it was, both close in."""
        estimates = self._estimates(choice)
        for what in ("SRAM", "flash"):
            self._closing[what].refuse(estimates[what])

    def _estimates(self, choice: Choice) -> dict[str, float]:
        return {
            "SRAM": self._space.estimated(choice),
            "instructions": self._space.costs.backward_cost(choice),
            "flash": constant_bytes(self._space.parts, choice),
        }

    def _learn(self, solution: Solution, limits: Limits, taken: Measurement) -> str:
        choice, space = solution.choice, self._space
        estimates, measured = self._estimates(choice), _figures(taken)
        over: list[str] = []
        for what, budget in self._wanted.items():
            scale = self._worth(estimates[what], taken) if what == "instructions" else 1.0
            self._closing[what].learn(estimates[what], measured[what], budget, scale)
            if measured[what] > budget:
                over.append(f"{measured[what]:,} of {what} are too much")
        text = f"{taken.sram_total_bytes:,} bytes of SRAM"
        if over:
            return f"{text}; {', '.join(over)}"
        if self._best is None or solution.gain > self._best.solution.gain:
            scheme = choice.scheme(self._name, space.head)
            budgets = self._budgets
            self._best = Found(scheme, choice, budgets, taken, solution, limits, self.rounds)
        free = self._budgets.sram - taken.sram_total_bytes
        self.is_done = free <= _SLACK * self._budgets.sram
        return text

    def _worth(self, cost: float, taken: Measurement) -> float:
        """Instructions a unit of cost."""
        added = cost - self._space.costs.backward_cost(Choice())
        more = taken.instructions_train_step - self._space.smallest[1].instructions_train_step
        return more / added if added > 0 and more > 0 else _INSTRUCTIONS

    def result(self) -> Found:
        """The best that fitted."""
        if self._best is None:
            choice, space = Choice(), self._space
            scheme = choice.scheme(self._name, space.head)
            measured = space.smallest[1]
            cost = math.ceil(space.costs.backward_cost(choice))
            limits = Limits(space.estimated(choice), cost)
            solution = Solution(choice, 0.0, 0.0)
            return Found(scheme, choice, self._budgets, measured, solution, limits, self.rounds)
        return replace(self._best, rounds=self.rounds)


def _figures(measured: Measurement) -> dict[str, int]:
    return {
        "SRAM": measured.sram_total_bytes,
        "instructions": measured.instructions_train_step,
        "flash": measured.flash_bytes,
    }


def _wanted(budgets: Budgets, target: Target) -> dict[str, int]:
    """What is limited, and how far."""
    flash = target.code_region.length if budgets.flash is None else budgets.flash
    wanted = {"SRAM": budgets.sram, "flash": flash}
    if budgets.instructions is not None:
        wanted["instructions"] = budgets.instructions
    return wanted


def check_possible(space: Space, budgets: Budgets) -> None:
    """Refuse budgets below the smallest possible plan, which trains the head alone.

    Raises:
        BudgetError: says what the smallest takes.
    """
    taken = _figures(space.smallest[1])
    for what, budget in _wanted(budgets, space.target).items():
        if taken[what] > budget:
            unit = "instructions" if what == "instructions" else f"bytes of {what}"
            hint = "the head alone is the least that can be trained"
            if what == "SRAM" and not space.row_input:
                hint += "; samples that arrive in rows are never whole in memory"
            raise BudgetError(
                f"the smallest possible plan takes {taken[what]:,} {unit}, "
                f"the budget is {budget:,}",
                where=space.graph.name,
                hint=hint,
            )
