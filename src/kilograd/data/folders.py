"""Reads folders of images: one folder per class, or train/ and test/ (or val/) of such."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kilograd.data.images import SUFFIXES, decode_images
from kilograd.data.source import Source
from kilograd.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from kilograd.data.samples import InputSpec

LAYOUT = "one folder of images per class; or train and test (or val), each with one per class"


def open_folder(path: Path, spec: InputSpec) -> Source:
    """Lists a folder of images; nothing is decoded yet.

    Left out are files of other types, folders within classes, hidden files and folders whose name
    starts with an underscore. Class names are sorted.

    Raises:
        DataError: fewer than two classes, an empty class, or a test class that train lacks.
    """
    folders = {folder.name.lower(): folder for folder in _class_folders(path)}
    held_out = folders.get("test") or folders.get("val")
    explicit = held_out is not None and "train" in folders
    train_files = _list_classes(folders["train"] if explicit else path)
    test_files = _list_classes(held_out) if explicit and held_out else {}
    class_names = tuple(train_files)
    if len(class_names) < 2:  # noqa: PLR2004  one class is nothing to learn
        what = f"found {len(class_names)} class folders; at least two are needed"
        raise DataError(what, where=str(path), hint=LAYOUT)
    unknown = [name for name in test_files if name not in train_files]
    if unknown:
        what = f"the class {unknown[0]!r} has test images but no train images"
        raise DataError(what, where=str(path), hint=LAYOUT)
    listed = [(name, file) for name in class_names for file in train_files[name]]
    train_count = len(listed)
    listed += [(name, file) for name, files in test_files.items() for file in files]
    label_of = {name: label for label, name in enumerate(class_names)}
    return Source(
        labels=[label_of[name] for name, _ in listed],
        class_names=class_names,
        train=range(train_count),
        test=range(train_count, len(listed)) if explicit else None,
        decode=lambda indices: decode_images(
            [(str(listed[index][1]), listed[index][1]) for index in indices], spec
        ),
    )


def _class_folders(path: Path) -> list[Path]:
    return sorted(item for item in path.iterdir() if item.is_dir() and item.name[0] not in "._")


def _list_classes(path: Path) -> dict[str, list[Path]]:
    """Returns the sorted images of each class, by the sorted class names."""
    classes: dict[str, list[Path]] = {}
    for folder in _class_folders(path):
        classes[folder.name] = sorted(
            file
            for file in folder.iterdir()
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
        )
        if not classes[folder.name]:
            raise DataError(
                f"the class folder {folder.name!r} has no images",
                where=str(folder),
                hint=f"images end in {', '.join(sorted(SUFFIXES))}; the layout is {LAYOUT}",
            )
    return classes
