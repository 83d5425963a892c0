"""The reference: every operator's exact integer NumPy, in the schedule's order."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from kilograd.device.protocol import (
    Counters,
    LearningRate,
    check_label,
    check_seed,
    check_state,
    sample_bytes,
)
from kilograd.ir import Phase
from kilograd.memory.plan import STATE_HEADER_BYTES
from kilograd.ops import REGISTRY
from kilograd.ops.spec import Array, StepContext

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray
    from typing_extensions import Self

    from kilograd.compiler import Program


class ReferenceDevice:
    """Runs a program's graph in NumPy. Slow, and the definition of what is right."""

    name = "reference"

    def __init__(self, program: Program) -> None:
        self._program = program
        self._states: dict[str, Array] = {}
        self._seed = 0
        self._step = 0
        self.initialize(0)

    @property
    def class_count(self) -> int:
        """Number of logits."""
        return self._program.class_count

    def initialize(self, seed: int) -> None:
        """Initial states, step 0."""
        check_seed(seed)
        self._seed, self._step = seed, 0
        self._states = {state.name: state.array.copy() for state in self._program.graph.states}

    def predict(self, sample: NDArray[np.int8]) -> NDArray[np.int32]:
        """Run the inference nodes."""
        return self._run(sample, StepContext(self._seed, self._step), training=False)

    def train_step(
        self, sample: NDArray[np.int8], label: int, rate: LearningRate
    ) -> NDArray[np.int32]:
        """Run all nodes, then take the states over."""
        check_label(label, self.class_count)
        context = StepContext(self._seed, self._step, label, *rate.at(self._step))
        logits = self._run(sample, context, training=True)
        self._step = (self._step + 1) & 0xFFFFFFFF
        return logits

    def read_state(self) -> bytes:
        """Seed, step and states, laid out as on the device."""
        plan = self._program.plan
        state = bytearray(plan.state_bytes)
        struct.pack_into("<II", state, 0, self._seed, self._step)
        for name, offset in plan.states.items():
            contents = self._states[name].tobytes()
            state[offset : offset + len(contents)] = contents
        return bytes(state)

    def write_state(self, state: bytes) -> None:
        """The opposite of ``read_state``."""
        plan = self._program.plan
        check_state(state, plan.state_bytes)
        self._seed, self._step = struct.unpack_from("<II", state[:STATE_HEADER_BYTES])
        for value in self._program.graph.states:
            flat = np.frombuffer(
                state, value.type.dtype.numpy, value.type.size, plan.states[value.name]
            )
            self._states[value.name] = flat.reshape(value.type.shape).copy()

    def counters(self) -> Counters:
        """NumPy has no stack or instructions worth counting."""
        return Counters(None, None)

    def close(self) -> None:
        """Nothing to free."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run_all(self, sample: NDArray[np.int8], context: StepContext) -> dict[str, Array]:
        """Every value of one training step, by name; the states are left as they are."""
        return self._evaluate(sample, context, training=True)

    def _run(
        self, sample: NDArray[np.int8], context: StepContext, *, training: bool
    ) -> NDArray[np.int32]:
        values = self._evaluate(sample, context, training=training)
        graph = self._program.graph
        if training:
            for state, new in graph.updates.items():
                self._states[state] = values[new]
        return values[graph.outputs[0]].astype(np.int32)

    def _evaluate(
        self, sample: NDArray[np.int8], context: StepContext, *, training: bool
    ) -> dict[str, Array]:
        graph = self._program.graph
        entry = graph.inputs[0]
        flat = np.frombuffer(sample_bytes(sample, entry.type.size), np.int8)
        values: dict[str, Array] = {value.name: value.array for value in graph.constants}
        values.update(self._states)
        values[entry.name] = flat.reshape(entry.type.shape)
        for node in graph.nodes:
            if node.phase is Phase.TRAINING and not training:
                continue
            results = REGISTRY[node.operator].reference(
                node.attributes,
                graph.types(node.inputs),
                [values[name] for name in node.inputs],
                context,
            )
            values.update(zip(node.outputs, results, strict=True))
        return values
