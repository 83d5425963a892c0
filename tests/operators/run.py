"""Lays a case's tensors out in memory, runs its kernel on a device and checks every byte."""

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kilograd.memory.state_layout import StateHeader
from kilograd.ops.spec import Array, StepContext, TrainingCounters
from operators.cases import OperatorCase
from operators.draws import draw_context, draw_inputs
from operators.source import CLASSES, MEMORY, TENSORS

_CANARY = 16
COUNTERS = struct.Struct("<10I")


@dataclass(frozen=True)
class Run:
    """A case with inputs and context, the index of its function, and the outputs it must give."""

    index: int
    item: OperatorCase
    features: frozenset[str]
    inputs: list[Array]
    context: StepContext
    expected: tuple[Array, ...]

    @property
    def owners(self) -> list[int]:
        """For each tensor, the one whose memory it has: itself, or an input it overwrites."""
        owners = list(range(TENSORS))
        first = len(self.inputs)
        for output, source in self.item.overwrites.items():
            owners[first + output] = source
        if self.item.alias is not None:
            owners[first] = self.item.alias
        return owners

    @property
    def sizes(self) -> list[int]:
        types = [*self.item.case.inputs, *self.item.outputs]
        sizes = [type_.nbytes for type_ in types] + [self.item.scratch_bytes(self.features)]
        return sizes + [0] * (TENSORS - len(sizes))

    @property
    def control(self) -> bytes:
        c = self.context
        rate = (c.rate_mantissa, c.rate_exponent)
        return struct.pack("<IIiiii", c.seed, c.step, c.label, c.classes, *rate)

    def after(self, memory: Sequence[bytes], counters: TrainingCounters) -> None:
        """Compare all tensors and counters; inputs that nothing overwrites must be unchanged."""
        assert counters == self.context.counters, self.item
        owners, first = self.owners, len(self.inputs)
        for output, expected in enumerate(self.expected):
            actual = np.frombuffer(memory[owners[first + output]], expected.dtype)
            np.testing.assert_array_equal(
                actual.reshape(expected.shape), expected, f"{self.item}: output {output}"
            )
        overwritten = {owners[first + output] for output in range(len(self.expected))}
        for index, array in enumerate(self.inputs):
            if index not in overwritten:
                assert memory[index] == array.tobytes(), f"{self.item} changed input {index}"


def make_run(
    index: int,
    item: OperatorCase,
    seed: int,
    fill: str,
    features: frozenset[str] = frozenset(),
) -> Run:
    """A run with seeded inputs, and what the reference says of it."""
    rng = np.random.default_rng([index, seed])
    inputs = draw_inputs(item.spec, item.case, rng, fill)
    context = draw_context(rng, item.case.inputs[0].size, item.spec.label_kind)
    case = item.case
    copies = [array.copy() for array in inputs]
    expected = item.spec.reference(case.attributes, case.inputs, copies, context)
    return Run(index, item, features, inputs, context, expected)


def lay_out(run: Run) -> tuple[list[int], int]:
    """Offset of each tensor, with room for canaries around them, and the bytes of all.

    int8 tensors lie at odd addresses, as constants in flash may.
    """
    offsets = [0] * TENSORS
    end = StateHeader.BYTES
    for tensor, (owner, size) in enumerate(zip(run.owners, run.sizes, strict=True)):
        if owner != tensor:
            offsets[tensor] = offsets[owner]
            continue
        start = -(-(end + _CANARY) // 4) * 4
        offsets[tensor] = start + (1 if _is_bytes(run, tensor) else 0)
        end = offsets[tensor] + size
    return offsets, end + _CANARY


def execute(device, run: Run, memory_bytes: int = MEMORY) -> None:
    """Run on a device with `model_sources`: random canaries around every tensor must survive."""
    rng = np.random.default_rng(run.index)
    memory = bytearray(rng.bytes(memory_bytes))
    offsets, end = lay_out(run)
    assert end <= memory_bytes
    for offset, array in zip(offsets, run.inputs, strict=False):
        memory[offset : offset + array.nbytes] = array.tobytes()
    request = struct.pack("<i", run.index) + run.control + struct.pack(f"<{TENSORS}i", *offsets)
    memory[: StateHeader.BYTES] = StateHeader(0, 0, CLASSES).pack()
    device.initialize(0)
    device.write_state(bytes(memory))
    device.predict(np.frombuffer(request, np.int8))
    after = device.read_state()
    spans = [
        (offset, offset + size) for offset, size in zip(offsets, run.sizes, strict=True) if size
    ]
    run.after([after[start:stop] for start, stop in spans], device.counters().training)
    untouched = bytearray(after)
    for start, stop in spans:
        untouched[start:stop] = memory[start:stop]
    where = [at for at, byte in enumerate(memory) if untouched[at] != byte]
    assert not where, f"{run.item} wrote outside its tensors, at {where[:8]} of {spans}"


def _is_bytes(run: Run, tensor: int) -> bool:
    types = [*run.item.case.inputs, *run.item.outputs]
    return tensor < len(types) and types[tensor].dtype.itemsize == 1


def execute_program(program: Path, runs: Sequence[Run]) -> None:
    """Run all through the program made of `MAIN_C`."""
    parts: list[bytes] = []
    for run in runs:
        sizes = struct.pack(f"<{2 * TENSORS}i", *run.sizes, *run.owners)
        parts.append(struct.pack("<i", run.index) + run.control + sizes)
        for tensor in range(TENSORS):
            if run.owners[tensor] == tensor:
                given = tensor < len(run.inputs)
                parts.append(run.inputs[tensor].tobytes() if given else bytes(run.sizes[tensor]))
    done = subprocess.run([program], input=b"".join(parts), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    position = 0
    for run in runs:
        memory = [b""] * TENSORS
        counters = COUNTERS.unpack_from(done.stdout, position)
        position += COUNTERS.size
        for tensor, size in enumerate(run.sizes):
            if run.owners[tensor] == tensor:
                memory[tensor] = done.stdout[position : position + size]
                position += size
        run.after(memory, TrainingCounters(*counters))
    assert position == len(done.stdout)
