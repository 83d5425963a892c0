"""How far orders and placements are from their proven bounds: experiments/memory/order.json.

    python -m experiments.memory.order

Every published scheme, the head alone and full training, with the sample held and streamed in.
Takes a few minutes; needs the published checkpoints in ../shared.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from experiments.common.ledgers import write_ledger
from experiments.common.paths import checkpoint
from experiments.common.programs import BOARD, compiled
from experiments.memory import ORDER_LEDGER
from kilograd.ir import Graph
from kilograd.liveness import arena_buffers
from kilograd.memory.place import first_fit, lower_bound, peak
from kilograd.scheme import published_schemes

CLASSES = 10


def measure_orders() -> dict[str, Any]:
    """One row a scheme and way that the sample comes."""
    by_model: dict[str, list[str]] = {}
    for scheme in published_schemes():
        by_model.setdefault(scheme.split("/")[0], []).append(scheme)
    rows: dict[str, Any] = {}
    for model, schemes in by_model.items():
        if not Path(checkpoint(model)).is_file():
            continue
        for scheme in ("head", *schemes, "full"):
            for streamed in (False,) if scheme == "full" else (False, True):
                name = scheme if "/" in scheme else f"{model}/{scheme}"
                how = "streamed" if streamed else "held"
                rows[f"{name} {how}"] = row = measure_order(model, scheme, streamed=streamed)
                print(f"{name} {how}", row, flush=True)
    return rows


def measure_order(model: str, scheme: str, *, streamed: bool) -> dict[str, Any]:
    """The arena by list scheduling and first fit, after the searches, and the bounds."""
    after: dict[str, Graph] = {}
    started = time.perf_counter()
    program = compiled(
        checkpoint(model),
        scheme,
        CLASSES,
        target=BOARD,
        row_input=streamed,
        dump=after.__setitem__,
    )
    seconds = time.perf_counter() - started
    listed = arena_buffers(after["fuse"])
    plan = program.plan
    return {
        "heuristic_bytes": peak(listed, first_fit(listed)),
        "heuristic_live_bytes": lower_bound(listed),
        "arena_bytes": plan.arena_bytes,
        "placement_bound_bytes": plan.placement_bound_bytes,
        "lower_bound_bytes": plan.lower_bound_bytes,
        "proven": plan.arena_bytes == plan.lower_bound_bytes,
        "compile_seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    write_ledger(ORDER_LEDGER, measure_orders())
