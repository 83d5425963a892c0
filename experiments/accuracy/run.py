"""Measures what each update learns, in the device's integers and in float32.

    python -m experiments.accuracy.run --model M --data D --scheme S --arithmetic device --seed N
    python -m experiments.accuracy.run [--only TEXT]

The first runs one cell and prints it, with ``--json`` as one object. The second fills
experiments/accuracy/results.json, in about four hours on two cores; it skips the cells that are
there, so it can be stopped at any time. Cells of device integers are deterministic; float32 cells
need torch (``pip install 'kilograd[baselines]'``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from joblib import Parallel, delayed

from experiments.accuracy import LEDGER
from experiments.common.cells import ARITHMETICS, PROBE, Cell, class_count, recipe, run_cell, sram
from experiments.common.ledgers import Ledger, Row, read_ledger, write_ledger
from experiments.common.packs import PACKS, pack_path
from experiments.common.paths import BACKBONES, checkpoint
from kilograd.errors import KilogradError
from kilograd.training.loop import DEFAULT_RATE
from kilograd.training.rate import DEFAULT_HEAD_RATE

#: Each backbone's scheme that the comparisons are made with, and its other published ones.
MAIN = {
    "mcunet-5fps": "mcunet-5fps/99kb",
    "mbv2-w0.35": "mbv2-w0.35/99kb",
    "proxyless-w0.3": "proxyless-w0.3/98kb",
}
OTHERS = {
    "mcunet-5fps": ("mcunet-5fps/49kb", "mcunet-5fps/148kb"),
    "mbv2-w0.35": ("mbv2-w0.35/49kb", "mbv2-w0.35/138kb"),
    "proxyless-w0.3": ("proxyless-w0.3/49kb", "proxyless-w0.3/148kb"),
}
#: For MCUNet. last:2 is the smallest last:K that takes at least the SRAM of 99kb (the next smaller
#: one is the head alone); bias:42 is every bias, and takes less.
MATCHED = ("last:2", "bias:42")
#: Multiples of the default rates that the tuned rates are looked for among, for MCUNet.
RATE_FACTORS = (1 / 3, 0.5, 2.0, 3.0)
#: The same where everything is trained, for which the default is too high.
FULL_FACTORS = (0.1, 1 / 3)
_RATED = ((MAIN["mcunet-5fps"], DEFAULT_RATE), ("head", DEFAULT_HEAD_RATE))
SEEDS = (0, 1, 2)


def cells() -> Iterator[tuple[Cell, tuple[int, ...]]]:
    """The whole table, what matters most first."""
    mcunet, *rest = BACKBONES
    one = SEEDS[:1]
    for data in PACKS:
        for scheme in (MAIN[mcunet], "head"):
            yield _cell(mcunet, data, scheme), SEEDS
            yield _cell(mcunet, data, scheme, "float32"), SEEDS
    for data, scheme in product(PACKS, MATCHED):
        yield _cell(mcunet, data, scheme), SEEDS
    for data, (scheme, default), factor in product(PACKS, _RATED, RATE_FACTORS):
        yield _cell(mcunet, data, scheme, rate=default * factor), one
    for data, model in product(PACKS, rest):
        yield _cell(model, data, MAIN[model]), SEEDS
        yield _cell(model, data, "head"), one
        yield _cell(model, data, MAIN[model], "float32"), one
        yield _cell(model, data, "head", "float32"), one
    for data, model in product(PACKS, BACKBONES):
        for scheme in OTHERS[model]:
            yield _cell(model, data, scheme), SEEDS
    for seed, data in product(SEEDS, PACKS):
        yield _cell(mcunet, data, "full"), (seed,)
    for data, factor in product(PACKS, FULL_FACTORS):
        yield _cell(mcunet, data, "full", rate=DEFAULT_RATE * factor), one
    yield from ((_cell(mcunet, data, "head", PROBE), one) for data in PACKS)


def _cell(
    model: str, data: str, scheme: str, arithmetic: str = "device", rate: float | None = None
) -> Cell:
    return Cell(checkpoint(model), pack_path(data), scheme, arithmetic, rate)


def read() -> Ledger:
    """The ledger so far."""
    return {"cells": {}, "sram": {}, **read_ledger(LEDGER)}


def fill(only: str) -> None:
    """Run what is missing, as many cells at a time as there are cores."""
    ledger = read()

    def is_done(key: str, cell: Cell) -> bool:
        return ledger["cells"].get(key, {}).get("recipe") == recipe(cell)

    wanted = [
        (cell, missing)
        for cell, seeds in cells()
        if only in cell.key(0)
        and (missing := tuple(s for s in seeds if not is_done(cell.key(s), cell)))
    ]
    print(f"{sum(len(seeds) for _, seeds in wanted)} runs to do")
    jobs = (delayed(_keyed)(cell, seeds) for cell, seeds in wanted)
    for rows in Parallel(n_jobs=-1, return_as="generator_unordered", max_nbytes=None)(jobs):
        ledger["cells"].update(rows)
        write_ledger(LEDGER, ledger)
        for key, row in rows.items():
            print(f"{key}: {row['accuracy']:.4f}", flush=True)
    _measure_sram(ledger, only)


def _keyed(cell: Cell, seeds: tuple[int, ...]) -> dict[str, Row]:
    rows = run_cell(cell, seeds)
    return {
        cell.key(seed): {**row, "recipe": recipe(cell)}
        for seed, row in zip(seeds, rows, strict=True)
    }


def _measure_sram(ledger: Ledger, only: str) -> None:
    """SRAM for every scheme and number of classes of the table, measured anew."""
    wanted = {
        f"{Path(cell.model).stem} | {cell.data.stem} | {cell.scheme}": cell
        for cell, _ in cells()
        if only in cell.key(0)
    }
    counts = {cell.data: class_count(cell.data, cell.model) for cell in wanted.values()}
    figures = Parallel(n_jobs=-1)(
        delayed(sram)(cell.model, cell.scheme, counts[cell.data]) for cell in wanted.values()
    )
    ledger["sram"].update(zip(wanted, figures, strict=True))
    write_ledger(LEDGER, ledger)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", help="checkpoint or name of a backbone")
    parser.add_argument("--data", type=Path, help=".npz pack")
    parser.add_argument("--scheme", default="head")
    parser.add_argument("--arithmetic", default="device", choices=ARITHMETICS)
    parser.add_argument("--rate", type=float, help="learning rate, default the arithmetic's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", default="", help="fill only cells with this in their name")
    arguments = parser.parse_args()
    if (arguments.model is None) != (arguments.data is None):
        parser.error("--model and --data go together")
    return arguments


def main() -> None:
    """Run one cell, or fill the table."""
    a = _arguments()
    if a.model is None:
        fill(a.only)
        return
    cell = Cell(a.model, a.data, a.scheme, a.arithmetic, a.rate)
    (row,) = run_cell(cell, (a.seed,))
    figures = sram(cell.model, cell.scheme, class_count(cell.data, cell.model))
    row = {**row, **figures}
    print(json.dumps(row) if a.json else f"{cell.key(a.seed)}: {row['accuracy']:.1%}, {figures}")


if __name__ == "__main__":
    try:
        main()
    except KilogradError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
