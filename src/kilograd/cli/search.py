"""kilograd search finds which weights should learn within a budget."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import TextColumn, TimeRemainingColumn

from kilograd.cli.blame import blame
from kilograd.cli.data_report import show_skipped, skip_hint
from kilograd.cli.progress import progress_bar
from kilograd.cli.search_report import write_search_report
from kilograd.cli.sizes import parse_size
from kilograd.cli.source import ModelSource
from kilograd.cli.train import check_writable
from kilograd.data import load_dataset
from kilograd.errors import UserError
from kilograd.files import write_atomically, write_folder
from kilograd.frontend.open import input_spec
from kilograd.measuring.firmware import check_firmware_target
from kilograd.search.calibration import Budgets, Found, Space, check_possible
from kilograd.search.cluster import Cluster
from kilograd.search.comparison import Comparison
from kilograd.search.contributions import Contributions
from kilograd.search.scheme_file import Origin, scheme_text
from kilograd.search.search import Analyst
from kilograd.search.tasks import CrossValidation, Task, cross_validation, make_task
from kilograd.search.trials import Findings, Goal
from kilograd.targets import Target, get_target


@dataclass(frozen=True)
class SearchRequest:
    """What to search for; see the command's options."""

    source: ModelSource
    data: Sequence[Path]
    output: Path
    sram: str | None
    flash: str | None
    instructions: str | None
    pareto: str | None
    row_input: bool
    recompute: float
    target: str
    method: str
    cluster: str | None
    seed: int
    limit: int | None
    report: Path | None
    skips_broken: bool = False


def search_model(console: Console, request: SearchRequest) -> dict[str, Any]:
    """Analyse, solve, measure, write; show and return what was found."""
    with blame("--target"):
        target = get_target(request.target)
        check_firmware_target(target)
    budgets = _budgets(request, target)
    with blame("--method"):
        analyst = Analyst(request.method, Cluster(request.cluster), request.seed)
    for path in (request.output, request.report):
        if path is not None:
            check_writable(path)
    loaded = [_load(console, path, request) for path in request.data]
    tasks, validations = [task for task, _ in loaded], [one for _, one in loaded]
    graph = request.source.load(max(task.classes for task in tasks))
    space = Space(graph, target, row_input=request.row_input, recompute=request.recompute)
    check_possible(space, budgets[0])
    space = space.within(budgets[-1])
    left = (TextColumn("left"), TimeRemainingColumn())
    with progress_bar(console, after=left) as bar:
        shown: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in shown:
                shown[what] = bar.add_task(what, total=total)
            bar.update(shown[what], completed=done)

        contributions = analyst.average(graph, tasks, show, space.options)
        goals = [Goal(space, budget, _name(request, budget, budgets)) for budget in budgets]
        find = analyst.find if request.pareto is None else analyst.find_front
        findings = find(
            goals, contributions, validations, on_round=bar.console.print, progress=show
        )
    found = findings.schemes
    kind = "streamed" if request.row_input else "held"
    tried_on = [task.name for task in tasks] if findings.trials else []
    origin = Origin(graph.name, kind, contributions, tasks, tried_on)
    texts = [scheme_text(one, origin, findings.comparison) for one in found]
    _write(request, found, texts)
    for one in found:
        _show(console, one, findings.comparison)
    console.print(f"written: {request.output}", markup=False, highlight=False)
    if request.report is not None:
        program = space.compile(found[-1].choice, found[-1].scheme.name)
        write_search_report(request.report, program, contributions, tasks, findings)
        console.print(f"report: {request.report}", markup=False, highlight=False)
    return _summary(request, graph.name, contributions, tasks, findings)


def _budgets(request: SearchRequest, target: Target) -> list[Budgets]:
    """One a scheme, in ascending order."""
    flash = None if request.flash is None else parse_size(request.flash, "--flash")
    instructions = None
    if request.instructions is not None:
        instructions = parse_count(request.instructions, "--instructions")
    if request.pareto is None:
        most = target.data_bytes
        sram = most if request.sram is None else parse_size(request.sram, "--sram")
        if sram > most:
            raise UserError(
                f"{target.name} has {most:,} bytes of SRAM, the budget is {sram:,}",
                where="--sram",
                hint="name a smaller budget, or a target with more memory",
            )
        return [Budgets(sram, instructions, flash)]
    if request.sram is not None:
        raise UserError("a front has budgets of its own", where="--pareto", hint="leave out --sram")
    ends = request.pareto.split("..")
    if len(ends) != 2:  # noqa: PLR2004 - a range has two ends
        raise UserError(
            f"{request.pareto!r} is no range of sizes", where="--pareto", hint="write 48KB..256KB"
        )
    low, high = (parse_size(end, "--pareto") for end in ends)
    if not low < high <= target.data_bytes:
        raise UserError(
            f"the range must rise, to at most the {target.data_bytes:,} bytes of {target.name}",
            where="--pareto",
        )
    return [Budgets(sram, instructions, flash) for sram in front_sizes(low, high)]


def front_sizes(low: int, high: int) -> list[int]:
    """Both ends, and the powers of two and their one and a half times between them."""
    between = (base << power for base in (2, 3) for power in range(40))
    return sorted({low, high, *(size for size in between if low < size < high)})


def parse_count(text: str, option: str) -> int:
    """A number such as 60M, 500k or 1000000.

    Raises:
        UserError: names the option.
    """
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([kKmM]?)\s*", text)
    if match is None:
        raise UserError(f"{text!r} is not a number", where=option, hint="write 60M or 60000000")
    return int(float(match[1]) * {"": 1, "K": 1000, "M": 1_000_000}[match[2].upper()])


def _load(console: Console, path: Path, request: SearchRequest) -> tuple[Task, CrossValidation]:
    # The head may be one that is replaced.
    spec = input_spec(request.source.load(2))
    # Test samples are not even decoded: nothing is chosen by them.
    with skip_hint():
        dataset = load_dataset(
            path,
            spec,
            limit=request.limit,
            test_limit=0,
            seed=request.seed,
            skip_broken=request.skips_broken,
        )
    show_skipped(console, dataset)
    return make_task(dataset, request.seed), cross_validation(dataset, request.seed)


def _name(request: SearchRequest, budget: Budgets, budgets: Sequence[Budgets]) -> str:
    if len(budgets) == 1 and request.pareto is None:
        return request.output.stem
    return _size_name(budget.sram)


def _size_name(size: int) -> str:
    return f"{size // 1024}KB" if size % 1024 == 0 else f"{size}B"


def _write(request: SearchRequest, found: Sequence[Found], texts: Sequence[str]) -> None:
    if request.pareto is None:
        write_atomically(request.output, texts[0].encode())
        return
    files = {f"{one.scheme.name}.toml": text for one, text in zip(found, texts, strict=True)}
    write_folder(request.output, files, written_by="kilograd search")


def _show(console: Console, found: Found, comparison: Comparison | None) -> None:
    measured = found.measurement
    weights = ", ".join(f"{name} {share:g}" for name, share in found.choice.weights.items())
    taken = f"{measured.sram_total_bytes:,} bytes of SRAM (budget {found.budgets.sram:,})"
    step = f"{measured.instructions_train_step:,} instructions a training step, emulated"
    trained = f"the head, {len(found.choice.biases)} biases and of weights: {weights or 'none'}"
    lines = [f"{found.scheme.name}: {taken}, {step}", f"  trains {trained}"]
    if comparison is not None:
        right = comparison.accuracy(found.choice)
        lines.append(f"  had {right:.1%} of the training samples right that were held back")
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _summary(
    request: SearchRequest,
    model: str,
    contributions: Contributions,
    tasks: Sequence[Task],
    findings: Findings,
) -> dict[str, Any]:
    compared = findings.comparison
    schemes = [
        {
            "scheme": one.scheme.name,
            "budget": one.budgets.sram,
            "biases": list(one.scheme.biases),
            "weights": dict(one.scheme.weights),
            "gain": one.solution.gain,
            "bound": one.solution.bound,
            "is_optimal": one.solution.is_optimal,
            "rounds": one.rounds,
            **one.measurement.as_dict(),
            **({} if compared is None else {"held_back_accuracy": compared.accuracy(one.choice)}),
        }
        for one in findings.schemes
    ]
    shared = {
        "model": model,
        "method": contributions.method,
        "unit": contributions.unit,
        "input": "streamed" if request.row_input else "held",
        "output": str(request.output),
        **({} if request.report is None else {"report": str(request.report)}),
        "data": {task.name: task.digest for task in tasks},
    }
    return {**shared, **schemes[0]} if request.pareto is None else {**shared, "front": schemes}
