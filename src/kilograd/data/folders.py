"""Reads folders of samples: one folder per class, or train/ and test/ (or val/) of such."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kilograd.data import kinds
from kilograd.data.images import read_images
from kilograd.data.listing import Listing, class_folders, few_classes, list_classes
from kilograd.data.motion import read_motion_files
from kilograd.data.recordings import read_recordings
from kilograd.data.source import Source
from kilograd.errors import DataError
from kilograd.features import LogMel, Motion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kilograd.data.kinds import Kind
    from kilograd.data.samples import InputSpec
    from kilograd.data.source import Decoded


def open_folder(path: Path, spec: InputSpec, fewest: int = 2) -> Source:
    """Lists a folder of images, sound or motion, as the network reads; decodes nothing yet.

    Left out are files of other types, folders within classes, hidden files and folders whose name
    starts with an underscore. Class names are sorted.

    Raises:
        DataError: fewer classes than the fewest, an empty class, a test class that train lacks, or
            a network that reads none of these.
    """
    kind, decode = reader_of(path, spec)
    folders = {folder.name.lower(): folder for folder in class_folders(path)}
    held_out = folders.get("test") or folders.get("val")
    explicit = held_out is not None and "train" in folders
    train = list_classes(folders["train"] if explicit else path, path, kind)
    test = list_classes(held_out, path, kind) if explicit and held_out else Listing({}, (), ())
    class_names = tuple(train.classes)
    if len(class_names) < fewest:
        raise few_classes(path, class_names, kind)
    unknown = [name for name in test.classes if name not in train.classes]
    if unknown:
        what = f"the class {unknown[0]!r} has test {kind.noun} but no train {kind.noun}"
        raise DataError(what, where=str(path), hint=kind.layout)
    listed = [(name, file) for name in class_names for file in train.classes[name]]
    train_count = len(listed)
    listed += [(name, file) for name, files in test.classes.items() for file in files]
    label_of = {name: label for label, name in enumerate(class_names)}
    return Source(
        labels=[label_of[name] for name, _ in listed],
        class_names=class_names,
        train=range(train_count),
        test=range(train_count, len(listed)) if explicit else None,
        decode=lambda indices: decode([listed[index][1] for index in indices]),
        noun=kind.noun,
        unreadable=(*train.unreadable, *test.unreadable),
        skipped=(*train.skipped, *test.skipped),
        notes=_unused_folders(folders, held_out) if explicit else (),
    )


def _unused_folders(folders: dict[str, Path], held_out: Path | None) -> tuple[str, ...]:
    """Folders beside train and test, which nothing is read of."""
    used = {folders["train"], held_out}
    unused = [folder.name for folder in folders.values() if folder not in used]
    if not unused:
        return ()
    others = ", ".join(unused)
    return (f"beside train, {held_out.name if held_out else ''} is read and not {others}",)


def reader_of(path: Path, spec: InputSpec) -> tuple[Kind, Callable[[Sequence[Path]], Decoded]]:
    """What the network reads, and how files of it are read.

    Args:
        path: for messages.
        spec: the network's input.

    Raises:
        DataError: a network that reads no files of any kind.
    """
    features = spec.features
    if features is None:
        return kinds.IMAGES, lambda files: read_images([(str(f), f) for f in files], spec)
    if isinstance(features, LogMel):
        return kinds.RECORDINGS, lambda files: read_recordings(files, features)
    if isinstance(features, Motion):
        return kinds.MOTION, lambda files: read_motion_files(files, features)
    raise DataError(
        f"a folder holds images, sound or motion, and the network reads {features.source}",
        where=str(path),
        hint="give it an .npz pack; its array inputs fits any network",
    )
