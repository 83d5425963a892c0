"""Tables of single-pass training, from experiments/online/results.json."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from experiments.common.ledgers import Ledger, Row
from experiments.common.markdown import spread, table

_DRIFTS = ("brightness:80", "noise:40")
_NEW_CLASS, _REPEATED = "new class", "new class, 4 steps a sample"


def cells_of(ledger: Ledger, scenarios: Iterable[str]) -> dict[tuple[str, str, str], list[Row]]:
    """(pack, scheme, scenario) -> a row a seed."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for key, row in sorted(ledger["runs"].items()):
        data, scheme, scenario, _ = key.split(" | ")
        if scenario in scenarios:
            found.setdefault((data, scheme, scenario), []).append(row)
    return found


def _column(rows: list[Row], name: str) -> str:
    return spread([100 * row[name] for row in rows])


def _plain_end(ledger: Ledger, data: str, scheme: str) -> str:
    return _column(cells_of(ledger, ["plain"])[data, scheme, "plain"], "end")


def _largest_fall(rows: list[Row]) -> str:
    """Points that the first class that lost most lost from the change to the end."""
    pairs = [(np.array(row["classes_before"]), np.array(row["classes_end"])) for row in rows]
    return spread([100 * float((before - end).max()) for before, end in pairs])


def plain(ledger: Ledger) -> str:
    """Every sample once, nothing changes."""
    body = [
        [data, scheme, f"{rows[0]['samples']:,}", _column(rows, "start"), _column(rows, "end")]
        for (data, scheme, _), rows in cells_of(ledger, ["plain"]).items()
    ]
    return table(["pack", "scheme", "samples", "before the first", "after the last"], body)


def new_class(ledger: Ledger) -> str:
    """All classes, the new one, and the others."""
    body = [
        [
            data,
            scheme,
            *(_column(rows, name) for name in ("right_after", "end", "not_learned", "new_class")),
            f"{_column(rows, 'before')} → {_column(rows, 'unchanged')}",
            _largest_fall(rows),
            _plain_end(ledger, data, scheme),
        ]
        for (data, scheme, _), rows in cells_of(ledger, [_NEW_CLASS]).items()
    ]
    header = ["pack", "scheme", "right after", "at the end", "had it not learned", "new class, end"]
    header += ["first classes, before → end", "class that fell most, points"]
    header.append("all at the end, had none come late")
    return table(header, body)


def drift(ledger: Ledger) -> str:
    """Drifted samples, and undrifted ones at the end."""
    body = [
        [
            data,
            scheme,
            scenario,
            *(_column(rows, name) for name in ("before", "not_learned", "end", "unchanged")),
            _plain_end(ledger, data, scheme),
        ]
        for (data, scheme, scenario), rows in cells_of(ledger, _DRIFTS).items()
    ]
    header = ["pack", "scheme", "drift", "before", "right after, or had it not learned"]
    header += ["at the end", "undrifted samples, at the end", "had nothing drifted"]
    return table(header, body)


def repeats(ledger: Ledger) -> str:
    """One and four steps on each sample, with a new class."""
    body: list[list[str]] = []
    for (data, scheme, scenario), rows in cells_of(ledger, [_NEW_CLASS, _REPEATED]).items():
        if (data, scheme, _REPEATED) in cells_of(ledger, [_REPEATED]):
            steps = "1" if scenario == _NEW_CLASS else "4"
            figures = [_column(rows, name) for name in ("end", "new_class", "unchanged")]
            body.append([data, scheme, steps, *figures])
    return table(
        ["pack", "scheme", "steps a sample", "all classes", "new class", "first classes"], body
    )


TABLES = {
    "stream_plain": plain,
    "stream_new_class": new_class,
    "stream_drift": drift,
    "stream_repeats": repeats,
}
