"""The table of each choice made differently, from experiments/ablation/results.json.

The ledger is frozen: its runs changed the C and the operators of commit 98aadb7, by
``git show 98aadb7:bench/variants.py``, and are not made again.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from experiments.common.ledgers import Ledger, Row
from experiments.common.markdown import NOTHING, table


def ablation(ledger: Ledger) -> str:
    """Each choice made differently: accuracy, mean over seeds, at the best of its rates."""
    names = list(dict.fromkeys(key.split(" ")[0] for key in ledger["runs"]))
    order = [name for name in ledger["variations"] if name in names]
    packs = sorted({key.split(" ")[1] for key in ledger["runs"]})
    best = {name: _best(ledger["runs"], name, packs) for name in order}
    if "default" not in best:
        return "Not measured yet."
    base = best["default"][1]
    rows: list[list[str]] = []
    for name in order:
        factor, accuracies = best[name]
        what = ledger["variations"][name]
        gap = np.mean([accuracies[p] - base[p] for p in packs if p in accuracies and p in base])
        shown = [f"{accuracies[p]:.1f}" if p in accuracies else NOTHING for p in packs]
        memory = f"{what['state_bytes']:g}" if what["state_bytes"] else ""
        rows.append([what["group"], what["label"], *shown, f"{gap:+.1f}", f"{factor:g}", memory])
    header = ["choice", "made", *packs, "against shipped", "rate, times default"]
    return table([*header, "more SRAM, B a weight"], rows)


def _best(runs: Mapping[str, Row], name: str, packs: list[str]) -> tuple[float, dict[str, float]]:
    """The rate factor with the best mean over the packs, and its accuracy on each."""
    by_factor: dict[float, dict[str, list[float]]] = {}
    for key, row in runs.items():
        variation, data, factor, _ = key.split(" ")
        if variation == name:
            seeds = by_factor.setdefault(float(factor), {}).setdefault(data, [])
            seeds.append(100 * row["accuracy"])
    whole = {f: d for f, d in by_factor.items() if set(d) == set(packs)} or by_factor
    means = {f: {p: float(np.mean(s)) for p, s in d.items()} for f, d in whole.items()}
    factor = max(means, key=lambda f: np.mean(list(means[f].values())))
    return factor, means[factor]


TABLES = {"ablation": ablation}
