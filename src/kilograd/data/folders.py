"""Reads folders of images or recordings: one per class, or train/ and test/ (or val/) of such."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kilograd.data import images, wav
from kilograd.data.signals import fit_recording
from kilograd.data.source import Source
from kilograd.errors import DataError
from kilograd.features import LogMel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kilograd.data.samples import InputSpec


@dataclass(frozen=True)
class _Reader:
    """How the files of a folder are read.

    Attributes:
        noun: what they are, in the plural.
        suffixes: of their names.
        decode: int8 samples of files.
    """

    noun: str
    suffixes: frozenset[str]
    decode: Callable[[Sequence[Path]], NDArray[np.int8]]

    @property
    def layout(self) -> str:
        """How folders are laid out, for hints."""
        each = f"one folder of {self.noun} per class"
        return f"{each}; or train and test (or val), each with one per class"


def open_folder(path: Path, spec: InputSpec) -> Source:
    """Lists a folder of images, or of WAV files for a network that listens; decodes nothing yet.

    Left out are files of other types, folders within classes, hidden files and folders whose name
    starts with an underscore. Class names are sorted.

    Raises:
        DataError: fewer than two classes, an empty class, a test class that train lacks, or a
            network that reads neither images nor audio.
    """
    reader = _reader(path, spec)
    folders = {folder.name.lower(): folder for folder in _class_folders(path)}
    held_out = folders.get("test") or folders.get("val")
    explicit = held_out is not None and "train" in folders
    train_files = _list_classes(folders["train"] if explicit else path, reader)
    test_files = _list_classes(held_out, reader) if explicit and held_out else {}
    class_names = tuple(train_files)
    if len(class_names) < 2:  # noqa: PLR2004  one class is nothing to learn
        what = f"found {len(class_names)} class folders; at least two are needed"
        raise DataError(what, where=str(path), hint=reader.layout)
    unknown = [name for name in test_files if name not in train_files]
    if unknown:
        what = f"the class {unknown[0]!r} has test {reader.noun} but no train {reader.noun}"
        raise DataError(what, where=str(path), hint=reader.layout)
    listed = [(name, file) for name in class_names for file in train_files[name]]
    train_count = len(listed)
    listed += [(name, file) for name, files in test_files.items() for file in files]
    label_of = {name: label for label, name in enumerate(class_names)}
    return Source(
        labels=[label_of[name] for name, _ in listed],
        class_names=class_names,
        train=range(train_count),
        test=range(train_count, len(listed)) if explicit else None,
        decode=lambda indices: reader.decode([listed[index][1] for index in indices]),
    )


def _class_folders(path: Path) -> list[Path]:
    return sorted(item for item in path.iterdir() if item.is_dir() and item.name[0] not in "._")


def _reader(path: Path, spec: InputSpec) -> _Reader:
    """What reads the files that a network wants."""
    features = spec.features
    if features is None:
        return _Reader(
            "images",
            images.SUFFIXES,
            lambda files: images.decode_images([(str(file), file) for file in files], spec),
        )
    if not isinstance(features, LogMel):
        raise DataError(
            f"a folder holds images or recordings, and the network reads {features.source}",
            where=str(path),
            hint="give it an .npz pack; see kilograd.data.packs",
        )

    def listen(recordings: Sequence[Path]) -> NDArray[np.int8]:
        clips = np.zeros((len(recordings), features.samples), np.int16)
        for clip, file in zip(clips, recordings, strict=True):
            clip[:] = fit_recording(wav.read_wav(file, features.rate), features.samples)
        return features.apply(clips)

    return _Reader("recordings", wav.SUFFIXES, listen)


def _list_classes(path: Path, reader: _Reader) -> dict[str, list[Path]]:
    """Returns the sorted files of each class, by the sorted class names."""
    classes: dict[str, list[Path]] = {}
    for folder in _class_folders(path):
        classes[folder.name] = sorted(
            file
            for file in folder.iterdir()
            if file.suffix.lower() in reader.suffixes
            and not file.name.startswith(".")
            and file.is_file()
        )
        if not classes[folder.name]:
            suffixes = ", ".join(sorted(reader.suffixes))
            raise DataError(
                f"the class folder {folder.name!r} has no {reader.noun}",
                where=str(folder),
                hint=f"{reader.noun} end in {suffixes}; the layout is {reader.layout}",
            )
    return classes
