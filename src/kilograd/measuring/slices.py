"""How long a call keeps the processor at most: from one call of the yield hook to the next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kilograd.compiler import Program
from kilograd.device.protocol import LearningRate
from kilograd.device.unicorn import UnicornDevice
from kilograd.errors import KilogradError
from kilograd.measuring.firmware import check_firmware_target
from kilograd.ops import kernel_call
from kilograd.toolchain import Compiler, build_firmware, firmware_sizes

#: What begins a slice, besides the hook, and what the firmware does after a call.
_CALLS = ("kg_push_rows", "kg_predict", "kg_train_step")
_REPLY = "kg_reply"

#: The hook, and what an application does to have it called; here it does nothing.
_HOOK = "kg_yield"
_HOOK_C = {"kg_measured_yield.c": '#include "kilograd.h"\n\nvoid kg_yield(void)\n{\n}\n'}
_HOOK_FLAGS = ("-DKG_YIELD",)


@dataclass(frozen=True)
class CallSlices:
    """What the yield hook makes of a call.

    Attributes:
        count: calls of the hook.
        longest: instructions, emulated, of the longest slice: from the beginning of the call, or
            from one call of the hook, to the next one, or to the end.
        kernel: C function that began last before the longest slice ended.
        instructions: of the whole call, with a hook that does nothing.
    """

    count: int
    longest: int
    kernel: str
    instructions: int


@dataclass(frozen=True)
class Slices:
    """Slices of a prediction and of a training step.

    Attributes:
        inference: of kg_predict.
        train_step: of kg_train_step.
        stack: high-water mark over both with the hook, in bytes.
        flash_bytes: of the firmware with the hook.
    """

    inference: CallSlices
    train_step: CallSlices
    stack: int
    flash_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure_slices(program: Program, compiler: Compiler = "zig") -> Slices:
    """Build the firmware with a yield hook, and run one inference and one training step emulated.

    Args:
        program: the compiled model; its target is emulated.
        compiler: zig or gcc.

    Raises:
        BudgetError: the firmware cannot be linked for the target's memories.
        TargetError: for a target without memories, such as the host.
    """
    check_firmware_target(program.target)
    build = build_firmware(
        {**program.sources, **_HOOK_C}, program.target, compiler=compiler, extra_flags=_HOOK_FLAGS
    )
    kernels = {kernel_call(node, program.graph).function for node in program.graph.nodes}
    shape = program.graph.inputs[0].type.shape
    generator = np.random.Generator(np.random.PCG64(0))
    sample = generator.integers(-128, 128, shape).astype(np.int8)
    with UnicornDevice(build.path, build.target) as device:
        trace = _Trace()
        device.watch((*_CALLS, _HOOK, _REPLY, *kernels), trace.entered)
        device.initialize(0)
        trace.clear()
        device.predict(sample)
        inference = trace.slices(device.counters().instructions_last_call)
        trace.clear()
        device.train_step(sample, 0, LearningRate.from_float(0.01, 100))
        counters = device.counters()
        step = trace.slices(counters.instructions_last_call)
    if counters.stack_bytes is None:
        raise KilogradError("the emulator measured nothing")
    return Slices(inference, step, counters.stack_bytes, firmware_sizes(build.path).flash_bytes)


class _Trace:
    """Cuts a call into slices while it runs."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._hooks = self._longest = 0
        self._kernel = self._slowest = ""
        self._began: int | None = None

    def entered(self, function: str, executed: int) -> None:
        """Takes a function that was entered, and the instructions executed until then."""
        if function in _CALLS:
            self._began = executed
        elif function not in (_HOOK, _REPLY):
            self._kernel = function
        elif self._began is not None:
            if executed - self._began > self._longest:
                self._longest, self._slowest = executed - self._began, self._kernel
            self._hooks += function == _HOOK
            self._began = executed if function == _HOOK else None

    def slices(self, instructions: int | None) -> CallSlices:
        """Of the call, which took so many instructions."""
        if instructions is None:
            raise KilogradError("the emulator measured nothing")
        return CallSlices(self._hooks, self._longest, self._slowest, instructions)
