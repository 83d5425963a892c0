"""The reference: every operator's exact integer NumPy, in the schedule's order."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from kilograd.device.protocol import (
    Counters,
    LearningRate,
    check_classes,
    check_label,
    check_seed,
    check_state,
    sample_bytes,
)
from kilograd.device.sample_memory import SampleMemory, can_teach, no_memory
from kilograd.ir import LabelKind, Phase
from kilograd.memory.state_layout import StateHeader
from kilograd.ops import REGISTRY
from kilograd.ops.spec import Array, StepContext, TrainingCounters

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray
    from typing_extensions import Self

    from kilograd.compiler import Program


_MASK = 0xFFFFFFFF

#: Logit of a class that is not active: it wins no comparison.
_INACTIVE = np.iinfo(np.int32).min


class ReferenceDevice:
    """Runs a program's graph in NumPy. Slow, and the definition of what is right."""

    name = "reference"

    def __init__(self, program: Program) -> None:
        self._program = program
        self._states: dict[str, Array] = {}
        self._seed = 0
        self._step = 0
        self._classes = self.class_count
        self._counters = TrainingCounters()
        self._memory: SampleMemory | None = None
        self.initialize(0)

    @property
    def class_count(self) -> int:
        """Number of logits."""
        return self._program.class_count

    @property
    def label_kind(self) -> LabelKind:
        """What a label is."""
        return self._program.graph.label_kind

    @property
    def active_classes(self) -> int:
        """How many classes, the first ones, are predicted and learned."""
        return self._classes

    def set_active_classes(self, count: int) -> None:
        """Sets `active_classes`, 2 to `class_count`."""
        check_classes(count, self.class_count)
        self._classes = count

    def initialize(self, seed: int) -> None:
        """Initial states, all classes active, step 0."""
        check_seed(seed)
        self._seed, self._step, self._classes = seed, 0, self.class_count
        self._counters = TrainingCounters()
        self._states = {state.name: state.array.copy() for state in self._program.graph.states}

    def predict(self, sample: NDArray[np.int8]) -> NDArray[np.int32]:
        """Run the inference nodes."""
        return self._run(sample, StepContext(self._seed, self._step), training=False)

    def train_step(
        self, sample: NDArray[np.int8], label: int, rate: LearningRate
    ) -> NDArray[np.int32]:
        """Run all nodes, then take the states over."""
        return self._train(sample, label, *rate.at(self._step))

    def _train(
        self, sample: NDArray[np.int8], label: int, mantissa: int, exponent: int
    ) -> NDArray[np.int32]:
        check_label(label, self._classes, self.label_kind)
        now = (mantissa, exponent)
        context = StepContext(self._seed, self._step, label, *now, self._classes, self._counters)
        logits = self._run(sample, context, training=True)
        self._step = (self._step + 1) & _MASK
        self._counters.steps += 1
        return logits

    def begin_memory(self, samples: int, per_class: int = 0) -> None:
        """As `MemoryDevice.begin_memory`; whole samples are kept, which teach the same."""
        _ = self._program.memory_sample_bytes  # refuses networks that cannot have one
        self._memory = SampleMemory(samples, per_class, self.class_count)

    def memory_keep(self, sample: NDArray[np.int8], label: int) -> NDArray[np.int32]:
        """As `MemoryDevice.memory_keep`."""
        check_label(label, self._classes)
        self._begun.offer(sample, label, self._seed)
        return self.predict(sample)

    def memory_step(
        self, sample: NDArray[np.int8], label: int, rate: LearningRate
    ) -> NDArray[np.int32]:
        """As `MemoryDevice.memory_step`."""
        check_label(label, self._classes)
        self._begun.offer(sample, label, self._seed)
        if not can_teach(self._begun.counts()[: self._classes]):
            return self.predict(sample)
        return self.train_step(sample, label, rate)

    def memory_replay(self, rate: LearningRate, at: int) -> int | None:
        """As `MemoryDevice.memory_replay`."""
        drawn = self._begun.draw(self._seed, self._step, self._classes)
        if drawn is None:
            return None
        self._train(drawn.sample, drawn.label, *rate.at(at))
        return drawn.label

    def memory_forget(self, label: int) -> None:
        """As `MemoryDevice.memory_forget`."""
        check_label(label, self.class_count)
        self._begun.forget(label)

    def memory_counts(self) -> tuple[int, ...]:
        """As `MemoryDevice.memory_counts`."""
        return self._begun.counts()

    @property
    def _begun(self) -> SampleMemory:
        if self._memory is None:
            raise no_memory(self.name)
        return self._memory

    def read_state(self) -> bytes:
        """Seed, step, active classes and states, laid out as on the device."""
        plan = self._program.plan
        state = bytearray(plan.state_bytes)
        state[: StateHeader.BYTES] = StateHeader(self._seed, self._step, self._classes).pack()
        for name, offset in plan.states.items():
            contents = self._states[name].tobytes()
            state[offset : offset + len(contents)] = contents
        return bytes(state)

    def write_state(self, state: bytes) -> None:
        """The opposite of ``read_state``."""
        plan = self._program.plan
        check_state(state, plan.state_bytes, self.class_count)
        header = StateHeader.unpack(state)
        self._seed, self._step, self._classes = header.seed, header.steps, header.classes
        for value in self._program.graph.states:
            flat = np.frombuffer(
                state, value.type.dtype.numpy, value.type.size, plan.states[value.name]
            )
            self._states[value.name] = flat.reshape(value.type.shape).copy()

    def counters(self) -> Counters:
        """What training has met; NumPy has no stack or instructions worth counting."""
        counted = {name: count & _MASK for name, count in asdict(self._counters).items()}
        return Counters(TrainingCounters(**counted), None, None)

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
        logits = values[graph.outputs[0]].astype(np.int32)
        logits[self._classes :] = _INACTIVE
        return logits

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
