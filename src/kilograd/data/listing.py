"""Lists the samples of a folder of classes, and says what is wrong with the folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilograd.data.broken import UnreadableError, name_under
from kilograd.data.samples import Skipped
from kilograd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kilograd.data.kinds import Kind


@dataclass(frozen=True)
class Listing:
    """What the folders of some classes hold.

    Attributes:
        classes: the sorted files of each class, by the sorted class names.
        unreadable: files in formats that are not read, each with its class.
        skipped: files and folders that are not samples.
    """

    classes: dict[str, list[Path]]
    unreadable: tuple[tuple[str, UnreadableError], ...]
    skipped: tuple[Skipped, ...]


def class_folders(path: Path) -> list[Path]:
    """The folders within a folder, sorted; not hidden ones, nor those that begin with ``_``."""
    return sorted(item for item in path.iterdir() if item.is_dir() and item.name[0] not in "._")


def list_classes(path: Path, root: Path, kind: Kind) -> Listing:
    """Lists the files of every class; hidden ones are passed over.

    Args:
        path: a folder with one folder for each class.
        root: of all the data, for names.
        kind: of the samples.

    Raises:
        DataError: a class without samples.
    """
    classes: dict[str, list[Path]] = {}
    unreadable: list[tuple[str, UnreadableError]] = []
    skipped: list[Skipped] = []
    for folder in class_folders(path):
        held = sorted(item for item in folder.iterdir() if not item.name.startswith("."))
        files = [item for item in held if _is_sample(item, kind)]
        foreign = [item for item in held if _is_foreign(item, kind)]
        if not files:
            raise _empty_class(path, folder, held, foreign, kind)
        classes[folder.name] = files
        unreadable += [(folder.name, _foreign_error(item, kind)) for item in foreign]
        known = {*files, *foreign}
        for item in held:
            reason = None if item in known else _why_not(item, kind)
            if reason is not None:
                skipped.append(Skipped(name_under(root, str(item)), reason, folder.name))
    return Listing(classes, tuple(unreadable), tuple(skipped))


def few_classes(path: Path, names: Sequence[str], kind: Kind) -> DataError:
    """The error of a folder with fewer than two classes."""
    what = f"found {len(names)} class folders; at least two are needed"
    loose = sum(_is_sample(item, kind) for item in path.iterdir())
    hint = kind.layout
    if loose and not names:
        hint = f"{kind.noun} lie in the folder itself ({loose}): sort them into folders; {hint}"
    return DataError(what, where=str(path), hint=hint)


def _is_sample(item: Path, kind: Kind) -> bool:
    return item.suffix.lower() in kind.suffixes and item.name[0] != "." and item.is_file()


def _has_samples(folder: Path, kind: Kind) -> bool:
    return any(_is_sample(item, kind) for item in folder.iterdir())


def _is_foreign(item: Path, kind: Kind) -> bool:
    return item.suffix.lower() in kind.foreign and item.is_file()


def _foreign_error(item: Path, kind: Kind) -> UnreadableError:
    name = kind.foreign[item.suffix.lower()]
    return UnreadableError(
        f"the file is in {name}, which is not read",
        reason=f"{name}: {kind.way_out.partition(';')[0]}",
        where=str(item),
        hint=kind.way_out,
    )


def _why_not(item: Path, kind: Kind) -> str | None:
    """Why something in a class folder is left out; None where nobody would ask."""
    if not item.is_dir():
        return f"not one of the {kind.noun}: these end in {kind.endings}"
    inside = sum(_is_sample(file, kind) for file in item.rglob("*"))
    if not inside:
        return None
    return f"a folder in a class folder, with {inside} {kind.noun} that are not read"


def _empty_class(
    path: Path, folder: Path, held: Sequence[Path], foreign: Sequence[Path], kind: Kind
) -> DataError:
    """The error of a class folder without samples, which tells of those that lie elsewhere."""
    what = f"the class folder {folder.name!r} has no {kind.noun}"
    hint = f"{kind.noun} end in {kind.endings}; the layout is {kind.layout}"
    deeper = [item for item in held if item.is_dir() and _has_samples(item, kind)]
    if deeper:
        what += f", but the folder {deeper[0].name!r} in it has some"
        hint = (
            f"the folders in {path} are read as the classes, and folders in these are not read; "
            f"give {folder} to learn what its folders are, or move the {kind.noun} of each class "
            "up into one folder"
        )
    elif foreign:
        name = kind.foreign[foreign[0].suffix.lower()]
        what += f" that can be read: it has {len(foreign)} in formats such as {name}"
        hint = kind.way_out
    return DataError(what, where=str(folder), hint=hint)
