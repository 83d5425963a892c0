"""Networks compiled for this machine or for a board, and what they take there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from kilograd.compiler import Program, compile_model
from kilograd.device.snapshots import SnapshotCache
from kilograd.errors import BudgetError
from kilograd.frontend.open import load_model
from kilograd.ir import Graph
from kilograd.measuring.firmware import Measurement, measure
from kilograd.scheme import load_scheme
from kilograd.targets import Target, get_target
from kilograd.toolchain import build_host_library

#: The target that is trained on: this machine.
HOST = "host"
#: The target that memory is measured on: an STM32F746.
BOARD = "cortex-m7"


def compiled(
    model: str,
    scheme: str,
    classes: int | None = None,
    *,
    target: str = HOST,
    row_input: bool = False,
    dump: Callable[[str, Graph], None] | None = None,
) -> Program:
    """A model and a scheme, compiled.

    Args:
        model: path of a checkpoint, or the name of an embedded backbone.
        scheme: as `kilograd train --scheme`.
        classes: of a fresh head; None keeps the model's own.
        target: name of the target.
        row_input: whether the sample arrives in rows.
        dump: as `compile_model`.
    """
    graph = load_model(model, classes)
    chosen = load_scheme(scheme, graph)
    return compile_model(graph, chosen, get_target(target), dump, row_input=row_input)


def open_cached(program: Program) -> SnapshotCache:
    """A program for this machine, opened; its frozen prefix runs once a sample."""
    return SnapshotCache(build_host_library(program.sources).path)


def measure_anywhere(program: Program) -> tuple[Measurement, bool]:
    """Measured on its board, or where it does not fit, on a roomy one; whether it fits."""
    try:
        return measure(program), True
    except BudgetError:
        return measure(replace(program, target=_roomy())), False


@cache
def _roomy() -> Target:
    """A Cortex-M7 that no chip is: for what no board holds, such as updating everything."""
    board = get_target(BOARD)
    return replace(
        board,
        name=f"{BOARD}-roomy",
        part="no chip: a Cortex-M7 with 8 MB of SRAM",
        memory=tuple(
            replace(region, length=8 << 20) if region.name == board.data else region
            for region in board.memory
        ),
    )
