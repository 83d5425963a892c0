"""Reads the recipes of data packs."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tomli
from numpy.typing import NDArray

ROOM = Path(__file__).parent
RECORDED = ROOM / "recorded"

#: Bytes that are recorded of a prepared sample: two of its SHA-256, and three of `compare.look`.
PRINT_BYTES = 5

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class Source:
    """A repository on GitHub.

    Attributes:
        repository: ``owner/name``.
        commit: whole, or as many of its first digits as are known.
    """

    repository: str
    commit: str

    def __str__(self) -> str:
        return f"{self.repository}@{self.commit[:7]}"


@dataclass(frozen=True)
class Row:
    """One sample: its split, its label, and its file in the source."""

    split: int
    label: int
    id: str


@dataclass(frozen=True)
class Recorded:
    """What a pack held when it was measured.

    Attributes:
        rows: its samples, in order.
        listing: SHA-256 of `listing_text`, hexadecimal.
        arrays: dtype, shape and SHA-256 by name.
        fixed: arrays that do not depend on the samples, as lists or texts.
        per_class: arrays [samples] that follow from the label, as one value a class.
        prints: uint8 [samples, PRINT_BYTES]; None where samples are copied as they are.
    """

    rows: tuple[Row, ...]
    listing: str
    arrays: Mapping[str, Mapping[str, Any]]
    fixed: Mapping[str, Any]
    per_class: Mapping[str, list[int]]
    prints: NDArray[np.uint8] | None


@dataclass(frozen=True)
class Recipe:
    """How a pack is made; see `recipes.toml`."""

    name: str
    sources: tuple[Source, ...]
    preparation: str
    licence: str
    licence_read: bool
    redistribution: str
    split: str
    prefix: str = ""
    note: str = ""

    @property
    def file(self) -> str:
        """Name of the pack's file."""
        return f"{self.name}.npz"

    @property
    def recorded(self) -> Recorded:
        """What the pack held; read from its files once."""
        return read_recorded(self.name)

    def locate(self, row_id: str) -> tuple[Source, str]:
        """The source of a sample, and its path there."""
        if len(self.sources) == 1:
            return self.sources[0], self.prefix + row_id
        for source in self.sources:
            start = source.repository.replace("/", "+") + "/"
            if row_id.startswith(start):
                return source, row_id.removeprefix(start)
        raise ValueError(f"{self.name}: {row_id} names no source")


@cache
def recipes() -> Mapping[str, Recipe]:
    """Every recipe by the name of its pack."""
    read = tomli.loads((ROOM / "recipes.toml").read_text(encoding="utf-8"))
    return {
        name: Recipe(name, tuple(Source(**source) for source in sources), **entry)
        for name, entry in read.items()
        for sources in [entry.pop("sources")]
    }


@cache
def read_recorded(name: str) -> Recorded:
    """What is recorded of a pack."""
    about = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    text = lzma.decompress((RECORDED / f"{name}.listing.xz").read_bytes()).decode()
    prints = RECORDED / f"{name}.prints"
    return Recorded(
        rows=tuple(expand(text)),
        listing=about["listing"],
        arrays=about["arrays"],
        fixed=about["fixed"],
        per_class=about["per_class"],
        prints=(
            np.frombuffer(prints.read_bytes(), np.uint8).reshape(-1, PRINT_BYTES)
            if prints.is_file()
            else None
        ),
    )


def expand(text: str) -> Iterator[Row]:
    """Rows of a listing: ``split TAB label TAB id`` a line, where an id may have ``{00..99}``."""
    for line in text.splitlines():
        split, label, row_id = line.split("\t")
        if (found := _RANGE.search(row_id)) is None:
            yield Row(int(split), int(label), row_id)
            continue
        first, last = found.groups()
        for number in range(int(first), int(last) + 1):
            middle = f"{number:0{len(first)}d}"
            before, after = row_id[: found.start()], row_id[found.end() :]
            yield Row(int(split), int(label), before + middle + after)


def listing_text(rows: tuple[Row, ...], class_names: list[str]) -> str:
    """What the digest of a listing is of: the classes in one line, and a line a sample."""
    lines = ["\t".join(class_names), *(f"{row.split}\t{row.label}\t{row.id}" for row in rows)]
    return "\n".join(lines) + "\n"
