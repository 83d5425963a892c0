"""What a change in a stream did: rows for the terminal and the page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kilograd.report.svg import escape, percent
from kilograd.training.online import first_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.training.loop import Evaluation
    from kilograd.training.online import OnlineResult

#: Columns of the table, after the name of the samples.
COLUMNS = ("before the change", "right after it", "at the end", "had it not learned")

_NOTHING = "–"


@dataclass(frozen=True)
class ChangeRow:
    """Accuracy on some of the test samples, in [0, 1]; None where there are none.

    Attributes:
        name: of the samples.
        before: right before the change.
        after: right after it, before anything was learned from it.
        end: after the last step.
        not_learned: at the end, had the device stayed as it was before the change.
        is_class: whether the samples are those of one class.
        is_new: whether that class is the new one.
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
        """The figures by name, in the order of `COLUMNS`."""
        return {
            "before": self.before,
            "right_after": self.after,
            "end": self.end,
            "not_learned": self.not_learned,
        }

    @property
    def texts(self) -> list[str]:
        """As `COLUMNS`."""
        return [_NOTHING if share is None else percent(share) for share in self.shares.values()]


def change_rows(result: OnlineResult, class_names: Sequence[str]) -> list[ChangeRow]:
    """All test samples, those that the change left alone, and each class.

    Args:
        result: of a stream; no rows where nothing changed.
        class_names: by label.
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


def change_table(result: OnlineResult, class_names: Sequence[str]) -> str:
    """The rows as an HTML table."""
    head = "".join(f'<th class="n">{escape(text)}</th>' for text in COLUMNS)
    body = "".join(
        f"<tr><th>{escape(row.name)}</th>"
        + "".join(f'<td class="n">{text}</td>' for text in row.texts)
        + "</tr>"
        for row in change_rows(result, class_names)
    )
    return (
        f'<table class="data"><thead><tr><th>test samples</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _row(name: str, shares: Sequence[float | None]) -> ChangeRow:
    before, after, end, not_learned = shares
    return ChangeRow(name, before, after, end, not_learned)


def _accuracy(evaluation: Evaluation) -> float | None:
    return evaluation.accuracy if evaluation.count else None
