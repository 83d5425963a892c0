"""Schemes and trials in the ledger, and schemes in their files."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.common.ledgers import Ledger, Row, write_ledger
from experiments.common.paths import checkpoint
from experiments.common.programs import BOARD, compiled, measure_anywhere
from experiments.search import LEDGER
from experiments.search.wanted import CLASSES, Wanted, digest_of
from kilograd.files import write_atomically
from kilograd.search.calibration import Found
from kilograd.search.regression import Trial
from kilograd.search.scheme_file import Origin, scheme_text


def trial_rows(trials: Sequence[Trial]) -> list[Row]:
    """Trials as the ledger has them."""
    return [
        {
            "round": one.round,
            "reached": round(one.reached, 6),
            "biases": list(one.choice.biases),
            "weights": dict(one.choice.weights),
        }
        for one in trials
    ]


def keep_scheme(ledger: Ledger, one: Wanted, found: Found, origin: Origin) -> None:
    """Write a scheme to its file, and what it takes to the ledger."""
    one.path.parent.mkdir(parents=True, exist_ok=True)
    text = scheme_text(found, origin)
    write_atomically(one.path, text.encode())
    ledger.setdefault("schemes", {})[one.key] = {
        "budget": found.budgets.sram,
        "gain": found.solution.gain,
        "bound": found.solution.bound,
        "rounds": found.rounds,
        "sram_total_bytes": found.measurement.sram_total_bytes,
        "instructions_train_step": found.measurement.instructions_train_step,
        "flash_bytes": found.measurement.flash_bytes,
        "digest": digest_of(found.scheme.biases, found.scheme.weights),
        "biases": len(found.choice.biases),
        "weights": ", ".join(f"{share:g} {layer}" for layer, share in found.choice.weights.items()),
    }
    write_ledger(LEDGER, ledger)
    taken = found.measurement.sram_total_bytes
    print(f"{one.key}: {taken:,} of {found.budgets.sram:,} B", flush=True)


def budget_of(one: Wanted) -> int:
    """Of SRAM, in bytes."""
    if one.sram is not None:
        return one.sram
    published = compiled(checkpoint(one.model), f"{one.model}/{one.like}", CLASSES, target=BOARD)
    return measure_anywhere(published)[0].sram_total_bytes
