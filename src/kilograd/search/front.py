"""A front of schemes: what takes more memory learns more, beyond doubt.

By estimates, every byte gains something. So the schemes that were found for several budgets are
compared by runs of their own, and a larger one stands on the front only where it leads the one
before it by more than two standard errors: as the "1 SE rule" of Breiman et al. ("Classification
and Regression Trees", 1984, section 3.4.3), with the two errors that are usual in a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kilograd.search.calibration import Found
from kilograd.search.choice import Choice
from kilograd.search.comparison import Comparison

#: Standard errors by which a larger scheme must lead.
DOUBTS = 2.0


def choose_front(choices: Sequence[Choice], comparison: Comparison) -> list[int]:
    """For each budget, which of the schemes stands there: its own, or one for less.

    Args:
        choices: the best by estimates, one a budget, in ascending order.
        comparison: of all of them.
    """
    chosen: list[int] = []
    for place in range(len(choices)):
        best = max(range(place + 1), key=lambda i: comparison.reached(choices[i]))
        if chosen:
            lead, error = comparison.lead(choices[best], choices[chosen[-1]])
            if lead <= DOUBTS * error:
                best = chosen[-1]
        chosen.append(best)
    return chosen


def settle_front(found: Sequence[Found], comparison: Comparison) -> list[Found]:
    """For each budget what stands there, as what was found for it.

    Args:
        found: the best by estimates, one a budget in ascending order, all with samples of one kind.
        comparison: of all of them.
    """
    places = choose_front([one.choice for one in found], comparison)
    return [_as(found[place], one) for place, one in zip(places, found, strict=True)]


def _as(chosen: Found, goal: Found) -> Found:
    """A scheme under the name and the budgets of what was found for them."""
    bound = max(chosen.solution.gain, goal.solution.bound)
    return replace(
        chosen,
        scheme=replace(chosen.scheme, name=goal.scheme.name),
        budgets=goal.budgets,
        solution=replace(chosen.solution, bound=bound),
        limits=goal.limits,
    )
