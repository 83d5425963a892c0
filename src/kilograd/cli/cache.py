"""kilograd cache shows what the cache holds, and clears it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from kilograd.errors import ToolchainError
from kilograd.files import cache_directory

#: What is made again when it is needed, and what took long to come by.
_BUILDS = {
    "object": "compiled C files",
    "library": "networks for this computer",
    "firmware": "firmwares for emulated boards",
    "program": "programs for this computer",
    "zig": "what the compiler keeps for itself",
    "tmp": "builds that are under way, or were interrupted",
}
_KEPT = {
    "models": "published checkpoints that were downloaded",
    "search": "training runs of searches",
    "archives": "sources of data packs that experiments downloaded",
    "experiments": "networks that experiments trained",
}


@dataclass(frozen=True)
class Held:
    """A folder of the cache.

    Attributes:
        name: of the folder.
        what: it holds, in words.
        files: how many.
        size: in bytes.
        is_build: whether it is made again when it is needed.
    """

    name: str
    what: str
    files: int
    size: int
    is_build: bool


def look() -> list[Held]:
    """What the cache holds."""
    found: list[Held] = []
    for folders, is_build in ((_BUILDS, True), (_KEPT, False)):
        for name, what in folders.items():
            sizes = _sizes(cache_directory() / name)
            found.append(Held(name, what, len(sizes), sum(sizes), is_build))
    return found


def _sizes(folder: Path) -> list[int]:
    sizes: list[int] = []
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                sizes.append(path.stat().st_size)
        except OSError:  # gone since it was listed
            continue
    return sizes


def show_cache(
    console: Console, answers: Console, *, clear: bool, everything: bool
) -> dict[str, Any]:
    """Show what the cache holds, or clear it; return what it holds now.

    Args:
        console: for what was done.
        answers: for what is there.
        clear: remove what is made again when it is needed.
        everything: remove checkpoints and training runs as well.

    Raises:
        ToolchainError: a folder cannot be removed.
    """
    root = cache_directory()
    before = look()
    if clear or everything:
        for held in before:
            if held.is_build or everything:
                _remove(root / held.name)
        after = look()
        freed = sum(held.size for held in before) - sum(held.size for held in after)
        console.print(f"{freed:,} bytes were freed in {root}", markup=False, highlight=False)
        before = after
    answers.print(_table(before, root))
    return {
        "path": str(root),
        "bytes": sum(held.size for held in before),
        "folders": {held.name: {"files": held.files, "bytes": held.size} for held in before},
    }


def _remove(folder: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise ToolchainError(
            f"the cache cannot be cleared: {error.strerror or error}",
            where=str(folder),
            hint="end other runs of kilograd first",
        ) from error


def _table(held: list[Held], root: Path) -> Table:
    table = Table(title=f"cache: {root}", box=None, title_justify="left", pad_edge=False)
    table.add_column("folder")
    table.add_column("files", justify="right")
    table.add_column("bytes", justify="right")
    table.add_column("")
    for one in held:
        table.add_row(one.name, f"{one.files:,}", f"{one.size:,}", one.what)
    table.add_row(
        "total", f"{sum(o.files for o in held):,}", f"{sum(o.size for o in held):,}", style="bold"
    )
    return table
