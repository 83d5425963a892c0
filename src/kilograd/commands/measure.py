"""kilograd measure: memory and instructions of a firmware."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from kilograd.commands.compile import compile_named
from kilograd.commands.sizes import parse_size
from kilograd.errors import ToolchainError
from kilograd.measure import measure
from kilograd.report import terminal_memory_map


def measure_model(
    console: Console,
    model: str,
    scheme: str,
    classes: int,
    target: str,
    compiler: str,
    sram: str,
    flash: str,
) -> dict[str, Any]:
    """Show and return the measurement; over a budget is an error."""
    if compiler not in ("zig", "gcc"):
        raise ToolchainError(
            f"there is no compiler {compiler!r}", where="--compiler", hint="zig and gcc are known"
        )
    sram_budget = parse_size(sram, "--sram")
    program = compile_named(model, scheme, classes)
    result = measure(
        program,
        target,
        compiler=compiler,
        sram_budget=sram_budget,
        flash_budget=parse_size(flash, "--flash"),
    )
    console.print(terminal_memory_map(program, result, sram_budget))
    for label, value in (
        ("flash", f"{result.flash_bytes:,} bytes"),
        ("inference", f"{result.instructions_inference:,} instructions, emulated"),
        ("training step", f"{result.instructions_train_step:,} instructions, emulated"),
        ("MACs", f"{result.macs_forward:,} forward, {result.macs_backward:,} backward"),
    ):
        console.print(f"{label:>14}  {value}", markup=False, highlight=False)
    return {
        "model": program.graph.name,
        "scheme": program.scheme.name,
        "classes": classes,
        **result.as_dict(),
    }
