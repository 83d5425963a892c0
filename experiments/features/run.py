"""Measures what the audio and motion features cost on emulated Cortex-M boards.

    python -m experiments.features.run        rewrites experiments/features/results.json

As `kilograd measure` does: flash and static memory are those of a backbone's firmware less those
of one without the features.
"""

from __future__ import annotations

import json
from typing import Any

from experiments.common.ledgers import write_ledger
from experiments.common.programs import compiled
from experiments.features import LEDGER
from kilograd.features import Features, LogMel, Motion, features_of
from kilograd.frontend.open import load_model
from kilograd.measuring.firmware import measure

MODELS = ("kilograd-kws", "kilograd-motion")
BOARDS = ("cortex-m7", "cortex-m4", "cortex-m0plus")


def cost(model: str, board: str) -> dict[str, Any]:
    """What the features of a backbone take, for one input and for a second of samples."""
    features = features_of(load_model(model))
    assert features is not None
    found = measure(compiled(model, "head", target=board)).as_dict()["features"]
    return {**found, "instructions_a_second": round(found["instructions"] / seconds(features))}


def seconds(features: Features) -> float:
    """From the beginning of one input to that of the next, when none of the signal is left out."""
    assert isinstance(features, LogMel | Motion)
    new = features.frames * features.hop if isinstance(features, LogMel) else features.length
    return new / features.rate


def main() -> None:
    """Measure and write."""
    ledger = {model: {board: cost(model, board) for board in BOARDS} for model in MODELS}
    write_ledger(LEDGER, ledger)
    print(json.dumps(ledger, indent=1))


if __name__ == "__main__":
    main()
