"""More trials for one budget alone: those of a network's budgets together may leave much open."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.common.ledgers import Ledger, Row, write_ledger
from experiments.common.paths import checkpoint
from experiments.common.programs import BOARD
from experiments.search import LEDGER
from experiments.search.contributions import contributions_of, tasks_for, teller, validations_for
from experiments.search.earlier import that_stay
from experiments.search.keeping import budget_of, keep_scheme, trial_rows
from experiments.search.wanted import CLASSES, Wanted, wanted
from kilograd.frontend.open import load_model
from kilograd.passes import DEFAULT_SHARE
from kilograd.search.calibration import Budgets, Space
from kilograd.search.choice import Choice
from kilograd.search.regression import Trial
from kilograd.search.scheme_file import Origin
from kilograd.search.search import Analyst
from kilograd.search.trials import Goal
from kilograd.targets import get_target

#: Of the smallest budgets, that where the table of test samples had gained least.
GONE_ON = ("mbv2-w0.35 | as-49kb",)


def go_on(ledger: Ledger, only: str) -> None:
    """As many trials again, which know of the first ones; then the better of two schemes."""
    for one in wanted():
        if one.key in GONE_ON and only in one.key:
            _go_on(ledger, one)


def _go_on(ledger: Ledger, one: Wanted) -> None:
    target, model = get_target(BOARD), one.model
    space = Space(
        load_model(checkpoint(model), CLASSES),
        target,
        row_input=one.streamed,
        recompute=DEFAULT_SHARE,
    )
    validations, contributions = validations_for(model), contributions_of(ledger, model)
    learning = load_model(checkpoint(model), max(each.classes for each in validations))
    first = _trials(ledger["trials"][model])
    findings = Analyst().find(
        [Goal(space, Budgets(budget_of(one)), one.name)],
        contributions,
        validations,
        learning=learning,
        progress=teller(model),
        earlier=first,
    )
    ledger.setdefault("more_trials", {})[one.key] = trial_rows(findings.trials[len(first) :])
    (found,) = findings.schemes
    behind = 1 + max(trial.round for trial in findings.trials)
    rivals = {one.key: found.choice}, {one.key: space.choice(str(one.path))}
    if not that_stay(ledger, *rivals, learning, validations, first=behind):
        tried_on = [each.dataset.name for each in validations]
        kind = "streamed" if one.streamed else "held"
        keep_scheme(
            ledger, one, found, Origin(model, kind, contributions, tasks_for(model), tried_on)
        )
    write_ledger(LEDGER, ledger)


def _trials(rows: Sequence[Row]) -> list[Trial]:
    return [
        Trial(Choice(tuple(row["biases"]), dict(row["weights"])), row["round"], row["reached"])
        for row in rows
    ]
