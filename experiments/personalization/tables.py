"""Tables of what one person teaches, from experiments/personalization/results.json."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.common.ledgers import Ledger, Row
from experiments.common.markdown import NOTHING, millions, table

#: Task -> what the tables call it.
TASKS: Mapping[str, str] = {
    "speakers": "digits, learned from five others",
    "digits": "digits, a new vocabulary",
    "words": "ten words, pretrained",
    "motion": "motion, pretrained",
    "turned": "motion, sensor turned",
}
SHOTS = (1, 5, 10, 20)
#: What README.md shows of each task.
SHOWN = {
    "speakers": "kilograd-kws/voice",
    "digits": "kilograd-kws/voice",
    "motion": "head",
    "turned": "kilograd-motion/person",
}


def schemes(ledger: Ledger, task: str) -> list[str]:
    """What was trained for a task, the backbone's own scheme last."""
    found = {name.split(" ")[1] for name in ledger["summary"] if name.startswith(f"{task} ")}
    return sorted(found, key=lambda scheme: ("/" in scheme, scheme != "head", scheme))


def rows_of(ledger: Ledger, task: str, scheme: str) -> dict[int, Row]:
    """Samples a class -> summary."""
    found = {shots: ledger["summary"].get(f"{task} {scheme} {shots}") for shots in SHOTS}
    return {shots: row for shots, row in found.items() if row}


def _spread(row: Row, part: str) -> str:
    return f"{100 * row[part]:.1f} ± {100 * row[f'{part}_deviation']:.1f}"


def personalization(ledger: Ledger) -> str:
    """Accuracy before, and after so many samples a class: mean and spread over people."""
    rows: list[list[str]] = []
    for task, title in TASKS.items():
        for scheme in schemes(ledger, task):
            found = rows_of(ledger, task, scheme)
            last = found[max(found)]
            after = [_spread(found[s], "after") if s in found else NOTHING for s in SHOTS]
            lowest = [f"{100 * last[f'{part}_lowest']:.0f}" for part in ("before", "after")]
            people = str(last["people"])
            before = _spread(last, "before")
            rows.append([title, scheme, people, before, *after, " → ".join(lowest)])
    shots = [f"{count} a class" for count in SHOTS]
    return table(["task", "scheme", "people", "before", *shots, "worst person"], rows)


def brief(ledger: Ledger) -> str:
    """One scheme of each task."""
    rows: list[list[str]] = []
    for task, scheme in SHOWN.items():
        found = rows_of(ledger, task, scheme)
        after = [f"{100 * found[s]['after']:.1f}%" if s in found else NOTHING for s in SHOTS[1:]]
        model = next(m for m in ledger["memory"] if m.endswith(f" {scheme}") and _is_of(m, task))
        sram = f"{ledger['memory'][model]['sram_total_bytes']:,}"
        before = f"{100 * found[max(found)]['before']:.1f}%"
        rows.append([TASKS[task], scheme, before, *after, sram])
    shots = [f"{count} a class" for count in SHOTS[1:]]
    return table(["task", "scheme", "before", *shots, "SRAM, all of it (B)"], rows)


def _is_of(memory: str, task: str) -> bool:
    return memory.startswith("kilograd-motion" if task in ("motion", "turned") else "kilograd-kws")


def memory(ledger: Ledger) -> str:
    """SRAM, flash and instructions of each scheme, the features counted in."""
    rows = [
        [
            *name.split(" "),
            f"{row['sram_total_bytes']:,}",
            f"{row['arena']:,}",
            f"{row['trainable']:,}",
            f"{row['stack']:,}",
            f"{row['flash_bytes']:,}",
            millions(row["features"]["instructions"], 2),
            millions(row["instructions_inference"], 2),
            millions(row["instructions_train_step"], 2),
        ]
        for name, row in sorted(ledger["memory"].items(), key=_memory_order)
    ]
    header = ["backbone", "scheme", "SRAM, all of it (B)", "arena", "trainable", "stack"]
    return table([*header, "flash (B)", "features", "inference", "training step"], rows)


def _memory_order(item: tuple[str, Row]) -> tuple[str, int]:
    return item[0].split(" ")[0], item[1]["sram_total_bytes"]


TABLES = {
    "personalization": personalization,
    "personalization_brief": brief,
    "personalization_memory": memory,
}
