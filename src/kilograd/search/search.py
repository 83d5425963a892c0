"""A search from samples to schemes: contributions, then the best choice for each budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from kilograd.data import Dataset
from kilograd.errors import UserError
from kilograd.ir import Graph
from kilograd.passes import DEFAULT_SHARE
from kilograd.search.calibration import Budgets, Found, Space, check_possible, find_scheme
from kilograd.search.cluster import THIS_COMPUTER, Cluster
from kilograd.search.comparison import compare_in_rounds
from kilograd.search.contributions import Contributions, average
from kilograd.search.fisher import fisher_contributions
from kilograd.search.front import settle_front
from kilograd.search.measured import measured_contributions
from kilograd.search.options import LayerOptions, layer_options
from kilograd.search.regression import Trial
from kilograd.search.runs import RunStore
from kilograd.search.tasks import CrossValidation, Task, cross_validation, make_task
from kilograd.search.trials import ROUNDS, Findings, Goal, find_by_trials
from kilograd.targets import Target

METHODS = ("measured", "fisher")


class Progress(Protocol):
    """Told how far an analysis has come."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """``what`` is being done, so many of all."""
        ...


@dataclass(frozen=True)
class Analyst:
    """How contributions are found.

    Attributes:
        method: ``measured`` by short training runs, or ``fisher`` from gradients.
        cluster: where runs are made.
        seed: of everything random.
    """

    method: str = "measured"
    cluster: Cluster = THIS_COMPUTER
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UserError(
                f"there is no method {self.method!r}", hint=f"choose {' or '.join(METHODS)}"
            )

    def analyse(
        self,
        graph: Graph,
        tasks: Sequence[Task],
        progress: Progress | None = None,
        options: Sequence[LayerOptions] | None = None,
    ) -> list[Contributions]:
        """The contributions on each task.

        Args:
            graph: the forward graph, with as many classes as the task with the most.
            tasks: what is learned.
            progress: told how far it has come.
            options: whose contributions are wanted, the head last; None for all.
        """
        options = tuple(layer_options(graph) if options is None else options)
        if self.method == "fisher":
            return [
                fisher_contributions(
                    graph, options, task.fit, seed=self.seed, progress=_named(progress, task.name)
                )
                for task in tasks
            ]
        return measured_contributions(
            graph,
            options,
            tasks,
            cluster=self.cluster,
            store=RunStore(graph),
            seed=self.seed,
            progress=_named(progress, "training runs"),
        )

    def average(
        self,
        graph: Graph,
        tasks: Sequence[Task],
        progress: Progress | None = None,
        options: Sequence[LayerOptions] | None = None,
    ) -> Contributions:
        """The mean over the tasks: one scheme for all of them."""
        return average(self.analyse(graph, tasks, progress, options))

    def find(
        self,
        goals: Sequence[Goal],
        contributions: Contributions,
        validations: Sequence[CrossValidation],
        *,
        learning: Graph | None = None,
        on_round: Callable[[str], None] | None = None,
        progress: Progress | None = None,
        earlier: Sequence[Trial] = (),
    ) -> Findings:
        """The best scheme for each goal; with ``measured``, trials say which that is.

        Args:
            goals: of one network.
            contributions: of its parts.
            validations: what is learned.
            learning: the network with as many classes as the data set with the most; None if that
                is what the goals are for.
            on_round: told of every solution that was compiled, where there are no trials.
            progress: told how many trials there were.
            earlier: trials of the network that are known already.

        Raises:
            BudgetError: the head alone takes more; says how much.
        """
        if self.method == "fisher":
            schemes = [
                find_scheme(goal.space, contributions, goal.budgets, goal.name, on_round)
                for goal in goals
            ]
            return Findings(schemes, contributions)
        return find_by_trials(
            learning or goals[0].space.graph,
            goals,
            contributions,
            validations,
            self.cluster,
            seed=self.seed,
            progress=_named(progress, "trials of schemes"),
            earlier=earlier,
        )

    def find_front(
        self,
        goals: Sequence[Goal],
        contributions: Contributions,
        validations: Sequence[CrossValidation],
        *,
        on_round: Callable[[str], None] | None = None,
        progress: Progress | None = None,
    ) -> Findings:
        """As `find`, for several budgets; with ``measured``, what takes more learns more.

        Args:
            goals: in ascending order, with samples of one kind.
            contributions: of the network's parts.
            validations: what is learned.
            on_round: told of every solution that was compiled, where there are no trials.
            progress: told how many trials there were, and then runs that compare what was found.
        """
        findings = self.find(
            goals, contributions, validations, on_round=on_round, progress=progress
        )
        if not findings.trials:
            return findings
        comparison = compare_in_rounds(
            goals[0].space.graph,
            [found.choice for found in findings.schemes],
            validations,
            ROUNDS,
            self.cluster,
            _named(progress, "runs that compare what was found"),
        )
        schemes = settle_front(findings.schemes, comparison)
        return replace(findings, schemes=schemes, comparison=comparison)


def search_scheme(
    model: Graph,
    datasets: Sequence[Dataset],
    target: Target,
    *,
    name: str = "searched",
    sram: int | None = None,
    instructions: int | None = None,
    flash: int | None = None,
    row_input: bool = False,
    recompute: float = DEFAULT_SHARE,
    analyst: Analyst | None = None,
) -> Found:
    """Find which weights should learn: the best scheme within budgets, for some data sets.

    Args:
        model: the forward graph, with as many classes as the data set with the most.
        datasets: what is learned; one scheme is found for all of them, by their training samples.
        target: of the firmware.
        name: of the scheme.
        sram: most bytes, all of it; None for all that the target has.
        instructions: most of a training step, emulated; None for any number.
        flash: most bytes; None for all that the target has.
        row_input: whether samples arrive in rows.
        recompute: as for `compile_model`.
        analyst: how contributions are found; by short training runs if None.

    Raises:
        DataError: a data set has one class only, or too few samples to hold any back.
        BudgetError: the head alone takes more.
        TargetError: no firmware can be built for the target.
    """
    analyst = analyst or Analyst()
    tasks = [make_task(dataset, analyst.seed) for dataset in datasets]
    space = Space(model, target, row_input=row_input, recompute=recompute)
    budgets = Budgets(target.data_bytes if sram is None else sram, instructions, flash)
    check_possible(space, budgets)
    space = space.within(budgets)
    contributions = analyst.average(model, tasks, options=space.options)
    validations = [cross_validation(dataset, analyst.seed) for dataset in datasets]
    goal = Goal(space, budgets, name)
    return analyst.find([goal], contributions, validations).schemes[0]


def _named(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None

    def tell(done: int, total: int) -> None:
        progress(what, done, total)

    return tell
