"""Which schemes are searched for, and what they are compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.common.paths import BACKBONES

#: Schemes of the experiment, one file each.
FOLDER = Path(__file__).parent / "schemes"
#: Classes that SRAM is measured with.
CLASSES = 10
#: That each is trained with.
SEEDS = (0, 1, 2)
#: What contributions are measured on: where the head alone is furthest from what can be learned.
#: Only the training split of each is read, and a quarter of that is what schemes are judged by.
TASKS = ("cifar10", "grocery81")
#: What schemes are tried on, likewise by training samples alone: all packs whose held-back samples
#: say something of new ones. MCUNet's 49kb has all of inria_person_crops right, and its trials
#: have 95% of grocery81, whose test samples are much harder (64%).
JUDGES = (
    "cifar10",
    "flowers17",
    "flowers5",
    "oxford_pets3",
    "person_scene",
    "coco_vww_mini",
    "tinyimagenet200",
)

#: Published schemes, from small to large.
PUBLISHED = {
    "mcunet-5fps": ("49kb", "99kb", "148kb"),
    "mbv2-w0.35": ("49kb", "99kb", "138kb"),
    "proxyless-w0.3": ("49kb", "98kb", "148kb"),
}
#: SRAM that MCUNet's published schemes took, samples held, when each bias had four bytes.
WITH_WIDE_BIASES = {"49kb": 87_524, "99kb": 129_188, "148kb": 175_432}
#: Share of that which schemes for less have.
LESS = 0.8
#: Budgets of MCUNet's front in KB, samples streamed.
FRONT = (48, 64, 96, 128, 192, 256)
FRONT_MODEL = "mcunet-5fps"


@dataclass(frozen=True)
class Wanted:
    """A scheme that is searched for.

    Attributes:
        model: name of a published checkpoint.
        name: of the scheme's file.
        streamed: whether samples come row by row.
        like: name of the published scheme that it is compared with, if any.
        sram: budget in bytes; None for what ``like`` measures.
        method: of its contributions.
    """

    model: str
    name: str
    streamed: bool
    like: str | None = None
    sram: int | None = None
    method: str = "measured"

    @property
    def key(self) -> str:
        """Name in the ledger."""
        return f"{self.model} | {self.name}"

    @property
    def path(self) -> Path:
        """Of the scheme's file."""
        return FOLDER / self.model / f"{self.name}.toml"


def wanted() -> Iterator[Wanted]:
    """All of them, each model's together."""
    for model in BACKBONES:
        for like in PUBLISHED[model]:
            yield Wanted(model, f"as-{like}", streamed=False, like=like)
        if model == FRONT_MODEL:
            for like, before in WITH_WIDE_BIASES.items():
                yield Wanted(model, f"below-{like}", False, like, int(LESS * before))
            for size in FRONT:
                yield streamed(size)
            yield FISHER


def streamed(size: int) -> Wanted:
    """A point of the front, by its budget in KB."""
    return Wanted(FRONT_MODEL, f"streamed-{size}KB", True, sram=size << 10)


#: One by gradients, compared with what runs found for the same SRAM.
FISHER = Wanted(FRONT_MODEL, "fisher-49kb", streamed=False, like="49kb", method="fisher")


def digest_of(biases: Sequence[str], weights: Mapping[str, float]) -> str:
    """Of what a scheme trains."""
    text = json.dumps([list(biases), dict(weights)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
