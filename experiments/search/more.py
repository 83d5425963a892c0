"""More trials for few budgets: those of all of a network's together may leave much open."""

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

#: Keys of schemes, those that share trials together: of the smallest budgets, that where the table
#: of test samples had gained least; the largest budgets of the network with a scheme that missed
#: what it was to reach.
GONE_ON = (
    ("mbv2-w0.35 | as-49kb",),
    ("mcunet-5fps | as-148kb", "mcunet-5fps | below-148kb"),
)


def go_on(ledger: Ledger, only: str) -> None:
    """As many trials again, which know of the first ones; then the better of two schemes."""
    by_key = {one.key: one for one in wanted()}
    for keys in GONE_ON:
        if any(only in key for key in keys):
            _go_on(ledger, [by_key[key] for key in keys])


def _go_on(ledger: Ledger, together: Sequence[Wanted]) -> None:
    model = together[0].model
    validations, contributions = validations_for(model), contributions_of(ledger, model)
    learning = load_model(checkpoint(model), max(each.classes for each in validations))
    first = _trials(ledger["trials"][model])
    spaces = {streamed: _space(model, streamed) for streamed in {one.streamed for one in together}}
    goals = [Goal(spaces[one.streamed], Budgets(budget_of(one)), one.name) for one in together]
    findings = Analyst().find(
        goals,
        contributions,
        validations,
        learning=learning,
        progress=teller(model),
        earlier=first,
    )
    ledger.setdefault("more_trials", {})[" and ".join(one.key for one in together)] = trial_rows(
        findings.trials[len(first) :]
    )
    found = dict(zip([one.key for one in together], findings.schemes, strict=True))
    stay = that_stay(
        ledger,
        {key: each.choice for key, each in found.items()},
        {
            one.key: goal.space.choice(str(one.path))
            for one, goal in zip(together, goals, strict=True)
        },
        learning,
        validations,
        first=1 + max(trial.round for trial in findings.trials),
    )
    tried_on = [each.dataset.name for each in validations]
    for one in together:
        if one.key not in stay:
            kind = "streamed" if one.streamed else "held"
            origin = Origin(model, kind, contributions, tasks_for(model), tried_on)
            keep_scheme(ledger, one, found[one.key], origin)
    write_ledger(LEDGER, ledger)


def _space(model: str, streamed: bool) -> Space:  # noqa: FBT001 - as it is kept, by its samples
    return Space(
        load_model(checkpoint(model), CLASSES),
        get_target(BOARD),
        row_input=streamed,
        recompute=DEFAULT_SHARE,
    )


def _trials(rows: Sequence[Row]) -> list[Trial]:
    return [
        Trial(Choice(tuple(row["biases"]), dict(row["weights"])), row["round"], row["reached"])
        for row in rows
    ]
