"""The choice with the largest sum of contributions within the budgets, exactly.

An integer program over the parts of a network, solved with CP-SAT (OR-Tools): one flag a bias, one
a share of a weight, and one a set of parts that keeps a tensor alive (`costs.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kilograd.errors import BudgetError
from kilograd.search.choice import Choice, Parts
from kilograd.search.contributions import Contributions
from kilograd.search.costs import CostModel, Mask

#: Gains are rounded to this share of the sum of all.
_RESOLUTION = 1_000_000
#: Work that the solver may do, in its own deterministic seconds: every machine finds the same.
_MOST_WORK = 40.0


@dataclass(frozen=True)
class Limits:
    """What a choice may take by the estimates; None for as much as it likes.

    Attributes:
        memory_bytes: of arena and deltas together.
        backward_cost: of the nodes that training adds, as `CostModel.backward_cost`.
        constant_bytes: of flash beside the head's, as `constant_bytes` estimates them.
    """

    memory_bytes: int
    backward_cost: int | None = None
    constant_bytes: int | None = None

    def allow(self, costs: CostModel, choice: Choice) -> bool:
        """Whether a choice keeps within all of them."""
        memory = costs.arena_bytes(choice) + costs.parts.state_bytes(choice)
        if memory > self.memory_bytes:
            return False
        if self.backward_cost is not None and costs.backward_cost(choice) > self.backward_cost:
            return False
        constants = self.constant_bytes
        return constants is None or constant_bytes(costs.parts, choice) <= constants


@dataclass(frozen=True)
class Solution:
    """What the solver found.

    Attributes:
        choice: the best.
        gain: the sum of its contributions.
        bound: no choice within the limits has a larger sum.
    """

    choice: Choice
    gain: float
    bound: float

    @property
    def is_optimal(self) -> bool:
        """Whether that is proven, up to the rounding of gains."""
        return self.bound - self.gain <= 1e-4 * max(abs(self.bound), 1e-12)


#: Of a trained bias, a channel: a mantissa and an exponent.
_CONSTANTS_A_BIAS = 3
#: Of a trained weight: parameters of the nodes that learn.
_CONSTANTS_A_WEIGHT = 120


def constant_bytes(parts: Parts, choice: Choice) -> int:
    """Roughly what a choice adds to flash."""
    biases = sum(parts.options[parts.index[layer]].channels for layer in choice.biases)
    return _CONSTANTS_A_BIAS * biases + _CONSTANTS_A_WEIGHT * len(choice.weights)


def solve(costs: CostModel, contributions: Contributions, limits: Limits) -> Solution:
    """The best choice within the limits.

    Raises:
        BudgetError: not even the head alone keeps within them.
    """
    if not limits.allow(costs, Choice()):
        raise BudgetError("the head alone takes more than the limits allow")
    problem = _Problem(costs, contributions)
    problem.limit(limits)
    return problem.best()


class _Problem:
    """The integer program."""

    def __init__(self, costs: CostModel, contributions: Contributions) -> None:
        # OR-Tools takes a second to import, and most commands never solve anything.
        from ortools.sat.python import cp_model  # noqa: PLC0415

        self._cp = cp_model
        self._costs = costs
        self._contributions = contributions
        self._model: Any = cp_model.CpModel()
        model, parts = self._model, costs.parts
        self._biases = [model.new_bool_var(f"bias {o.layer}") for o in parts.options]
        self._shares = [
            [model.new_bool_var(f"weight {o.layer} {w.share}") for w in o.weights]
            for o in parts.options
        ]
        self._trained: list[Any] = []
        for bias, shares in zip(self._biases, self._shares, strict=True):
            weight = model.new_bool_var("")
            model.add(sum(shares) == weight)
            self._trained += [bias, weight]
        for part, flag in enumerate(self._trained):
            if costs.forbidden >> part & 1:
                model.add(flag == 0)
        self._sets: dict[Mask, Any] = {}

    def limit(self, limits: Limits) -> None:
        """Keep within the limits."""
        costs, model = self._costs, self._model
        arena = model.new_int_var(0, limits.memory_bytes, "arena")
        floor = max(m.held for m in costs.moments if not m.gate)
        for moment in costs.moments:
            if moment.held + sum(size for size, _ in moment.conditional) <= floor:
                continue
            live = moment.held + sum(size * self._any(mask) for size, mask in moment.conditional)
            bound = model.add(arena >= live)
            if moment.gate:
                bound.only_enforce_if(self._any(moment.gate))
        model.add(arena >= floor)
        model.add(arena + self._state() <= limits.memory_bytes)
        if limits.backward_cost is not None:
            model.add(self._backward() <= limits.backward_cost)
        if limits.constant_bytes is not None:
            model.add(self._constants() <= limits.constant_bytes)

    def best(self) -> Solution:
        """Solve."""
        gains = self._gains()
        total = sum(gain for _, gain in gains if gain > 0) or 1.0
        scaled = [(flag, round(gain / total * _RESOLUTION)) for flag, gain in gains]
        self._model.maximize(sum(gain * flag for flag, gain in scaled))
        solver: Any = self._cp.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 0
        solver.parameters.max_deterministic_time = _MOST_WORK
        status = solver.solve(self._model)
        if status not in (self._cp.OPTIMAL, self._cp.FEASIBLE):
            raise BudgetError("the head alone takes more than the limits allow")
        choice = self._costs.parts.choice(
            [bool(solver.value(flag)) for flag in self._biases],
            [self._share(solver, i) for i in range(len(self._shares))],
        )
        gain = self._contributions.total(choice.biases, choice.weights)
        bound = solver.best_objective_bound / _RESOLUTION * total
        return Solution(choice, gain, max(bound, gain))  # but for the rounding of gains

    def _share(self, solver: Any, layer: int) -> float:
        options = self._costs.parts.options[layer].weights
        flags = self._shares[layer]
        chosen = [o.share for o, f in zip(options, flags, strict=True) if solver.value(f)]
        return chosen[0] if chosen else 0.0

    def _any(self, mask: Mask) -> Any:
        """A flag that is set when any of these parts is trained."""
        if mask not in self._sets:
            flag = self._model.new_bool_var("")
            for part, trained in enumerate(self._trained):
                if mask >> part & 1:
                    self._model.add_implication(trained, flag)
            self._sets[mask] = flag
        return self._sets[mask]

    def _gains(self) -> list[tuple[Any, float]]:
        found: list[tuple[Any, float]] = []
        for option, bias, shares in zip(
            self._costs.parts.options, self._biases, self._shares, strict=True
        ):
            gains = self._contributions.weights[option.layer]
            found.append((bias, self._contributions.biases[option.layer]))
            found += [
                (flag, gains[w.share]) for w, flag in zip(option.weights, shares, strict=True)
            ]
        return found

    def _state(self) -> Any:
        return sum(
            option.bias_bytes * bias
            + sum(w.state_bytes * flag for w, flag in zip(option.weights, shares, strict=True))
            for option, bias, shares in zip(
                self._costs.parts.options, self._biases, self._shares, strict=True
            )
        )

    def _backward(self) -> Any:
        costs: list[Any] = []
        for work in self._costs.work:
            if work.layer is None:
                costs.append(round(work.cost) * (self._any(work.gate) if work.gate else 1))
                continue
            layer = self._costs.parts.index[work.layer]
            for option, flag in zip(
                self._costs.parts.options[layer].weights, self._shares[layer], strict=True
            ):
                costs.append(round(work.cost * option.share) * flag)
        return sum(costs)

    def _constants(self) -> Any:
        parts = self._costs.parts
        return sum(
            _CONSTANTS_A_BIAS * option.channels * self._trained[2 * i]
            + _CONSTANTS_A_WEIGHT * self._trained[2 * i + 1]
            for i, option in enumerate(parts.options)
        )
