"""The pipeline, from a forward graph and a scheme to C sources, visible as one list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from kilograd.arch import architecture_of
from kilograd.codegen import emit, model_id
from kilograd.codegen.boundary import (
    frozen_prefix,
    learns_in_streamed_rows,
    memory_sample_bytes,
)
from kilograd.errors import DataError, UserError
from kilograd.features import features_of
from kilograd.ir import Graph, Phase
from kilograd.memory import MemoryPlan, plan_memory
from kilograd.memory.state_layout import StateHeader
from kilograd.ops import REGISTRY
from kilograd.passes import (
    DEFAULT_SHARE,
    Differentiate,
    ForTarget,
    Fuse,
    Order,
    Pass,
    Prune,
    Recompute,
    Reorder,
    Select,
    recomputed_macs,
    run_passes,
)
from kilograd.scheme import Scheme
from kilograd.targets import Target, get_target


class Optimization(str, Enum):
    """A part of the compiler that saves memory and may be left out; in a sensible order."""

    IN_PLACE = "in place"
    REORDERED = "reordered"
    ROWS = "row groups"
    ROW_INPUT = "streamed input"  # needs row groups
    SLICES = "weights in slices"
    RECOMPUTED = "recomputed"


def pipeline(
    scheme: Scheme, target: Target, optimizations: Collection[Optimization], recompute: float
) -> list[Pass]:
    """The passes from a forward graph to a training step, in order.

    Args:
        scheme: what is trained.
        target: what it is compiled for.
        optimizations: the parts that save memory.
        recompute: as for ``compile_model``.
    """
    slices, row_input = (
        Optimization.SLICES in optimizations,
        Optimization.ROW_INPUT in optimizations,
    )
    chosen: list[tuple[Pass, bool]] = [
        (Select(frozenset(scheme.biases), dict(scheme.weights), slices), True),
        (Differentiate(), True),
        (Prune(), True),
        (ForTarget(target.features), True),
        (Order(), Optimization.REORDERED in optimizations),
        (Fuse(row_input, is_final=False), Optimization.ROWS in optimizations),
        (Recompute(recompute), Optimization.RECOMPUTED in optimizations),
        # Once more: less is saved of the forward pass.
        (Fuse(row_input), Optimization.ROWS in optimizations),
        (Reorder(), Optimization.REORDERED in optimizations),
    ]
    return [step for step, is_used in chosen if is_used]


@dataclass(frozen=True)
class Program:
    """A compiled model.

    Attributes:
        graph: all nodes of a training step, in execution order.
        plan: where their tensors live.
        sources: file name -> C text, complete without any library but memcpy and memset;
            with kg_features.h where the network reads features of a sensor's samples.
        scheme: what is trained.
        target: what it is compiled for.
        request: what it was compiled of.
        model_id: tells states of different models apart, on whatever target; 32 bits.
    """

    graph: Graph
    plan: MemoryPlan
    sources: Mapping[str, str]
    scheme: Scheme
    target: Target
    request: Request
    model_id: int

    @property
    def class_count(self) -> int:
        """Number of logits."""
        return self.graph.type_of(self.graph.outputs[0]).size

    @property
    def frozen_prefix(self) -> int:
        """Number of leading nodes whose results no training changes."""
        return frozen_prefix(self.graph)

    @property
    def memory_sample_bytes(self) -> int:
        """Bytes of RAM that a sample takes which is kept to be learned from again.

        Raises:
            UserError: samples of this program cannot be kept.
        """
        return memory_sample_bytes(self.graph, self.plan)

    def remembering(self, samples: int) -> Program:
        """The same program with room for so many samples that are learned from again.

        Raises:
            UserError: not even one, or samples of this program cannot be kept.
        """
        each = self.memory_sample_bytes
        if samples < 1:
            raise UserError(
                f"a memory of samples needs {each:,} bytes for one, and has room for none",
                where=self.scheme.name,
                hint=f"{2 * each:,} bytes hold one of each of two classes",
            )
        return replace(self.request, memory_samples=samples).compile(self.scheme, self.target)

    @property
    def recomputed_macs(self) -> int:
        """Multiply-accumulates of a training step that are done twice to save memory."""
        return recomputed_macs(self.graph)

    def macs(self, phase: Phase) -> int:
        """Multiply-accumulates of the nodes of one phase."""
        return sum(
            REGISTRY[node.operator].macs(node.attributes, self.graph.types(node.inputs))
            for node in self.graph.nodes
            if node.phase is phase
        )

    def starting_from(self, state: bytes) -> Program:
        """The same model and scheme, whose network knows from the start what a state has learned.

        States of both are interchangeable. Seed and step counter begin anew.

        Args:
            state: as `Device.read_state` gives it, with all classes active.

        Raises:
            DataError: the state is of another program, or not all classes are active.
        """
        header = self._header_of(state)
        if header.classes != self.class_count:
            raise DataError(
                f"the state knows {header.classes} of {self.class_count} classes, and a network "
                "starts with all of them",
                hint="train it on samples of all classes first",
            )
        return replace(self.request, state=state).compile(self.scheme, self.target)

    def holding(self, state: bytes) -> Graph:
        """The training step, with contents of a state in the place of the initial ones.

        Args:
            state: as `Device.read_state` gives it.

        Raises:
            DataError: the state is of another program.
        """
        self._header_of(state)
        return _with_state(self.graph, self.plan, state)

    def _header_of(self, state: bytes) -> StateHeader:
        if len(state) != self.plan.state_bytes:
            raise DataError(
                f"the state of this network has {self.plan.state_bytes} bytes, not {len(state)}",
                hint="a state fits only the model and scheme it was trained with",
            )
        return StateHeader.unpack(state)

    def for_target(self, target: Target) -> Program:
        """The same model and scheme compiled for another target; the same bits."""
        return self if target == self.target else self.request.compile(self.scheme, target)


@dataclass(frozen=True)
class Request:
    """What a program is compiled of, apart from scheme and target.

    Attributes:
        graph: the forward graph.
        row_input: see ``compile_model``.
        recompute: see ``compile_model``.
        without: see ``compile_model``.
        state: that the program begins with; None for that of the model as it came.
        memory_samples: that a firmware has room for, to learn from again; 0 for none.
    """

    graph: Graph
    row_input: bool
    recompute: float
    without: frozenset[Optimization] = frozenset()
    state: bytes | None = None
    memory_samples: int = 0

    def compile(
        self,
        scheme: Scheme,
        target: Target,
        dump: Callable[[str, Graph], None] | None = None,
    ) -> Program:
        """See ``compile_model``."""
        graph = self.graph
        features = features_of(graph)
        if features and self.row_input:
            raise UserError(
                "features are made of samples on the device, and their map is whole in memory",
                where=graph.name,
                hint="only images can be streamed in rows; let this sample be whole",
            )
        parts = set(Optimization) - self.without
        if not self.row_input:
            parts.discard(Optimization.ROW_INPUT)
        trained, plan = plan_step(graph, scheme, target, parts, self.recompute, dump)
        if target.is_host and learns_in_streamed_rows(trained):
            # A PC keeps what the frozen prefix makes of a sample: here the prefix is the sample.
            parts = parts - {Optimization.ROW_INPUT}
            trained, plan = plan_step(graph, scheme, target, parts, self.recompute, dump)
        elif self.row_input and not any(group.row_input for group in trained.row_groups):
            readers = trained.readers()[trained.inputs[0].name]
            first = readers[0].layer
            later = [node for node in readers[1:] if node.phase is Phase.INFERENCE]
            if later:
                raise UserError(
                    f"the sample cannot be streamed into {first}, since {later[-1].layer} reads it "
                    "again",
                    where=graph.name,
                    hint="let the sample be whole",
                )
            if not any(node.phase is Phase.TRAINING for node in readers):
                raise UserError(
                    f"the sample cannot be streamed into {first}, which needs all of it at once",
                    where=graph.name,
                    hint="let the sample be whole",
                )
            raise UserError(
                f"the sample cannot be streamed into {first}, since a training step reads it again",
                where=scheme.name,
                hint="freeze the weights of the first layer, or let the sample be whole",
            )
        identity = model_id(graph, trained, plan)
        if self.state is not None:
            trained = _with_state(trained, plan, self.state)
        sources = emit(
            trained,
            plan,
            scheme=scheme.name,
            identity=identity,
            has_snapshots=target.is_host,
            memory_samples=self.memory_samples,
        )
        if features:
            offset = plan.scratch("input") if features.scratch_bytes else 0
            sources |= features.firmware_sources(offset)
        return Program(trained, plan, sources, scheme, target, self, identity)


def _with_state(graph: Graph, plan: MemoryPlan, state: bytes) -> Graph:
    """The same training step, with states that begin as another network's are."""
    values = dict(graph.values)
    for value in graph.states:
        offset, type_ = plan.states[value.name], value.type
        contents = np.frombuffer(state, type_.dtype.numpy, type_.size, offset)
        values[value.name] = replace(value, data=contents.reshape(type_.shape).copy())
    return replace(graph, values=values)


def plan_step(
    graph: Graph,
    scheme: Scheme,
    target: Target,
    optimizations: Collection[Optimization],
    recompute: float = DEFAULT_SHARE,
    dump: Callable[[str, Graph], None] | None = None,
) -> tuple[Graph, MemoryPlan]:
    """A training step, and where everything in it lives.

    Args:
        graph: the forward graph, logits first in its outputs.
        scheme: resolved against the graph's layers.
        target: what it is compiled for.
        optimizations: the parts of the compiler that save memory.
        recompute: as for ``compile_model``.
        dump: called with a pass's name and the graph after it.
    """
    architecture_of(target)
    features = features_of(graph)
    trained = run_passes(graph, pipeline(scheme, target, optimizations, recompute), dump)
    scratch = features.scratch_bytes if features else 0
    return trained, plan_memory(trained, scratch, in_place=Optimization.IN_PLACE in optimizations)


def compile_model(
    graph: Graph,
    scheme: Scheme,
    target: Target | None = None,
    dump: Callable[[str, Graph], None] | None = None,
    *,
    row_input: bool = False,
    recompute: float = DEFAULT_SHARE,
    without: Collection[Optimization] = (),
) -> Program:
    """Compile a training step.

    Args:
        graph: the forward graph, logits first in its outputs.
        scheme: resolved against the graph's layers.
        target: the machine that will run it; its features choose the kernels. None stands for this
            computer.
        dump: called with a pass's name and the graph after it.
        row_input: the sample arrives a row at a time and is never whole in memory.
        recompute: of a step's multiply-accumulates, those that may be done twice to save memory.
        without: parts of the compiler that save memory and are not wanted; the bits are the same.

    Raises:
        TargetError: the target's architecture does not know its core or a feature.
        UserError: the sample cannot arrive in rows.
    """
    chosen = get_target("host") if target is None else target
    request = Request(graph, row_input, recompute, frozenset(without))
    return request.compile(scheme, chosen, dump)
