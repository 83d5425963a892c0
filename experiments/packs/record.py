"""Takes down what packs hold, for those who make them anew: experiments/packs/recorded/.

    python -m experiments.packs.record [NAME …]

Needs the packs in ../shared. It is run when a pack is added or changed, and never to make a
comparison succeed.
"""

from __future__ import annotations

import json
import lzma
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common.ledgers import chosen_parts
from experiments.common.paths import data_file
from experiments.packs.compare import (
    Arrays,
    array_digest,
    listing_digest,
    make_prints,
    rows_of,
)
from experiments.packs.recipes import RECORDED, Recipe, Row, recipes
from kilograd.files import write_atomically
from kilograd.npz import read_npz

MOST_BYTES = 2**30
#: Arrays that have one entry a sample.
_PER_SAMPLE = frozenset(
    {"jpeg", "mulaw", "x", "offsets", "labels", "split", "ids", "subject", "coarse"}
)
_NUMBER = re.compile(r"^(.*?)(\d+)(\D*)$")


def record(recipe: Recipe, arrays: Arrays, folder: Path = RECORDED) -> None:
    """Write the record of a pack into a folder."""
    labels = arrays["labels"]
    about: dict[str, Any] = {
        "listing": listing_digest(arrays),
        "arrays": {
            name: {
                "dtype": array.dtype.str,
                "shape": list(array.shape),
                "sha256": array_digest(array),
            }
            for name, array in arrays.items()
        },
        "fixed": {name: a.tolist() for name, a in arrays.items() if name not in _PER_SAMPLE},
        "per_class": {
            name: [int(arrays[name][labels == k][0]) for k in range(int(labels.max()) + 1)]
            for name in arrays.keys() & {"coarse"}
        },
    }
    text = json.dumps(about, indent=1, sort_keys=False, ensure_ascii=False) + "\n"
    write_atomically(folder / f"{recipe.name}.json", text.encode())
    lines = "\n".join(compact(rows_of(arrays))) + "\n"
    packed = lzma.compress(lines.encode(), preset=9 | lzma.PRESET_EXTREME)
    write_atomically(folder / f"{recipe.name}.listing.xz", packed)
    if recipe.preparation not in {"copy", "windows"}:
        prints = make_prints(arrays).astype(np.uint8).tobytes()
        write_atomically(folder / f"{recipe.name}.prints", prints)


def compact(rows: Sequence[Row]) -> Iterator[str]:
    """Lines of a listing, with one line for files that are numbered one after the other."""
    start = 0
    while start < len(rows):
        stop = start + 1
        while stop < len(rows) and _follows(rows[stop - 1], rows[stop]):
            stop += 1
        first, last = rows[start], rows[stop - 1]
        row_id = first.id
        if stop - start > 1:
            before, one, after = _parts(first.id)
            row_id = f"{before}{{{one}..{_parts(last.id)[1]}}}{after}"
        yield f"{first.split}\t{first.label}\t{row_id}"
        start = stop


def _follows(one: Row, other: Row) -> bool:
    if (one.split, one.label) != (other.split, other.label):
        return False
    before, number, after = _parts(one.id)
    return other.id == f"{before}{int(number) + 1:0{len(number)}d}{after}" if number else False


def _parts(row_id: str) -> tuple[str, str, str]:
    """An id up to its last number, that number, and the rest."""
    found = _NUMBER.match(row_id)
    return (found[1], found[2], found[3]) if found else (row_id, "", "")


def main(arguments: list[str]) -> None:
    """Record the packs that are named, or all."""
    for name in chosen_parts(arguments, recipes()):
        recipe = recipes()[name]
        record(recipe, read_npz(data_file(recipe.file), MOST_BYTES))
        print(f"{name}: recorded")


if __name__ == "__main__":
    main(sys.argv[1:])
