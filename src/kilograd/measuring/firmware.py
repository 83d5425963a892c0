"""Measures a firmware: memory as linked and as run, instructions as executed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kilograd.compiler import Program
from kilograd.device.protocol import LearningRate
from kilograd.device.unicorn import UnicornDevice
from kilograd.errors import BudgetError, KilogradError, ToolchainError
from kilograd.features import features_of
from kilograd.ir import Phase
from kilograd.memory import Buffer, scratch_name
from kilograd.targets import get_target
from kilograd.toolchain import Build, Compiler, build_firmware, firmware_sizes


@dataclass(frozen=True)
class FeatureCost:
    """What it takes to make the network's input from samples of a sensor.

    Attributes:
        instructions: executed for one input, emulated.
        flash_bytes: of its code and tables; part of the firmware's.
        static_bytes: samples that wait, and counts; part of ``data_bss``.
        scratch_bytes: working memory, overlaid with all that the arena holds but the sample.
    """

    instructions: int
    flash_bytes: int
    static_bytes: int
    scratch_bytes: int


@dataclass(frozen=True)
class Measurement:
    """What one inference and one training step need, in bytes and executed instructions.

    Attributes:
        target: the device that was emulated.
        sram_total_bytes: everything in RAM: arena + trainable + data_bss + stack.
        arena: activations, saved tensors, gradients, scratch and the sample, overlaid.
        trainable: trained weights and biases, exponents, seed and step counter.
        data_bss: every other static variable.
        stack: high-water mark over an inference and a training step, and over making an input.
        flash_bytes: code, constants and the image of initialised data.
        instructions_inference: executed by kg_predict, emulated.
        instructions_train_step: executed by kg_train_step, emulated.
        macs_forward: multiply-accumulates of an inference.
        macs_backward: multiply-accumulates that a training step adds.
        lower_bound_bytes: no order and no placement of the same nodes needs a smaller arena.
        compiler: name of the C compiler.
        compiler_version: what it says it is.
        features: of a network that reads features of audio or motion; all other figures of memory
            count them in.
    """

    target: str
    sram_total_bytes: int
    arena: int
    trainable: int
    data_bss: int
    stack: int
    flash_bytes: int
    instructions_inference: int
    instructions_train_step: int
    macs_forward: int
    macs_backward: int
    lower_bound_bytes: int
    compiler: str
    compiler_version: str
    features: FeatureCost | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure(
    program: Program,
    target: str,
    *,
    compiler: Compiler = "zig",
    sram_budget: int | None = None,
    flash_budget: int | None = None,
) -> Measurement:
    """Compile, link, and run one inference and one training step emulated.

    Args:
        program: the compiled model.
        target: a Cortex-M target's name.
        compiler: zig or gcc.
        sram_budget: bytes that ``sram_total_bytes`` may not pass.
        flash_budget: likewise for ``flash_bytes``.

    Raises:
        BudgetError: over a budget; names the peak, what is live there, and what would lower it.
    """
    if sram_budget is not None:
        check_sram(program, program.plan.arena_bytes + program.plan.state_bytes, sram_budget)
    build = build_program(program, target, compiler)
    sizes = firmware_sizes(build.path)
    inference, step, stack = _run(program, build)
    result = Measurement(
        target=target,
        sram_total_bytes=sizes.arena + sizes.trainable + sizes.data_bss + stack,
        arena=sizes.arena,
        trainable=sizes.trainable,
        data_bss=sizes.data_bss,
        stack=stack,
        flash_bytes=sizes.flash_bytes,
        instructions_inference=inference,
        instructions_train_step=step,
        macs_forward=program.macs(Phase.INFERENCE),
        macs_backward=program.macs(Phase.TRAINING),
        lower_bound_bytes=program.plan.lower_bound_bytes,
        compiler=build.compiler,
        compiler_version=build.version,
        features=_measure_features(program, build),
    )
    if sram_budget is not None:
        check_sram(program, result.sram_total_bytes, sram_budget)
    if flash_budget is not None and result.flash_bytes > flash_budget:
        raise BudgetError(
            f"needs {result.flash_bytes:,} bytes of flash, budget {flash_budget:,}",
            where=program.graph.name,
            hint="a narrower model, or fewer trained biases (each keeps a scale in flash)",
        )
    return result


def build_program(program: Program, target: str, compiler: Compiler = "zig") -> Build:
    """The firmware of a program.

    Raises:
        BudgetError: when it cannot even be linked for the target's memories.
        ToolchainError: for an unknown target, or the host.
    """
    resolved = get_target(target)
    if resolved.is_host:
        raise ToolchainError(
            "the host is no microcontroller: there is no firmware to measure",
            where="--target",
            hint="choose a Cortex-M target, such as cortex-m7",
        )
    try:
        return build_firmware(program.sources, resolved, compiler=compiler)
    except BudgetError as error:
        peak = describe_peak(program)
        raise BudgetError(f"{error.what}; {peak}", where=error.where, hint=error.hint) from error


def check_sram(program: Program, needed: int, budget: int) -> None:
    """BudgetError when ``needed`` bytes pass the budget."""
    if needed > budget:
        raise BudgetError(
            f"needs {needed:,} bytes of SRAM, budget {budget:,}; {describe_peak(program)}",
            where=program.graph.name,
            hint=_what_would_help(program, needed - budget),
        )


def describe_peak(program: Program) -> str:
    """The operator at the arena's peak and the tensors live there, largest first."""
    plan = program.plan
    index = min(plan.peak_index, len(program.graph.nodes) - 1)
    node = program.graph.nodes[index]
    live = plan.live_at(index)
    shown = ", ".join(f"{_describe(b, program)} {b.size:,}" for b in live[:5])
    rest = sum(b.size for b in live[5:])
    tail = f", {len(live) - 5} more {rest:,}" if rest else ""
    return f"the peak of {sum(b.size for b in live):,} is at {node.name}: {shown}{tail}"


def _describe(buffer: Buffer, program: Program) -> str:
    for group in program.graph.row_groups:
        if buffer.name == scratch_name(group.nodes[0]):
            return f"rows of {group.nodes[0]} to {group.nodes[-1]}"
    return buffer.name.replace("#scratch", " (scratch)")


def _what_would_help(program: Program, excess: int) -> str:
    """The cheapest single changes that free the excess, by what they free."""
    plan, graph = program.plan, program.graph
    index = min(plan.peak_index, len(graph.nodes) - 1)
    savings: list[tuple[int, str]] = []
    for layer in program.scheme.weights:
        names = (f"{layer}.weight", f"{layer}.weight.delta")
        weight = next((s for s in graph.states if s.name in names), None)
        readers = [n for n in graph.nodes if weight and weight.name in n.inputs]
        saved = {name for node in readers for name in node.inputs}
        held = sum(
            b.size for b in plan.live_at(index) if b.first < index and saved.intersection(b.values)
        )
        if weight is not None:
            savings.append((weight.type.nbytes + held, f"freezing the weights of {layer}"))
    biases = sum(s.type.nbytes for s in graph.states if s.name.endswith(".bias"))
    savings.append((biases, "freezing all biases"))
    enough = [saving for saving in sorted(savings) if saving[0] >= excess]
    best = enough[0] if enough else max(savings)
    verb = "is enough" if enough else "is the most that one change frees"
    options = f"{best[1]} frees {best[0]:,} bytes and {verb}"
    if not enough:
        node = graph.nodes[index]
        options += f"; the peak itself is set by {node.name}: a smaller input or a narrower model"
        sample = _sample_in_the_way(program, index)
        if sample:
            options += (
                f"; streamed in rows (--stream-input of measure and compile), the sample of "
                f"{sample:,} bytes is never whole"
            )
    return options


def _sample_in_the_way(program: Program, index: int) -> int:
    """Bytes of the sample where it is whole at the peak but could be streamed; else 0."""
    graph = program.graph
    sample = graph.inputs[0]
    readers = graph.readers()[sample.name]
    is_read_again = any(node.phase is Phase.TRAINING for node in readers)
    is_live = any(sample.name in buffer.values for buffer in program.plan.live_at(index))
    return sample.type.nbytes if is_live and not is_read_again and not graph.features else 0


def _measure_features(program: Program, build: Build) -> FeatureCost | None:
    """The instructions of one input, and what a firmware without the features would not hold."""
    features = features_of(program.graph)
    if features is None:
        return None
    samples = np.random.Generator(np.random.PCG64(0)).integers(
        -8000, 8000, (features.samples, features.sample_channels)
    )
    with UnicornDevice(build.path, build.target) as device:
        device.extract(samples.astype(np.int16))
        instructions = device.instructions_extract
    added = features.firmware_sources(0).keys()
    rest = {name: text for name, text in program.sources.items() if name not in added}
    without = firmware_sizes(build_firmware(rest, build.target, compiler=build.compiler).path)
    sizes = firmware_sizes(build.path)
    return FeatureCost(
        instructions=instructions,
        flash_bytes=sizes.flash_bytes - without.flash_bytes,
        static_bytes=sizes.data_bss - without.data_bss,
        scratch_bytes=features.scratch_bytes,
    )


def _run(program: Program, build: Build) -> tuple[int, int, int]:
    """Instructions of an inference and of a step, and the stack's high-water mark."""
    sample = np.random.Generator(np.random.PCG64(0)).integers(
        -128, 128, program.graph.inputs[0].type.shape
    )
    with UnicornDevice(build.path, build.target) as device:
        device.initialize(0)
        device.predict(sample.astype(np.int8))
        inference = device.counters().instructions_last_call
        device.train_step(sample.astype(np.int8), 0, LearningRate.from_float(0.01, 100))
        counters = device.counters()
    step, stack = counters.instructions_last_call, counters.stack_bytes
    if inference is None or step is None or stack is None:
        raise KilogradError("the emulator measured nothing")
    return inference, step, stack
