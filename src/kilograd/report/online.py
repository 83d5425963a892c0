"""Tell what a change in a stream did, in rows for the terminal and the page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kilograd.report.units import percent
from kilograd.training.online import first_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.training.answers import Evaluation
    from kilograd.training.online import OnlineResult

#: Headings of the accuracies in each row.
COLUMNS = ("before the change", "right after it", "at the end", "without learning")

_NOTHING = "–"


@dataclass(frozen=True)
class ChangeRow:
    """Accuracy on some of the test samples, in [0, 1]; None where there are none.

    Attributes:
        name: Name of the samples.
        before: Accuracy right before the change.
        after: Accuracy right after it, before anything is learned from it.
        end: Accuracy after the last step.
        not_learned: Accuracy at the end of a device that stopped learning at the change.
        is_class: True if the samples are those of one class.
        is_new: True if that class is the new one.
    """

    name: str
    before: float | None
    after: float | None
    end: float | None
    not_learned: float | None
    is_class: bool = False
    is_new: bool = False

    @property
    def shares(self) -> dict[str, float | None]:
        """The accuracies by name, in the order of `COLUMNS`."""
        return {
            "before": self.before,
            "right_after": self.after,
            "end": self.end,
            "not_learned": self.not_learned,
        }

    @property
    def texts(self) -> list[str]:
        """The accuracies as texts, in the order of `COLUMNS`."""
        return [_NOTHING if share is None else percent(share) for share in self.shares.values()]


def change_rows(result: OnlineResult, class_names: Sequence[str]) -> list[ChangeRow]:
    """Return rows for all test samples, for those that the change left alone, for each class.

    Args:
        result: Result of a stream; there are no rows if nothing changed in it.
        class_names: Names by label.
    """
    change = result.change
    if change is None:
        return []
    now = (change.before, change.after, result.after, change.not_learned)
    rows = [_row("all", [_accuracy(evaluation) for evaluation in now])]
    before, end = _accuracy(change.before), _accuracy(change.unchanged)
    if change.drift is None:
        after = _accuracy(first_rows(change.after, change.first_classes))
        rows.append(ChangeRow("first classes", before, after, end, before))
    else:
        rows.append(ChangeRow("undrifted", before, before, end, before))
    for label, name in enumerate(class_names):
        recalls = [evaluation.recall[label] for evaluation in now]
        is_new = name == change.new_class
        rows.append(
            replace(
                _row(f"{name} (new)" if is_new else name, recalls), is_class=True, is_new=is_new
            )
        )
    return rows


def _row(name: str, shares: Sequence[float | None]) -> ChangeRow:
    before, after, end, not_learned = shares
    return ChangeRow(name, before, after, end, not_learned)


def _accuracy(evaluation: Evaluation) -> float | None:
    return evaluation.accuracy if evaluation.count else None
