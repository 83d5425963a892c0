"""Tables of what each update learns, from experiments/accuracy/results.json."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from experiments.common.cells import PROBE
from experiments.common.ledgers import Ledger
from experiments.common.markdown import NOTHING, spread, table

#: Schemes in the order of the table, for each backbone.
_MCUNET = ("head", "bias:42", "last:2", "49kb", "99kb", "148kb", "full")
_OTHERS = {"mbv2-w0.35": ("49kb", "99kb", "138kb"), "proxyless-w0.3": ("49kb", "98kb", "148kb")}
_MAIN = {"mcunet-5fps": "99kb", "mbv2-w0.35": "99kb", "proxyless-w0.3": "98kb"}
_RESAMPLES = 10_000


class _Runs:
    """The ledger's rows, by what was run."""

    def __init__(self, ledger: Ledger) -> None:
        self._rows: dict[tuple[str, ...], list[float]] = {}
        self._rates: dict[tuple[str, ...], dict[float, list[float]]] = {}
        for key, row in sorted(ledger["cells"].items()):
            model, data, scheme, arithmetic, _ = key.split(" | ")
            scheme = scheme.split("/")[-1]
            arithmetic, is_tuned, _ = arithmetic.partition(" rate ")
            cell = (model, data, scheme, arithmetic)
            rates = self._rates.setdefault(cell, {})
            rates.setdefault(round(row.get("rate", 0.0), 9), []).append(100 * row["accuracy"])
            if not is_tuned:
                self._rows.setdefault(cell, []).append(100 * row["accuracy"])

    @property
    def packs(self) -> list[str]:
        """Packs that anything was run on."""
        return sorted({cell[1] for cell in self._rows})

    def seeds(self, model: str, data: str, scheme: str, arithmetic: str = "device") -> list[float]:
        """Accuracy in percent of each seed, at the default rate."""
        return self._rows.get((model, data, scheme, arithmetic), [])

    def mean(self, *cell: str) -> float | None:
        """Over the seeds; None where nothing was run."""
        seeds = self.seeds(*cell)
        return float(np.mean(seeds)) if seeds else None

    def shown(self, *cell: str) -> str:
        """Mean and, of several seeds, half the distance between the best and the worst."""
        return spread(self.seeds(*cell))

    def rates(self, *cell: str) -> dict[float, float]:
        """Rate -> accuracy of its first seed."""
        return {rate: seeds[0] for rate, seeds in self._rates.get(cell, {}).items()}


def mcunet(ledger: Ledger) -> str:
    """Every update on every pack, device integers, and float32 beside."""
    runs = _Runs(ledger)
    model = "mcunet-5fps"
    others = [("head", "float32"), ("99kb", "float32")]
    columns = [("head", PROBE), *((scheme, "device") for scheme in _MCUNET), *others]
    header = ["pack", "probe", *_MCUNET, "float32 head", "float32 99kb"]
    rows = [
        [data, *(runs.shown(model, data, scheme, how) for scheme, how in columns)]
        for data in runs.packs
    ]
    means = [_mean_over(runs, model, column) for column in columns]
    sram = [_sram(ledger, model, scheme) for scheme in _MCUNET]
    rows += [["**mean**", *means], ["SRAM, 10 classes (B)", NOTHING, *sram, NOTHING, NOTHING]]
    return table(header, rows)


def _mean_over(runs: _Runs, model: str, column: tuple[str, str]) -> str:
    means = [runs.mean(model, data, *column) for data in runs.packs]
    known = [mean for mean in means if mean is not None]
    if not known:
        return NOTHING
    is_whole = len(known) == len(runs.packs)
    return f"**{np.mean(known):.1f}**" if is_whole else f"({np.mean(known):.1f} of {len(known)})"


def _sram(ledger: Ledger, model: str, scheme: str) -> str:
    full = scheme if ":" in scheme or scheme in ("head", "full") else f"{model}/{scheme}"
    row = ledger["sram"].get(f"{model} | cifar10_jpeg32 | {full}")
    return f"{row['sram_total_bytes']:,}" if row else NOTHING


def others(ledger: Ledger) -> str:
    """MbV2 and Proxyless: head and the published schemes, and float32."""
    runs = _Runs(ledger)
    header, columns = ["pack"], list[tuple[str, str, str]]()
    for model, schemes in _OTHERS.items():
        short = model.split("-")[0]
        for scheme in ("head", *schemes):
            header.append(f"{short} {scheme}")
            columns.append((model, scheme, "device"))
        for scheme in ("head", _MAIN[model]):
            header.append(f"{short} float32 {scheme}")
            columns.append((model, scheme, "float32"))
    rows = [
        [data, *(runs.shown(model, data, scheme, how) for model, scheme, how in columns)]
        for data in runs.packs
    ]
    means = [_mean_over(runs, model, (scheme, how)) for model, scheme, how in columns]
    return table(header, [*rows, ["**mean**", *means]])


def comparisons(ledger: Ledger) -> str:
    """Differences over all packs that have both sides, with a bootstrap interval."""
    runs = _Runs(ledger)
    mcunet = "mcunet-5fps"
    pairs = {
        "device integers − float32, MCUNet, head and 99kb": [
            ((mcunet, data, s, "device"), (mcunet, data, s, "float32"))
            for data, s in product(runs.packs, ("head", "99kb"))
        ],
        "device integers − float32, all backbones, head and main scheme": [
            ((model, data, s, "device"), (model, data, s, "float32"))
            for data, (model, main) in product(runs.packs, _MAIN.items())
            for s in ("head", main)
        ],
        f"MCUNet 99kb − last:2 (which takes {_more_sram(ledger, mcunet, 'last:2')} more SRAM)": (
            _against(runs, mcunet, "last:2")
        ),
        "MCUNet 99kb − all biases": _against(runs, mcunet, "bias:42"),
        "MCUNet 99kb − head": _against(runs, mcunet, "head"),
        "MCUNet 99kb − logistic regression on the head's features": [
            ((mcunet, data, "99kb", "device"), (mcunet, data, "head", PROBE)) for data in runs.packs
        ],
        "MCUNet head − logistic regression on its features": [
            ((mcunet, data, "head", "device"), (mcunet, data, "head", PROBE)) for data in runs.packs
        ],
        "MCUNet 99kb − full": _against(runs, mcunet, "full"),
    }
    rows: list[list[str]] = []
    for name, cells in pairs.items():
        sides = [(runs.mean(*a), runs.mean(*b)) for a, b in cells]
        gaps = np.array([a - b for a, b in sides if a is not None and b is not None])
        rows.append([name, *_interval(gaps), str(len(gaps))])
    best = _above_best_full(runs, mcunet)
    name = "MCUNet 99kb − full at the best of three rates for each pack's test samples, seed 0"
    rows.append([name, *_interval(best), str(len(best))])
    return table(["", "points", "95% interval", "cells"], rows)


def _more_sram(ledger: Ledger, model: str, scheme: str) -> str:
    """What a scheme takes over the model's main one, for ten classes."""
    ten = [f"{model} | cifar10_jpeg32 | {s}" for s in (scheme, f"{model}/{_MAIN[model]}")]
    if not set(ten) <= set(ledger["sram"]):
        return NOTHING
    theirs, ours = (ledger["sram"][name]["sram_total_bytes"] for name in ten)
    return f"{(theirs - ours) / 1024:.0f} KB"


def _above_best_full(runs: _Runs, model: str) -> np.ndarray:
    """Points of the main scheme's first seed above the best rate's where everything is trained."""
    gaps = [
        runs.seeds(model, data, _MAIN[model])[0] - max(tried.values())
        for data in runs.packs
        if len(tried := runs.rates(model, data, "full", "device")) > 1
    ]
    return np.array(gaps)


def _against(runs: _Runs, model: str, scheme: str) -> list[tuple[Any, Any]]:
    main = _MAIN[model]
    return [((model, data, main), (model, data, scheme)) for data in runs.packs]


def _interval(gaps: np.ndarray) -> tuple[str, str]:
    if not len(gaps):
        return NOTHING, NOTHING
    draws = np.random.Generator(np.random.PCG64(0)).choice(gaps, (_RESAMPLES, len(gaps)))
    low, high = np.quantile(draws.mean(axis=1), (0.025, 0.975))
    return f"**{gaps.mean():+.2f}**", f"{low:+.2f} … {high:+.2f}"


def rates(ledger: Ledger) -> str:
    """What the default rate costs against the best of the rates tried, seed 0."""
    runs = _Runs(ledger)
    tried = {
        (data, scheme): runs.rates("mcunet-5fps", data, scheme, "device")
        for scheme, data in product(("99kb", "head"), runs.packs)
    }
    rows: list[list[str]] = []
    for scheme in ("99kb", "head"):
        measured = {
            data: tried[data, scheme] for data in runs.packs if len(tried[data, scheme]) > 1
        }
        columns = sorted({rate for row in measured.values() for rate in row})
        if not measured:
            continue
        rows.append([f"**{scheme}, rate**", *(f"{rate:.2g}" for rate in columns), "default − best"])
        default = runs_default(columns)
        gaps: list[float] = []
        for data, row in measured.items():
            gaps.append(row[default] - max(row.values()))
            shown = [f"{row[rate]:.1f}" if rate in row else NOTHING for rate in columns]
            rows.append([data, *shown, f"{gaps[-1]:+.1f}"])
        rows.append(["mean", *[""] * len(columns), f"**{np.mean(gaps):+.2f}**"])
    return table(["", *[""] * (max(map(len, rows), default=2) - 1)], rows)


def runs_default(columns: list[float]) -> float:
    """The middle one: the default rate, of which the others are multiples and parts."""
    return columns[len(columns) // 2]


TABLES = {
    "accuracy": mcunet,
    "accuracy_others": others,
    "comparisons": comparisons,
    "rates": rates,
}
