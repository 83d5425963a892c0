"""kilograd measure counts the memory and the instructions of a firmware."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console

from kilograd.cli.blame import blame
from kilograd.cli.compile import NamedModel
from kilograd.cli.sizes import Budgets
from kilograd.compiler import Program
from kilograd.device.serial_port import SCHEME, SPELLING
from kilograd.errors import BudgetError, DeviceError, ToolchainError
from kilograd.measuring.board import measure_board
from kilograd.measuring.firmware import FeatureCost, check_firmware_target, measure
from kilograd.measuring.sample_memory import MemoryCost
from kilograd.measuring.slices import Slices, measure_slices
from kilograd.report import terminal_memory_map
from kilograd.targets import get_target
from kilograd.toolchain import Compiler

#: Later boundaries that are shown.
_SHOWN_BOUNDARIES = 3


def measure_model(
    console: Console,
    named: NamedModel,
    target: str,
    compiler: str,
    budgets: Budgets,
    board: str | None,
) -> dict[str, Any]:
    """Show and return the measurement; over a budget is an error."""
    if board is not None and not board.startswith(SCHEME):
        raise DeviceError(
            f"{board!r} is no board",
            where="--device",
            hint=f"write {SPELLING}; all else is emulated",
        )
    if compiler not in ("zig", "gcc"):
        raise ToolchainError(
            f"there is no compiler {compiler!r}", where="--compiler", hint="choose zig or gcc"
        )
    with blame("--target"):
        chosen = get_target(target)
        check_firmware_target(chosen)
    program = named.compile(chosen)
    with blame("--device"):
        times = None if board is None else measure_board(program, board)
    result = measure(
        program, compiler=compiler, sram_budget=budgets.sram, flash_budget=budgets.flash
    )
    shown = budgets.sram if budgets.sram is not None else program.target.ram_bytes
    console.print(terminal_memory_map(program, result, shown))
    rows = [
        ("flash", f"{result.flash_bytes:,} bytes"),
        ("inference", f"{result.instructions_inference:,} instructions, emulated"),
        ("training step", f"{result.instructions_train_step:,} instructions, emulated"),
        ("MACs", f"{result.macs_forward:,} forward, {result.macs_backward:,} backward"),
    ]
    if again := program.recomputed_macs:
        rows.append(("", f"{again:,} of the backward ones are done twice to save memory"))
    slices = _slices(program, compiler)
    rows += _describe_slices(slices)
    if result.features is not None:
        rows += _describe(result.features)
    if result.memory is not None:
        rows += _describe_memory(result.memory, result.instructions_train_step)
    if times is not None:
        rows.append(("on the board", f"{times.inference_seconds:.6f} s an inference, by its clock"))
        rows.append(("", f"{times.train_step_seconds:.6f} s a training step"))
    for label, value in rows:
        console.print(f"{label:>14}  {value}", markup=False, highlight=False)
    return {
        "model": program.graph.name,
        "scheme": program.scheme.name,
        "classes": program.class_count,
        "input": "streamed" if named.row_input else "held",
        "macs_recomputed": program.recomputed_macs,
        **result.as_dict(),
        "slices": None if slices is None else slices.as_dict(),
        "board": None if times is None else asdict(times),
    }


def _slices(program: Program, compiler: Compiler) -> Slices | None:
    """None where the firmware only just fits, and not with a yield hook."""
    try:
        return measure_slices(program, compiler)
    except BudgetError:
        return None


def _describe_slices(slices: Slices | None) -> list[tuple[str, str]]:
    label = "longest slice"
    if slices is None:
        return [(label, "not measured: with a yield hook, the firmware does not fit")]
    step = slices.train_step
    return [
        (label, f"{step.longest:,} instructions between two calls of kg_yield, emulated"),
        ("", f"in {step.kernel}; {slices.inference.longest:,} in an inference"),
    ]


def _describe(cost: FeatureCost) -> list[tuple[str, str]]:
    parts = (
        f"{cost.flash_bytes:,} bytes of flash",
        f"{cost.static_bytes:,} of data + bss",
        f"{cost.scratch_bytes:,} of the arena",
    )
    return [
        ("features", f"{cost.instructions:,} instructions an input, emulated"),
        ("", f"{', '.join(parts)}; the figures above include all of it"),
    ]


def _describe_memory(cost: MemoryCost, step: int) -> list[tuple[str, str]]:
    share = cost.instructions_replay / step
    rows = [
        ("memory", f"{cost.samples:,} samples of {cost.sample_bytes:,} bytes, all in data + bss"),
        ("replay", f"{cost.instructions_replay:,} instructions, emulated; {share:.1%} of a step"),
    ]
    rows += [
        ("", f"were all frozen before {choice.layer}: {choice.map_bytes:,} bytes a sample")
        for choice in cost.later[:_SHOWN_BOUNDARIES]
    ]
    return rows
