"""Graphs in static single assignment form: every value has one producer."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol

from kilograd.ir.labels import VALUE_RANGE, LabelKind
from kilograd.ir.types import Kind, TensorType, Value


class Phase(str, enum.Enum):
    """Which calls run a node."""

    INFERENCE = "inference"  # runs in predict and in a training step
    TRAINING = "training"  # runs in a training step only


@dataclass(frozen=True, slots=True)
class Node:
    """One operator applied to values.

    Attributes:
        name: stable and unique; built from the layer's name and the operator's task.
        operator: name of the operator in the registry.
        inputs: names of the values read.
        outputs: names of the values made.
        attributes: the operator's frozen dataclass of compile-time numbers.
        layer: provenance: the layer of the model that this node came from.
        phase: which calls run it.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Any
    layer: str
    phase: Phase = Phase.INFERENCE


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Neighbouring nodes that run a row at a time: what lies between them is never whole.

    Attributes:
        nodes: their names, in order.
        row_input: whether the sample arrives a row at a time, too.
    """

    nodes: tuple[str, ...]
    row_input: bool = False


class InputFeatures(Protocol):
    """What raw samples are turned into before a network reads them: ``kilograd.features``."""

    def as_dict(self) -> dict[str, Any]:
        """What a model file says of them; JSON can hold it."""
        ...


#: Of pixels where a model does not say.
PIXEL_RANGE = (-1.0, 1.0)


def are_ranges(ends: Sequence[float]) -> bool:
    """Whether these are one or more pairs of finite numbers, each of which rises."""
    return (
        bool(ends)
        and len(ends) % 2 == 0
        and all(map(math.isfinite, ends))
        and all(low < high for low, high in zip(ends[::2], ends[1::2], strict=True))
    )


@dataclass(frozen=True)
class Graph:
    """Nodes in a valid execution order, with the values between them.

    Attributes:
        name: the model's name.
        values: every value by name.
        nodes: in execution order.
        outputs: names of the results (the logits first).
        updates: state name -> name of the value that replaces it after a training step.
        features: what raw samples are turned into first; None where the input is the sample.
        row_groups: which nodes run a row at a time; this changes where values live, not what
            they are.
        target_features: extensions of the processor that kernels may use; which variant of a
            kernel runs changes how much scratch it takes, not what it computes.
        pixel_range: real values that the darkest and the brightest pixel stand for, where samples
            are images: two for all channels, or two for each.
        is_foreign: whether the network comes from a file of another tool, of which nobody knows
            the learning rate that suits it.
        label_kind: what a sample's label is. Where it is a set, each logit tells one label from its
            absence, and does not compete with the others; where it is a value, there is one logit.
            Where normal samples are learned, the first output is not a logit but how badly the
            network makes its sample again.
        value_range: the lowest and the highest value that is expected, where labels are values; or
            of an element of a sample that is made again.
    """

    name: str
    values: Mapping[str, Value]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    updates: Mapping[str, str] = field(default_factory=dict[str, str])
    features: InputFeatures | None = None
    row_groups: tuple[RowGroup, ...] = ()
    target_features: frozenset[str] = frozenset()
    pixel_range: tuple[float, ...] = PIXEL_RANGE
    is_foreign: bool = False
    label_kind: LabelKind = LabelKind.CLASS
    value_range: tuple[float, float] = VALUE_RANGE

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))
        object.__setattr__(self, "updates", MappingProxyType(dict(self.updates)))

    def type_of(self, name: str) -> TensorType:
        """Type of the value ``name``."""
        return self.values[name].type

    def types(self, names: Iterable[str]) -> tuple[TensorType, ...]:
        """Types of several values."""
        return tuple(self.values[name].type for name in names)

    @property
    def inputs(self) -> tuple[Value, ...]:
        """The samples' values."""
        return self.of_kind(Kind.INPUT)

    @property
    def states(self) -> tuple[Value, ...]:
        """What is trained or adapted, in declaration order: the layout of the state."""
        return self.of_kind(Kind.STATE)

    @property
    def constants(self) -> tuple[Value, ...]:
        """What stays in flash."""
        return self.of_kind(Kind.CONSTANT)

    def of_kind(self, kind: Kind) -> tuple[Value, ...]:
        """Values of one kind, in declaration order."""
        return tuple(value for value in self.values.values() if value.kind is kind)

    def producer(self) -> dict[str, Node]:
        """Value name -> the node that makes it."""
        return {output: node for node in self.nodes for output in node.outputs}

    def readers(self) -> dict[str, list[Node]]:
        """Value name -> the nodes that read it, in execution order."""
        readers: dict[str, list[Node]] = {name: [] for name in self.values}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers[name].append(node)
        return readers

    def makes_parameter(self, node: Node) -> bool:
        """Whether a node reads nothing but constants and states: a trained weight's parts, say."""
        fixed = (Kind.CONSTANT, Kind.STATE)
        return all(self.values[name].kind in fixed for name in node.inputs)

    def with_nodes(self, nodes: Iterable[Node]) -> Graph:
        """The same graph with other nodes; values that nothing mentions any more are dropped."""
        nodes = tuple(nodes)
        mentioned = set(self.outputs) | set(self.updates.values())
        for node in nodes:
            mentioned.update(node.inputs, node.outputs)
        values = {
            name: value
            for name, value in self.values.items()
            if name in mentioned or value.kind is Kind.INPUT
        }
        updates = {state: new for state, new in self.updates.items() if state in values}
        return replace(self, nodes=nodes, values=values, updates=updates)
