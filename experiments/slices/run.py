"""Measures the longest time slices, and what the yield hook costs: experiments/slices/results.json.

    python -m experiments.slices.run

As `kilograd measure` does, for ten classes.
"""

from __future__ import annotations

from typing import Any

from experiments.common.ledgers import write_ledger
from experiments.common.paths import checkpoint, require_shared
from experiments.common.programs import compiled
from experiments.slices import LEDGER
from kilograd.measuring.firmware import measure
from kilograd.measuring.slices import measure_slices

CLASSES = 10
#: Name -> model, scheme, target, and whether the sample arrives in rows.
ROWS = {
    "mcunet-5fps/49kb": ("mcunet-5fps", "mcunet-5fps/49kb", "cortex-m7", False),
    "mcunet-5fps/49kb, streamed": ("mcunet-5fps", "mcunet-5fps/49kb", "cortex-m7", True),
    "mcunet-5fps/99kb": ("mcunet-5fps", "mcunet-5fps/99kb", "cortex-m7", False),
    "mbv2-w0.35/49kb": ("mbv2-w0.35", "mbv2-w0.35/49kb", "cortex-m7", False),
    "proxyless-w0.3/49kb": ("proxyless-w0.3", "proxyless-w0.3/49kb", "cortex-m7", False),
    "kilograd-48/demo": ("kilograd-48", "kilograd-48/demo", "cortex-m7", False),
    "kilograd-kws/voice": ("kilograd-kws", "kilograd-kws/voice", "cortex-m4", False),
    "kilograd-kws/voice, M0+": ("kilograd-kws", "kilograd-kws/voice", "cortex-m0plus", False),
    "kilograd-motion/person": ("kilograd-motion", "kilograd-motion/person", "cortex-m4", False),
}


def row(model: str, scheme: str, target: str, *, row_input: bool) -> dict[str, Any]:
    """Slices of a program, and what it takes without a hook."""
    path = model if model.startswith("kilograd-") else checkpoint(model)
    program = compiled(path, scheme, CLASSES, target=target, row_input=row_input)
    alone, hooked = measure(program), measure_slices(program)
    return {
        "target": target,
        **hooked.as_dict(),
        "without": {
            "instructions_inference": alone.instructions_inference,
            "instructions_train_step": alone.instructions_train_step,
            "flash_bytes": alone.flash_bytes,
            "stack": alone.stack,
        },
    }


def main() -> None:
    """Measure and write."""
    require_shared()
    write_ledger(LEDGER, {name: row(*of, row_input=rows) for name, (*of, rows) in ROWS.items()})


if __name__ == "__main__":
    main()
