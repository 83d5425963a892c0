"""The data that learning is measured on: packs, how much of each, and for how many epochs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from experiments.common.paths import data_file
from kilograd.data import Dataset, load_dataset
from kilograd.frontend.open import input_spec, load_model


@dataclass(frozen=True)
class Pack:
    """How a pack is used. All of these are subsets of what the paper trains on.

    Attributes:
        file: name in the folder of packs.
        epochs: passes over the training samples.
        train: at most so many training samples, balanced over the classes.
        test: at most so many test samples.
    """

    file: str
    epochs: int
    train: int | None = None
    test: int | None = None


PACKS: dict[str, Pack] = {
    "cifar10": Pack("cifar10_jpeg32.npz", 4, 2000, 1500),
    "flowers17": Pack("flowers17_128.npz", 10),
    "flowers5": Pack("flowers5_128.npz", 5),
    "oxford_pets3": Pack("oxford_pets3_128.npz", 12),
    "grocery81": Pack("grocery81_128.npz", 4),
    "person_scene": Pack("person_scene_128.npz", 8),
    "coco_vww_mini": Pack("coco_vww_mini_128.npz", 15),
    "inria_person_crops": Pack("inria_person_crops_64x128.npz", 2),
    "tinyimagenet200": Pack("tinyimagenet200_jpeg64_subset.npz", 3, 4000, 1000),
}

#: For packs that are not in the table.
_OTHER_EPOCHS = 5


def pack_path(name: str) -> Path:
    """Path of a pack that is in the table."""
    return data_file(PACKS[name].file)


def pack_of(path: Path) -> Pack:
    """How a pack is used; one that is not in the table is used whole, for five epochs."""
    known = {pack.file: pack for pack in PACKS.values()}
    return known.get(path.name, Pack(path.name, _OTHER_EPOCHS))


def load_pack(path: Path, model: str) -> Dataset:
    """A pack's samples for a model. The choice of samples does not depend on a run's seed."""
    pack = pack_of(path)
    spec = input_spec(load_model(model))
    return load_dataset(path, spec, limit=pack.train, test_limit=pack.test)
