"""Writes the tables and pictures of README.md and docs/ from the ledgers of all experiments.

python -m experiments.tables          rewrites them
python -m experiments.tables --check  writes nothing; exits 1 and says what is wrong where a
page is not what its ledger says, or a ledger cannot be
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from experiments import (
    ablation,
    accuracy,
    anomalies,
    exponents,
    features,
    few,
    foundation,
    importing,
    memory,
    online,
    optimizers,
    personalization,
    pytorch,
    qas,
    replay,
    search,
    slices,
    speed,
)
from experiments.ablation import tables as ablation_tables
from experiments.accuracy import check as accuracy_check
from experiments.accuracy import tables as accuracy_tables
from experiments.anomalies import tables as anomalies_tables
from experiments.commands import MARK, commands_table, made_by
from experiments.common.charts import Chart, figures, figures_in, svg
from experiments.common.ledgers import Ledger, ledger_text, read_ledger
from experiments.common.paths import DOCS, ROOT
from experiments.exponents import tables as exponents_tables
from experiments.features import tables as features_tables
from experiments.few import tables as few_tables
from experiments.foundation import tables as foundation_tables
from experiments.importing import check as importing_check
from experiments.importing import tables as importing_tables
from experiments.memory import check as memory_check
from experiments.memory import figure as memory_figure
from experiments.memory import tables as memory_tables
from experiments.online import check as online_check
from experiments.online import figure as online_figure
from experiments.online import tables as online_tables
from experiments.optimizers import tables as optimizers_tables
from experiments.packs import tables as pack_tables
from experiments.personalization import check as personalization_check
from experiments.personalization import figure as personalization_figure
from experiments.personalization import tables as personalization_tables
from experiments.pytorch import check as pytorch_check
from experiments.pytorch import tables as pytorch_tables
from experiments.qas import figure as qas_figure
from experiments.qas import tables as qas_tables
from experiments.replay import check as replay_check
from experiments.replay import tables as replay_tables
from experiments.search import check as search_check
from experiments.search import figure as search_figure
from experiments.search import tables as search_tables
from experiments.slices import tables as slices_tables
from experiments.speed import tables as speed_tables

Make = Callable[[Ledger], str]
Check = Callable[[Ledger], Iterator[str]]

_DOCS = (
    "measurements",
    "memory",
    "accuracy",
    "personalization",
    "features",
    "integration",
    "stream",
    "tflite-files",
    "onnx-files",
    "sample-memory",
    "few-samples",
    "anomalies",
    "search",
    "reproducing",
)
#: Its tables do not name their commands: it links the page that does.
_README = ROOT / "README.md"
PAGES = (_README, *(DOCS / f"{page}.md" for page in _DOCS))

#: Ledger -> the tables that are made from it, by the names that pages call them.
_TABLES: Mapping[Path, Mapping[str, Make]] = {
    ablation.LEDGER: ablation_tables.TABLES,
    accuracy.LEDGER: accuracy_tables.TABLES,
    anomalies.LEDGER: anomalies_tables.TABLES,
    exponents.LEDGER: exponents_tables.TABLES,
    features.LEDGER: features_tables.TABLES,
    few.LEDGER: few_tables.TABLES,
    foundation.LEDGER: foundation_tables.TABLES,
    importing.LEDGER: importing_tables.TABLES,
    memory.LEDGER: memory_tables.TABLES,
    memory.ORDER_LEDGER: memory_tables.ORDER_TABLES,
    online.LEDGER: online_tables.TABLES,
    optimizers.LEDGER: optimizers_tables.TABLES,
    personalization.LEDGER: personalization_tables.TABLES,
    pytorch.LEDGER: pytorch_tables.TABLES,
    qas.LEDGER: qas_tables.TABLES,
    replay.LEDGER: replay_tables.TABLES,
    search.LEDGER: search_tables.TABLES,
    slices.LEDGER: slices_tables.TABLES,
    speed.LEDGER: speed_tables.TABLES,
}
#: Name -> the ledger that a table is made from, and how.
TABLES = {
    name: (ledger, make) for ledger, tables in _TABLES.items() for name, make in tables.items()
}
CHARTS: tuple[Chart, ...] = (
    memory_figure.CHART,
    online_figure.CHART,
    personalization_figure.CHART,
    qas_figure.CHART,
    *search_figure.CHARTS,
)
#: Tables that are not made from a ledger.
_OTHER_TABLES: Mapping[str, Callable[[], str]] = {
    **pack_tables.TABLES,
    "commands": lambda: commands_table(
        {n: ledger for n, (ledger, _) in TABLES.items()}, CHARTS, PAGES
    ),
}
#: Ledger -> what is wrong with it.
CHECKS: Mapping[Path, Check] = {
    accuracy.LEDGER: accuracy_check.complaints,
    importing.LEDGER: importing_check.complaints,
    memory.LEDGER: memory_check.complaints,
    online.LEDGER: online_check.complaints,
    personalization.LEDGER: personalization_check.complaints,
    pytorch.LEDGER: pytorch_check.complaints,
    replay.LEDGER: replay_check.complaints,
    search.LEDGER: search_check.complaints,
}

Ledgers = Mapping[Path, Ledger]


def read_ledgers() -> dict[Path, Ledger]:
    """Every ledger that a table is made from."""
    return {path: read_ledger(path) for path in _TABLES}


def render(text: str, ledgers: Ledgers, *, names_commands: bool = True) -> str:
    """The page with every marked table filled in.

    Args:
        text: of the page.
        ledgers: by path.
        names_commands: whether a line below each table says which command makes its ledger.
    """

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name in _OTHER_TABLES:
            contents = _OTHER_TABLES[name]()
        elif name in TABLES:
            ledger, make = TABLES[name]
            contents = make(ledgers[ledger])
            if names_commands:
                contents += f"\n\n{made_by(ledger)}"
        else:
            sys.exit(f"there is no table {name!r}; known: {', '.join((*TABLES, *_OTHER_TABLES))}")
        return f"<!-- table: {name} -->\n{contents}\n<!-- end -->"

    return re.sub(rf"{MARK.pattern}\n.*?<!-- end -->", fill, text, flags=re.DOTALL)


def _rendered(page: Path, ledgers: Ledgers) -> str:
    text = page.read_text(encoding="utf-8")
    return render(text, ledgers, names_commands=page != _README)


def complaints(ledgers: Ledgers) -> Iterator[str]:
    """What is wrong with pages, pictures and ledgers."""
    for path, ledger in ledgers.items():
        name = path.relative_to(ROOT)
        if path != ablation.LEDGER and path.read_text(encoding="utf-8") != ledger_text(ledger):
            yield f"{name}: is not as it was written"
        check = CHECKS.get(path)
        yield from (f"{name}: {text}" for text in (check(ledger) if check else ()))
    for page in PAGES:
        if page.read_text(encoding="utf-8") != _rendered(page, ledgers):
            yield f"{page.relative_to(ROOT)}: stale"
    for chart in CHARTS:
        drawn = figures_in(chart.path.read_text(encoding="utf-8"))
        if drawn != figures(chart, ledgers[chart.ledger]):
            yield f"{chart.path.relative_to(ROOT)}: stale"


def rewrite(ledgers: Ledgers) -> None:
    """Write the pages and pictures that are not what their ledgers say."""
    wanted = {page: _rendered(page, ledgers) for page in PAGES}
    wanted |= {chart.path: svg(chart, ledgers[chart.ledger]) for chart in CHARTS}
    for path, new in wanted.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != new:
            path.write_text(new, encoding="utf-8", newline="\n")
            print(f"{path.relative_to(ROOT)}: rewritten")


def main(arguments: list[str]) -> int:
    """Rewrite or check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing, say what is wrong")
    options = parser.parse_args(arguments)
    ledgers = read_ledgers()
    if not options.check:
        rewrite(ledgers)
        return 0
    found = list(complaints(ledgers))
    print("\n".join(found) if found else "pages, pictures and ledgers agree")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
