"""Tables of optimizers at their best rates, from experiments/optimizers/results.json."""

from __future__ import annotations

from collections.abc import Callable

from experiments.common.ledgers import Ledger
from experiments.common.markdown import NOTHING, spread, table
from experiments.optimizers.run import DATA, SEEDS, SETTINGS, Run, Setting, best_rate


def accuracies(ledger: Ledger, data: str, scheme: str, setting: Setting) -> list[float]:
    """Percent for each seed that was run."""
    keys = [Run(data, scheme, setting, 0, seed, False).key for seed in SEEDS]
    return [100 * ledger["runs"][key]["accuracy"] for key in keys if key in ledger["runs"]]


def _table(scheme: str) -> Callable[[Ledger], str]:
    def made(ledger: Ledger) -> str:
        body: list[list[str]] = []
        for setting in SETTINGS:
            found = [accuracies(ledger, data, scheme, setting) for data in DATA]
            there = [data for data, one in zip(DATA, found, strict=True) if one]
            rates = [f"{best_rate(ledger, data, scheme, setting):g}" for data in there]
            body.append([str(setting), *map(spread, found), ", ".join(rates) or NOTHING])
        return table(["", *DATA, "rates"], body)

    return made


TABLES = {"optimizers_head": _table("head"), "optimizers_99kb": _table("mcunet-5fps/99kb")}
