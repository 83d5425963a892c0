"""What cannot be wrong in experiments/search/results.json."""

from __future__ import annotations

from collections.abc import Iterator

import tomli

from experiments.common.ledgers import Ledger
from experiments.search.front import standing
from experiments.search.tables import found_accuracy
from experiments.search.wanted import Wanted, digest_of, streamed, wanted

#: Least share of the exact solution that evolutionary search finds, if both are right.
_EVOLVED = 0.99
#: Rounding of sums of gains.
_EPSILON = 1e-6


def complaints(ledger: Ledger) -> Iterator[str]:
    """Schemes are those of their files and within their budgets; solvers and front are in order."""
    schemes = ledger["schemes"]
    known = {one.key: one for one in wanted()}
    for key in schemes.keys() - known.keys():
        yield f"{key}: no such scheme is wanted"
    for key in schemes.keys() & known.keys():
        yield from _scheme(known[key], schemes[key])
    for key, row in ledger["accuracy"].items():
        scheme = schemes.get(key.rsplit(" | ", maxsplit=2)[0])
        if scheme is None or scheme["digest"] != row["scheme"]:
            yield f"{key}: was run with another scheme"
    for model, row in ledger.get("solvers", {}).items():
        best = row["evolution"][-1]
        if best > row["exact"] + _EPSILON or best < _EVOLVED * row["exact"]:
            yield f"{model}: evolution found {best:.4f}, the exact solution is {row['exact']:.4f}"
    yield from _front(ledger)


def _scheme(one: Wanted, found: Ledger) -> Iterator[str]:
    if found["sram_total_bytes"] > found["budget"]:
        yield f"{one.key}: takes more than its budget"
    if found["gain"] > found["bound"] + _EPSILON:
        yield f"{one.key}: gains more than is possible"
    written = tomli.loads(one.path.read_text(encoding="utf-8"))
    if digest_of(written["bias"]["layers"], written["weights"]) != found["digest"]:
        yield f"{one.key}: is not what its file says"


def _front(ledger: Ledger) -> Iterator[str]:
    """It is made of the schemes of the files, and more memory never learns less."""
    for size, row in ledger.get("front", {}).get("schemes", {}).items():
        if row["digest"] != ledger["schemes"][streamed(int(size)).key]["digest"]:
            yield f"front: {size} KB was compared with another scheme"
    before = 0.0
    for one, sizes in standing(ledger).items():
        learned = found_accuracy(ledger, one)
        if learned is not None and learned < before:
            yield f"front: {sizes[0]} KB learns less than the budget below it"
        before = max(before, learned or 0.0)
