"""kilograd compile: C sources into a folder, all or nothing."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from kilograd.compiler import Program, compile_model
from kilograd.errors import UserError
from kilograd.frontend.open import load_model
from kilograd.passes import DEFAULT_SHARE
from kilograd.scheme import load_scheme
from kilograd.targets import get_target


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

    def compile(self) -> Program:
        """Load, select, compile."""
        graph = load_model(self.model, self.classes)
        scheme = load_scheme(self.scheme, graph)
        return compile_model(graph, scheme, row_input=self.row_input, recompute=self.recompute)


def write_sources(console: Console, named: NamedModel, target: str, output: Path) -> dict[str, Any]:
    """Write the sources beside each other into ``output``, which must not hold anything yet."""
    get_target(target)
    program = named.compile()
    try:
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise UserError(
                "the output is not an empty folder", where=str(output), hint="name a new folder"
            )
        output.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".kilograd-", dir=output.parent))
        try:
            for name, text in program.sources.items():
                (staging / name).write_text(text)
            if output.exists():
                output.rmdir()
            staging.chmod(0o755)
            staging.rename(output)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise UserError(f"the sources cannot be written: {error}", where=str(output)) from error
    plan = program.plan
    console.print(
        f"{len(program.sources)} files in {output}: arena {plan.arena_bytes:,} B "
        f"(lower bound {plan.lower_bound_bytes:,}), trainable {plan.state_bytes:,} B",
        markup=False,
        highlight=False,
    )
    return {
        "output": str(output),
        "files": sorted(program.sources),
        "arena": plan.arena_bytes,
        "trainable": plan.state_bytes,
        "lower_bound_bytes": plan.lower_bound_bytes,
        "macs_recomputed": program.recomputed_macs,
    }
