"""kilograd compile writes C sources as a folder or an archive, whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from kilograd.cli.blame import blame
from kilograd.cli.memory import MemoryRequest
from kilograd.cli.saved import compile_saved
from kilograd.cli.sizes import Budgets
from kilograd.cli.source import ModelSource
from kilograd.compiler import Program, compile_model
from kilograd.errors import UserError
from kilograd.export import export_c, export_zip
from kilograd.export.deployment import named_classes
from kilograd.export.folder import check_archivable
from kilograd.export.library import library_name
from kilograd.export.prefix import check_prefix
from kilograd.measuring.budget import check_planned
from kilograd.passes import DEFAULT_SHARE
from kilograd.scheme import load_scheme
from kilograd.targets import Target, get_target
from kilograd.training.state_file import SavedState, read_state_file


@dataclass(frozen=True)
class NamedModel:
    """What a command compiles.

    Attributes:
        source: of the model.
        scheme: what is trained; None for the default.
        classes: of a new head; None for the head that the model came with.
        row_input: whether images arrive in rows.
        recompute: of a step's multiply-accumulates, those that may be done twice.
        memory: of samples that are learned from again; None for none.
    """

    source: ModelSource
    scheme: str | None
    classes: int | None
    row_input: bool = False
    recompute: float = DEFAULT_SHARE
    memory: MemoryRequest | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """None are known."""
        return ()

    @property
    def threshold(self) -> int | None:
        """Of what is normal, nothing was learned yet."""
        return None

    def compile(self, target: Target) -> Program:
        """Load, select, compile."""
        graph = self.source.load(self.classes)
        default = self.source.default_scheme
        scheme = load_scheme(default if self.scheme is None else self.scheme, graph)
        program = compile_model(
            graph, scheme, target, row_input=self.row_input, recompute=self.recompute
        )
        if self.memory is None:
            return program
        return program.remembering(self.memory.options(program).samples)


@dataclass(frozen=True)
class LearnedModel:
    """A model with what it learned.

    Attributes:
        source: of the model.
        path: of the state file.
        row_input: whether images arrive in rows.
        recompute: of a step's multiply-accumulates, those that may be done twice.
    """

    source: ModelSource
    path: Path
    row_input: bool = False
    recompute: float = DEFAULT_SHARE

    @cached_property
    def saved(self) -> SavedState:
        """What its file says."""
        return read_state_file(self.path)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of what it learned."""
        return self.saved.origin.class_names

    @property
    def threshold(self) -> int | None:
        """Above which errors are those of anomalies; None where it learned something else."""
        return self.saved.threshold

    def refuse(self, *options: tuple[str, object, object, object]) -> None:
        """Refuse options that say otherwise than the state.

        Args:
            options: for each its name, what was asked for, its default, and what the state says.

        Raises:
            UserError: names the first that differs.
        """
        for option, asked, default, known in options:
            if asked not in (default, known):
                raise UserError(
                    f"what was learned has {known}, and not {asked}",
                    where=option,
                    hint=f"leave {option} out: the state file says it",
                )

    def compile(self, target: Target) -> Program:
        """The network knows from the start what was learned."""
        program = compile_saved(
            self.source,
            self.saved,
            str(self.path),
            target,
            row_input=self.row_input,
            recompute=self.recompute,
        )
        return program.starting_from(self.saved.state)


@dataclass(frozen=True)
class Output:
    """Where the C goes, and how it names things.

    Attributes:
        path: of a new folder, an empty one, or one that kilograd wrote; of a file as an archive.
        prefix: of every file and symbol.
        class_names: with commas between them; None for "class 0", "class 1", …
        is_archive: whether it is a .zip archive.
    """

    path: Path
    prefix: str
    class_names: str | None
    is_archive: bool = False

    def names(self) -> tuple[str, ...]:
        """The class names one by one."""
        given = (self.class_names or "").split(",")
        return tuple(name.strip() for name in given) if self.class_names else ()


def write_sources(
    console: Console,
    named: NamedModel | LearnedModel,
    target: str,
    output: Output,
    budgets: Budgets,
) -> dict[str, Any]:
    """Write the C as a library, with a README and examples."""
    with blame("--target"):
        chosen = get_target(target)
        if output.is_archive:
            check_archivable(chosen)
    with blame("--prefix"):
        check_prefix(output.prefix)
    program = named.compile(chosen)
    with blame("--class-names"):
        names = named_classes(
            output.names() or named.class_names, program.class_count, program.graph.label_kind
        )
    check_planned(program, sram_budget=budgets.sram, flash_budget=budgets.flash)
    export = export_zip if output.is_archive else export_c
    files = export(
        program,
        output.path,
        prefix=output.prefix,
        class_names=names,
        threshold=named.threshold,
    )
    plan = program.plan
    console.print(
        f"{len(files)} files are in {output.path}, README.md first; the arena takes "
        f"{plan.arena_bytes:,} bytes (its lower bound is {plan.lower_bound_bytes:,}) and the "
        f"trained state {plan.state_bytes:,}",
        markup=False,
        highlight=False,
    )
    if not (chosen.memory or chosen.is_host):
        console.print(
            "The C runs on any processor of 32 bits or more. Name yours with --target for faster "
            "kernels, and for its SRAM, flash and instructions in README.md.",
            highlight=False,
        )
    return {
        "output": str(output.path),
        "library": library_name(program.graph.name, output.prefix),
        "target": program.target.name,
        "model_id": f"{program.model_id:08x}",
        "files": files,
        "arena": plan.arena_bytes,
        "trainable": plan.state_bytes,
        "lower_bound_bytes": plan.lower_bound_bytes,
        "macs_recomputed": program.recomputed_macs,
    }
