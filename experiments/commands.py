"""Which command makes which ledger, and which pages show it: from docstrings and pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from experiments.common.charts import Chart
from experiments.common.markdown import NOTHING, table
from experiments.common.paths import DOCS, ROOT

MARK = re.compile(r"<!-- table: (\w+) -->")
_EXPERIMENTS = ROOT / "experiments"


@dataclass(frozen=True)
class Command:
    """A module that measures.

    Attributes:
        module: as after ``python -m``.
        says: what it does, in the first line of its docstring.
        usages: its command lines, as its docstring gives them.
        writes: JSON files that its docstring names, or the ledger of its topic.
    """

    module: str
    says: str
    usages: tuple[str, ...]
    writes: tuple[Path, ...]


@cache
def commands() -> tuple[Command, ...]:
    """Every module of a topic whose docstring gives a command line; nothing is imported."""
    return tuple(_commands())


def _commands() -> Iterator[Command]:
    for path in sorted(_EXPERIMENTS.glob("*/*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        joined = re.sub(r"\\\n +", "", text)
        usages = tuple(
            re.findall(rf"^    (python -m {re.escape(module)}\b.*)$", joined, re.MULTILINE)
        )
        if not usages or path.parent.name == "packs":
            continue
        named = sorted(set(re.findall(r"experiments/[\w/]+\.json", text)))
        if not named and path.stem == "run":
            named = [f"experiments/{path.parent.name}/results.json"]
        # A docstring aligns what a usage does behind it.
        plain = tuple(re.split(r" {2,}", usage)[0] for usage in usages)
        writes = tuple(ROOT / name for name in named)
        yield Command(module, text.split("\n", maxsplit=1)[0], plain, writes)


def made_by(ledger: Path) -> str:
    """The line below a table that says what makes its ledger."""
    name = ledger.relative_to(ROOT).as_posix()
    makers = [command.module for command in commands() if ledger in command.writes]
    if not makers:
        return f"Frozen in `{name}`; no command makes it again."
    return f"Made by {' and '.join(f'`python -m {maker}`' for maker in makers)}."


def commands_table(
    ledgers: Mapping[str, Path], charts: Sequence[Chart], pages: Sequence[Path]
) -> str:
    """A row a command: what it measures, the file that it fills, and where that is shown.

    Args:
        ledgers: by table.
        charts: pictures.
        pages: that tables are written into.
    """
    shown: dict[Path, list[Path]] = {}
    for page in pages:
        for name in MARK.findall(page.read_text(encoding="utf-8")):
            if name in ledgers:
                shown.setdefault(ledgers[name], []).append(page)
    for chart in charts:
        shown.setdefault(chart.ledger, []).append(chart.path)
    rows = [
        [
            "<br>".join(f"`{usage}`" for usage in command.usages),
            command.says,
            "<br>".join(f"`{path.relative_to(ROOT).as_posix()}`" for path in command.writes)
            or NOTHING,
            ", ".join(_links(page for path in command.writes for page in shown.get(path, [])))
            or NOTHING,
        ]
        for command in commands()
    ]
    return table(["command", "what it does", "ledger", "shown in"], rows, holds_text=True)


def _links(pages: Iterator[Path]) -> Iterator[str]:
    for page in dict.fromkeys(pages):
        target = page.name if page.parent == DOCS else f"../{page.name}"
        yield f"[{page.stem if page.suffix == '.md' else page.name}]({target})"
