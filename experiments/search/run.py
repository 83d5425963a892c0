"""Searches for schemes, trains them, and writes experiments/search/results.json.

    python -m experiments.search.run [part …] [--only TEXT]

Parts are contributions, fisher, schemes, more, front, accuracy and solvers. Without arguments
everything, in about eight hours on two cores. Training runs of the analysis are kept in kilograd's
cache, and cells of the table that were made with the same scheme are kept, so it can be stopped at
any time. Needs the published checkpoints and data packs in ../shared.

Schemes are chosen by training samples only. The nine packs' test samples are looked at once a
scheme was written, and nothing is chosen by them: what an earlier search found for the same budget
stays unless a new scheme is better on training samples that are held back.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from joblib import Parallel, delayed

from experiments.common.cells import Cell, recipe, run_cell
from experiments.common.ledgers import Ledger, Row, write_ledger
from experiments.common.packs import PACKS, pack_path
from experiments.common.parts import Part, run_parts
from experiments.common.paths import checkpoint
from experiments.common.programs import BOARD
from experiments.search import LEDGER
from experiments.search.contributions import (
    as_row,
    contributions_of,
    from_row,
    measure_contributions,
    tasks_for,
    teller,
    validations_for,
)
from experiments.search.earlier import that_stay
from experiments.search.front import measure_front, standing
from experiments.search.keeping import budget_of, keep_scheme, trial_rows
from experiments.search.methods import compare_fisher, compare_solvers
from experiments.search.more import go_on
from experiments.search.wanted import CLASSES, SEEDS, Wanted, digest_of, wanted
from kilograd.frontend.open import load_model
from kilograd.passes import DEFAULT_SHARE
from kilograd.scheme import load_scheme
from kilograd.search.calibration import Budgets, Space
from kilograd.search.scheme_file import Origin
from kilograd.search.search import Analyst
from kilograd.search.trials import Findings, Goal
from kilograd.targets import get_target


def find_schemes(ledger: Ledger, only: str) -> None:
    """The best scheme for every budget, written to its file.

    Those of a network are found together, since all learn from the trials of each: what parts are
    worth does not depend on how samples come.
    """
    groups = groupby(wanted(), lambda one: (one.model, one.method))
    for (model, method), grouped in groups:
        several = list(grouped)
        if not any(only in one.key for one in several):
            continue
        graph = load_model(checkpoint(model), CLASSES)
        spaces = {
            kind: Space(graph, get_target(BOARD), row_input=kind, recompute=DEFAULT_SHARE)
            for kind in {one.streamed for one in several}
        }
        contributions = contributions_of(ledger, model)
        if method == "fisher":
            contributions = from_row(ledger["fisher"][model]["contributions"])
        validations = validations_for(model)
        learning = load_model(checkpoint(model), max(one.classes for one in validations))
        goals = [Goal(spaces[one.streamed], Budgets(budget_of(one)), one.name) for one in several]
        findings = Analyst(method).find(
            goals, contributions, validations, learning=learning, progress=teller(model)
        )
        tasks, tried_on = tasks_for(model), []
        stay: set[str] = set()
        if findings.trials:
            tried_on = [one.dataset.name for one in validations]
            _keep_trials(ledger, model, findings, tried_on)
            earlier = {
                one.key: spaces[one.streamed].choice(str(one.path))
                for one, goal in zip(several, goals, strict=True)
                if _still_fits(ledger, one, goal.budgets)
            }
            found = {
                one.key: its.choice for one, its in zip(several, findings.schemes, strict=True)
            }
            stay = that_stay(ledger, found, earlier, learning, validations)
            write_ledger(LEDGER, ledger)
        for one, its in zip(several, findings.schemes, strict=True):
            if one.key in stay:
                print(f"{one.key}: what was found before is better, and stays", flush=True)
                continue
            kind = "streamed" if one.streamed else "held"
            keep_scheme(ledger, one, its, Origin(model, kind, contributions, tasks, tried_on))


def _still_fits(ledger: Ledger, one: Wanted, budgets: Budgets) -> bool:
    """Whether there is an earlier scheme, and it keeps within a budget of SRAM."""
    row = ledger.get("schemes", {}).get(one.key)
    return row is not None and row["sram_total_bytes"] <= budgets.sram


def _keep_trials(ledger: Ledger, model: str, findings: Findings, tried_on: list[str]) -> None:
    ledger.setdefault("trials", {})[model] = trial_rows(findings.trials)
    ledger.setdefault("judges", {})[model] = tried_on
    ledger.setdefault("in_company", {})[model] = as_row(findings.contributions)


def measure_accuracy(ledger: Ledger, only: str) -> None:
    """Every scheme that was found, on every pack, with every seed."""
    rows = ledger.setdefault("accuracy", {})
    jobs = [job for job in _jobs(ledger) if only in job[0].key and not _is_done(rows, *job)]
    print(f"{len(SEEDS) * len(jobs)} runs to do")
    parallel = Parallel(n_jobs=-1, return_as="generator_unordered", max_nbytes=None)
    for found in parallel(delayed(_run)(one, data) for one, data in jobs):
        rows.update(found)
        write_ledger(LEDGER, ledger)
        for key, row in found.items():
            print(f"{key}: {row['accuracy']:.4f}", flush=True)


def _jobs(ledger: Ledger) -> Iterator[tuple[Wanted, str]]:
    places = standing(ledger)
    for one in wanted():
        # Of a front, only what stands on it.
        if one.key in ledger["schemes"] and (one in places or not one.streamed):
            yield from ((one, data) for data in PACKS)


def _cell(one: Wanted, data: str) -> Cell:
    return Cell(checkpoint(one.model), pack_path(data), str(one.path), "device")


def cell_key(one: Wanted, data: str, seed: int) -> str:
    """Name of a run in the ledger."""
    return f"{one.key} | {data} | seed {seed}"


def _is_done(rows: Ledger, one: Wanted, data: str) -> bool:
    wanted_row = _made_by(one, data)
    return all(
        wanted_row.items() <= rows.get(cell_key(one, data, seed), {}).items() for seed in SEEDS
    )


def _made_by(one: Wanted, data: str) -> Row:
    """What a row follows from beside its seed."""
    scheme = load_scheme(str(one.path), load_model(checkpoint(one.model), CLASSES))
    return {"scheme": digest_of(scheme.biases, scheme.weights), "recipe": recipe(_cell(one, data))}


def _run(one: Wanted, data: str) -> dict[str, Row]:
    made_by = _made_by(one, data)
    rows = run_cell(_cell(one, data), SEEDS)
    return {
        cell_key(one, data, seed): {**row, **made_by} for seed, row in zip(SEEDS, rows, strict=True)
    }


PARTS: dict[str, Part] = {
    "contributions": measure_contributions,
    "fisher": compare_fisher,
    "schemes": find_schemes,
    "more": go_on,
    "front": measure_front,
    "accuracy": measure_accuracy,
    "solvers": compare_solvers,
}


if __name__ == "__main__":
    run_parts(__doc__, LEDGER, PARTS)
