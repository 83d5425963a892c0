"""Which networks from files go on learning, on what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from experiments.common.paths import SHARED, data_file

#: Rates that the default is compared with; each is a little more than three times the last.
RATES = (0.0005, 0.0015, 0.005, 0.015, 0.05)
SEEDS = (0, 1, 2)
#: Parts of a cross-validation.
FOLDS = 4
#: Largest rates from a trained head on, and with a new last layer -> seeds of each in every part.
LARGEST_OWN = {0.005: 4, 0.01: 4, 0.015: 12, 0.02: 12, 0.03: 12, 0.04: 4, 0.05: 4}
LARGEST_FRESH = {0.01: 4, 0.02: 4, 0.03: 4, 0.05: 4}


@dataclass(frozen=True)
class Tuning:
    """A network from a file that goes on learning.

    Attributes:
        name: in the ledger.
        file: of the network, without its suffix.
        pack: of samples.
        scheme: as `kilograd train --scheme`.
        epochs: passes over the training samples.
        has_own_head: whether it starts from the file's last layer.
        limit: at most so many training and so many test samples.
    """

    name: str
    file: str
    pack: str
    scheme: str
    epochs: int
    has_own_head: bool
    limit: int | None = None

    @property
    def path(self) -> Path:
        """Of the network."""
        return SHARED / "models" / f"{self.file}.tflite"

    @property
    def data(self) -> Path:
        """Of the pack."""
        return data_file(f"{self.pack}.npz")


_VWW, _PERSON, _RESNET = (
    "mlperftiny_vww_96_int8",
    "tflm_person_detect",
    "mlperftiny_pretrainedResnet_quant",
)
_SCENES, _CIFAR = "person_scene_128", "cifar10_jpeg32"

TUNINGS = (
    Tuning("vww_96, own head", _VWW, _SCENES, "last:6", 6, has_own_head=True),
    Tuning("vww_96, fresh head", _VWW, _SCENES, "last:14", 6, has_own_head=False),
    Tuning("person_detect, own head", _PERSON, _SCENES, "last:6", 6, has_own_head=True),
    Tuning("resnet8, own head", _RESNET, _CIFAR, "last:6", 1, has_own_head=True, limit=4000),
    Tuning("resnet8, fresh head", _RESNET, "flowers5_128", "last:6", 2, has_own_head=False),
    Tuning("vww_96, five flowers", _VWW, "flowers5_128", "last:14", 2, has_own_head=False),
)

#: What largest rates are compared on: two networks, packs of people and, for new last layers, of
#: flowers, each with its passes.
_NETWORKS = (("vww_96", _VWW), ("person_detect", _PERSON))
_PEOPLE = (
    ("person_scene", _SCENES, 6),
    ("coco_vww_mini", "coco_vww_mini_128", 6),
    ("inria_person_crops", "inria_person_crops_64x128", 2),
)
_FLOWERS = ("flowers5", "flowers5_128", 2)

#: Networks whose default rate the largest one from a trained head on decides.
LIMITED_OWN = tuple(
    Tuning(f"{name}, {pack}", file, data, "last:6", epochs, has_own_head=True)
    for name, file in _NETWORKS
    for pack, data, epochs in _PEOPLE
)
#: The same with a new last layer.
LIMITED_FRESH = tuple(
    Tuning(f"{name}, fresh head, {pack}", file, data, "last:14", epochs, has_own_head=False)
    for name, file in _NETWORKS
    for pack, data, epochs in (*_PEOPLE, _FLOWERS)
)

#: Extents at which MCUNet is measured.
RESOLUTIONS = (96, 128, 160, 192)
RESOLVED_MODEL, RESOLVED_SCHEME, RESOLVED_PACK = "mcunet-5fps", "49kb", "flowers17"
