"""kilograd compile writes C sources into a folder, whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from kilograd.cli.blame import blame
from kilograd.cli.sizes import Budgets
from kilograd.compiler import Program, compile_model
from kilograd.files import write_folder
from kilograd.frontend.open import load_model
from kilograd.measuring.budget import check_planned
from kilograd.passes import DEFAULT_SHARE
from kilograd.scheme import load_scheme
from kilograd.targets import Target, get_target


@dataclass(frozen=True)
class NamedModel:
    """What a command compiles.

    Attributes:
        model: name or path.
        scheme: what is trained.
        classes: of a new head; None for the head that the model came with.
        row_input: whether images arrive in rows.
        recompute: of a step's multiply-accumulates, those that may be done twice.
    """

    model: str
    scheme: str
    classes: int | None
    row_input: bool = False
    recompute: float = DEFAULT_SHARE

    def compile(self, target: Target) -> Program:
        """Load, select, compile."""
        graph = load_model(self.model, self.classes)
        scheme = load_scheme(self.scheme, graph)
        return compile_model(
            graph, scheme, target, row_input=self.row_input, recompute=self.recompute
        )


def write_sources(
    console: Console, named: NamedModel, target: str, output: Path, budgets: Budgets
) -> dict[str, Any]:
    """Write the sources beside each other into ``output``, which must not hold anything yet."""
    with blame("--target"):
        chosen = get_target(target)
    program = named.compile(chosen)
    check_planned(program, sram_budget=budgets.sram, flash_budget=budgets.flash)
    write_folder(output, program.sources)
    plan = program.plan
    console.print(
        f"{len(program.sources)} files are in {output}; the arena takes {plan.arena_bytes:,} bytes "
        f"(its lower bound is {plan.lower_bound_bytes:,}) and the trained state "
        f"{plan.state_bytes:,}",
        markup=False,
        highlight=False,
    )
    return {
        "output": str(output),
        "target": program.target.name,
        "files": sorted(program.sources),
        "arena": plan.arena_bytes,
        "trainable": plan.state_bytes,
        "lower_bound_bytes": plan.lower_bound_bytes,
        "macs_recomputed": program.recomputed_macs,
    }
