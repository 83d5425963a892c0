"""What an earlier search found: it stays unless what a new one found is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.common.ledgers import Ledger
from experiments.search.contributions import teller
from kilograd.ir import Graph
from kilograd.search.choice import Choice
from kilograd.search.cluster import THIS_COMPUTER
from kilograd.search.comparison import compare_in_rounds
from kilograd.search.tasks import CrossValidation
from kilograd.search.trials import ROUNDS


def that_stay(
    ledger: Ledger,
    found: Mapping[str, Choice],
    earlier: Mapping[str, Choice],
    graph: Graph,
    validations: Sequence[CrossValidation],
    *,
    first: int = ROUNDS,
) -> set[str]:
    """Schemes that reach more than the new ones on training samples that are held back.

    Two searches for the same budget find different schemes, since trials are noisy.

    Args:
        ledger: where it is written how far each new scheme leads.
        found: what a new search found for each budget.
        earlier: what was found before, where that still fits.
        graph: with as many classes as the data set with the most.
        validations: what is learned.
        first: number of the first round that no trial had.
    """
    rivals = {key: one for key, one in earlier.items() if one.key != found[key].key}
    if not rivals:
        return set()
    tell = teller(graph.name)
    compared = compare_in_rounds(
        graph,
        [*rivals.values(), *(found[key] for key in rivals)],
        validations,
        first,
        THIS_COMPUTER,
        lambda done, total: tell("runs that compare two searches", done, total),
    )
    leads = {key: compared.lead(found[key], one) for key, one in rivals.items()}
    ledger.setdefault("rivals", {}).update(
        {
            key: {
                "earlier": round(compared.accuracy(rivals[key]), 6),
                "found": round(compared.accuracy(found[key]), 6),
                "lead": round(lead, 6),
                "error": round(error, 6),
            }
            for key, (lead, error) in leads.items()
        }
    )
    return {key for key, (lead, _) in leads.items() if lead <= 0}
