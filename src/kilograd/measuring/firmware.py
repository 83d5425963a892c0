"""Measures a firmware: memory as linked and as run, instructions as executed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kilograd.compiler import Program
from kilograd.device.protocol import LearningRate
from kilograd.device.unicorn import UnicornDevice
from kilograd.errors import BudgetError, KilogradError, TargetError
from kilograd.features import features_of
from kilograd.ir import Phase
from kilograd.measuring.budget import check_flash, check_planned, check_sram, describe_peak
from kilograd.measuring.sample_memory import MemoryCost, measure_sample_memory
from kilograd.targets import Target
from kilograd.toolchain import (
    Build,
    Compiler,
    build_firmware,
    firmware_sizes,
    read_symbols,
)


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
        memory: of samples that are learned from again; None without one.
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
    memory: MemoryCost | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure(
    program: Program,
    *,
    compiler: Compiler = "zig",
    sram_budget: int | None = None,
    flash_budget: int | None = None,
) -> Measurement:
    """Compile, link, and run one inference and one training step emulated.

    Args:
        program: the compiled model; its target is emulated.
        compiler: zig or gcc.
        sram_budget: bytes that ``sram_total_bytes`` may not pass.
        flash_budget: likewise for ``flash_bytes``.

    Raises:
        BudgetError: over a budget; names the peak, what is live there, and what would lower it.
    """
    check_planned(program, sram_budget=sram_budget, flash_budget=flash_budget)
    build = build_program(program, compiler)
    sizes = firmware_sizes(build.path)
    inference, step, stack = _run(program, build)
    memory = measure_sample_memory(program, build)
    if memory is not None:
        stack = max(stack, memory.stack)
    result = Measurement(
        target=program.target.name,
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
        memory=memory,
    )
    if sram_budget is not None:
        check_sram(program, result.sram_total_bytes, sram_budget)
    if flash_budget is not None:
        check_flash(program, result.flash_bytes, flash_budget)
    return result


def check_firmware_target(target: Target) -> None:
    """Refuse a target for which kilograd builds no firmware.

    Raises:
        TargetError: it has no memories.
    """
    if not target.memory:
        raise TargetError(
            f"{target.name} is not a microcontroller: it has no memories to put a firmware into",
            hint="choose a microcontroller, such as cortex-m7",
        )


def build_program(program: Program, compiler: Compiler = "zig") -> Build:
    """The firmware of a program.

    Raises:
        BudgetError: when it cannot even be linked for the target's memories.
        TargetError: for a target without memories, such as the host.
    """
    check_firmware_target(program.target)
    try:
        return build_firmware(program.sources, program.target, compiler=compiler)
    except BudgetError as error:
        peak = describe_peak(program)
        raise BudgetError(f"{error.what}; {peak}", where=error.where, hint=error.hint) from error


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
    without = build_firmware(rest, build.target, compiler=build.compiler)
    flash = [firmware_sizes(built.path).flash_bytes for built in (build, without)]
    region = build.target.data_region
    variables = [
        read_symbols(built.path).bytes_between(region.origin, region.end)
        for built in (build, without)
    ]
    return FeatureCost(
        instructions=instructions,
        flash_bytes=flash[0] - flash[1],
        static_bytes=variables[0] - variables[1],
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
