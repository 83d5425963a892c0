"""Which of the schemes that were found for larger and larger budgets stand on MCUNet's front."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter

from experiments.common.ledgers import Ledger, write_ledger
from experiments.common.paths import checkpoint
from experiments.common.programs import BOARD
from experiments.search import LEDGER
from experiments.search.contributions import teller, validations_for
from experiments.search.wanted import FRONT, FRONT_MODEL, Wanted, streamed
from kilograd.frontend.open import load_model
from kilograd.passes import DEFAULT_SHARE
from kilograd.search.calibration import Space
from kilograd.search.cluster import THIS_COMPUTER
from kilograd.search.comparison import compare_in_rounds
from kilograd.search.front import choose_front
from kilograd.search.trials import ROUNDS
from kilograd.targets import get_target


def measure_front(ledger: Ledger, only: str) -> None:
    """Compare what was found for each budget, on held-back training samples, and choose."""
    if only not in FRONT_MODEL:
        return
    validations = validations_for(FRONT_MODEL)
    classes = max(one.classes for one in validations)
    graph = load_model(checkpoint(FRONT_MODEL), classes)
    space = Space(graph, get_target(BOARD), row_input=True, recompute=DEFAULT_SHARE)
    choices = [space.choice(str(streamed(size).path)) for size in FRONT]
    tell = teller(FRONT_MODEL)
    compared = compare_in_rounds(
        graph,
        choices,
        validations,
        ROUNDS,
        THIS_COMPUTER,
        lambda done, total: tell("runs that compare what was found", done, total),
    )
    chosen = choose_front(choices, compared)
    rows: Ledger = {}
    for size, choice, place in zip(FRONT, choices, chosen, strict=True):
        lead, error = compared.lead(choice, choices[0])
        rows[str(size)] = {
            "digest": ledger["schemes"][streamed(size).key]["digest"],
            "accuracy": round(compared.accuracy(choice), 6),
            "reached": round(compared.reached(choice), 6),
            "lead": round(lead, 6),
            "error": round(error, 6) if choice is not choices[0] else 0.0,
            "stands": FRONT[place],
        }
    ledger["front"] = {
        "schemes": rows,
        "runs": len(compared.weights),
        "judges": [one.dataset.name for one in validations],
    }
    write_ledger(LEDGER, ledger)


def standing(ledger: Ledger) -> Mapping[Wanted, list[int]]:
    """Schemes that stand on the front -> for which budgets in KB; nothing was chosen if empty."""
    rows = ledger.get("front", {}).get("schemes", {})
    places = [(rows[str(size)]["stands"], size) for size in FRONT if str(size) in rows]
    return {
        streamed(place): [size for _, size in several]
        for place, several in groupby(places, key=itemgetter(0))
    }
