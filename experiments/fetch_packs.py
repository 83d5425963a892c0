"""Makes the data packs anew from their public sources, and compares packs with what was recorded.

    python -m experiments.fetch_packs [NAME …] [--to FOLDER] [--from CHECKOUTS]
    python -m experiments.fetch_packs --check [NAME …] [--to FOLDER] [--against FOLDER]

The first downloads the sources from GitHub, or reads checkouts that are there, prepares their
files as each pack's recipe says, and writes the packs that are missing. A pack that does not hold
the recorded samples is not written. The second compares packs that are there. Without names all
packs; without ``--to`` those in ../shared/data, where experiments look for them.

Exits with 2 where a pack could not be made, is missing or is another. docs/reproducing.md says
what is known of the sources, and what has been tried.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common.packs import PACKS
from experiments.common.paths import SHARED
from experiments.packs.compare import Comparison, compare
from experiments.packs.prepare import assemble, prepare, wanted_files
from experiments.packs.recipes import Recipe, Source, recipes
from experiments.packs.sources import download, read_archive, read_checkout
from kilograd.errors import DataError, UserError
from kilograd.files import write_atomically
from kilograd.npz import NpzError, read_npz

#: No pack unpacks to more.
_MOST_BYTES = 2**30


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Attributes:
        folder: of the packs.
        checkouts: folder of repositories; None downloads them.
        other: folder of copies that are known to be right, for the difference of pixels.
    """

    folder: Path
    checkouts: Path | None = None
    other: Path | None = None


def make_pack(recipe: Recipe, checkouts: Path | None) -> dict[str, Any]:
    """The arrays of a pack from its sources.

    Raises:
        DataError: when a source cannot be had, lacks files, or holds files that cannot be read.
    """
    prepared: dict[str, Any] = {}
    for source, ids in _by_source(recipe).items():
        if checkouts is None:
            print(f"{recipe.name}: reading {source}")
            files = read_archive(download(source), source, ids)
        else:
            files = read_checkout(checkouts, source, ids)
        for path, content in files:
            try:
                prepared[ids[path]] = prepare(recipe, content)
            except DataError as error:
                error.where = error.where or f"{source}: {path}"
                raise
    try:
        return assemble(recipe, prepared)
    except ValueError as error:
        raise DataError(
            f"the files of its source do not fit together ({error})", where=recipe.name
        ) from error


def _by_source(recipe: Recipe) -> dict[Source, dict[str, str]]:
    """Source -> path there -> id."""
    found: dict[Source, dict[str, str]] = defaultdict(dict)
    for row_id, source, path in wanted_files(recipe):
        found[source][path] = row_id
    return found


def fetch(recipe: Recipe, options: Options) -> str:
    """Make a pack that is not there, and say what it is to the record.

    Raises:
        UserError: when it cannot be made, or holds other samples; then nothing is written.
    """
    path = options.folder / recipe.file
    if path.exists():
        found = check(recipe, options)
        if not found.is_right:
            raise DataError(
                f"it is there already, and is another: {found.text}",
                where=str(path),
                hint="delete it, or name another folder with --to",
            )
        return f"there already, {found.text}"
    arrays = make_pack(recipe, options.checkouts)
    found = compare(recipe, arrays, _copy_of(recipe, options.other))
    if not found.is_right:
        raise DataError(
            f"what was made is not the recorded pack, and is not written: {found.text}",
            where=recipe.name,
            hint=f"the sources are {', '.join(map(str, recipe.sources))}",
        )
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    write_atomically(path, file.getvalue())
    return f"{found.text}: {path}"


def check(recipe: Recipe, options: Options) -> Comparison:
    """Compare a pack that is there with the record.

    Raises:
        DataError: when it is not there or cannot be read.
    """
    path = options.folder / recipe.file
    return compare(recipe, _read(path), _copy_of(recipe, options.other))


def _copy_of(recipe: Recipe, folder: Path | None) -> dict[str, Any] | None:
    if folder is None or not (folder / recipe.file).is_file():
        return None
    arrays = _read(folder / recipe.file)
    found = compare(recipe, arrays)
    if found.text != "identical":
        raise DataError(
            f"this copy is not the recorded pack: {found.text}", where=str(folder / recipe.file)
        )
    return arrays


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError("there is no such file", where=str(path))
    try:
        return read_npz(path, _MOST_BYTES)
    except NpzError as error:
        raise DataError(f"it is not a pack ({error})", where=str(path)) from error


def chosen(names: Sequence[str]) -> list[Recipe]:
    """The recipes that are named, by pack or by the short name in tables; all if none is.

    Raises:
        DataError: when there is no such pack.
    """
    known = recipes()
    short = {name: pack.file.removesuffix(".npz") for name, pack in PACKS.items()}
    full = [short.get(name, name).removesuffix(".npz") for name in names]
    if unknown := [name for name in full if name not in known]:
        raise DataError(
            "there is no recipe for this pack",
            where=unknown[0],
            hint=f"known packs are {', '.join(known)}",
        )
    return [known[name] for name in dict.fromkeys(full)] or list(known.values())


def main(arguments: list[str]) -> int:
    """Fetch or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="pack; the default is all")
    parser.add_argument(
        "--to", type=Path, default=SHARED / "data", help="folder of the packs (../shared/data)"
    )
    parser.add_argument(
        "--from", dest="checkouts", type=Path, help="folder of checkouts, instead of downloads"
    )
    parser.add_argument("--check", action="store_true", help="compare packs that are there")
    parser.add_argument(
        "--against", type=Path, help="folder of identical copies, for the difference of pixels"
    )
    asked = parser.parse_args(arguments)
    options = Options(asked.to, asked.checkouts, asked.against)
    try:
        wanted = chosen(asked.names)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    code = 0
    for recipe in wanted:
        try:
            if asked.check:
                found = check(recipe, options)
                code = code if found.is_right else UserError.exit_code
                text = found.text
            else:
                text = fetch(recipe, options)
            print(f"{recipe.name}: {text}")
        except UserError as error:
            code = error.exit_code
            print(f"error: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
