"""Which trainers are compared, and at which rates."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean

from experiments.common.ledgers import Ledger

MODEL, SCHEME = "mcunet-5fps", "mcunet-5fps/99kb"
DATA = ("cifar10", "flowers5", "person_scene")
#: Of the runs that are compared; rates are chosen with the first.
SEEDS = (0, 1)
#: Share of the training samples that rates are chosen by.
HELD_BACK = 0.25


#: The integers that ship, whose step is that of ``sgd``.
DEVICE = "device"


@dataclass(frozen=True)
class Trainer:
    """A trainer, and the rates that it is tried with, from small to large.

    Attributes:
        optimizer: ``device``, or as ``kilograd.baselines.float32.OPTIMIZERS`` names it.
        batch: samples a step.
        rates: for the mean loss of a batch.
    """

    optimizer: str
    batch: int
    rates: tuple[float, ...]

    @property
    def name(self) -> str:
        """In the ledger."""
        return f"{self.optimizer}, batch {self.batch}"


TRAINERS = (
    Trainer(DEVICE, 1, (0.0005, 0.001, 0.0015, 0.002, 0.003)),
    Trainer("sgd", 8, (0.004, 0.008, 0.016, 0.032)),
    Trainer("momentum", 8, (0.0005, 0.001, 0.002, 0.004)),
    Trainer("adam", 8, (0.0001, 0.0003, 0.001, 0.003)),
    Trainer("sgd", 1, (0.0005, 0.001, 0.002, 0.004)),
    Trainer("momentum", 1, (0.00006, 0.000125, 0.00025, 0.0005)),
    Trainer("adam", 1, (0.00003, 0.0001, 0.0003, 0.001)),
)


def best_rate(ledger: Ledger, trainer: Trainer) -> float:
    """The rate with the best mean over the packs."""

    def found(rate: float) -> float:
        return mean(ledger["rates"][f"{trainer.name} | {data} | {rate:g}"] for data in DATA)

    return max(trainer.rates, key=found)
