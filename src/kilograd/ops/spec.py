"""The contract of an operator: described once, used by every stage.

An operator says how types follow from types, what it computes exactly in integers (NumPy), which
nodes compute its gradient, which C function runs it on a device, what it costs, and on which
shapes it is tested. Passes ask these questions; they never look at an operator's name.
"""

from __future__ import annotations

import enum
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import Graph, Node, TensorType, Value

Array = NDArray[Any]
Attributes = TypeVar("Attributes")


@dataclass(frozen=True)
class NoAttributes:
    """For operators that need no compile-time numbers."""


@dataclass(frozen=True)
class RngAttributes:
    """For operators that need no more than a stream of random numbers.

    Attributes:
        rng_stream: of the stochastic rounding; different for every node of a graph.
    """

    rng_stream: int


class Role(str, enum.Enum):
    """What a pass may ask an operator to be, without knowing its name."""

    ORDINARY = "ordinary"
    LOSS = "loss"  # starts differentiation: (logits) -> (gradient, exponent of the loss)


@dataclass
class TrainingCounters:
    """What training has met since a device was initialized, modulo 2^32 (numerics, section 9).

    Attributes:
        steps: training steps.
        weight_updates: steps of single weights.
        weights_saturated: of them, those that were cut at ±127.
        biases_saturated: steps of biases that were cut at the bias's limit.
        gradients: gradient tensors with an exponent of their own.
        gradients_saturated: of them, those with an element beyond ±127.
        gradients_vanished: of them, those of nothing but zeros.
        elements_masked: elements of gradients that a clamp stopped.
        loss_spikes: steps whose sample's class had a probability below 2^−16.
        losses_vanished: steps whose loss had a gradient of less than seven bits.
    """

    steps: int = 0
    weight_updates: int = 0
    weights_saturated: int = 0
    biases_saturated: int = 0
    gradients: int = 0
    gradients_saturated: int = 0
    gradients_vanished: int = 0
    elements_masked: int = 0
    loss_spikes: int = 0
    losses_vanished: int = 0


@dataclass(frozen=True)
class StepContext:
    """What is known only while a step runs.

    Attributes:
        seed: of the stochastic rounding, uint32.
        step: number of training steps done before this one, uint32.
        label: the sample's class.
        rate_mantissa: learning rate = mantissa · 2^exponent, 0 ≤ mantissa < 2^15.
        rate_exponent: see above.
        classes: how many classes, the first ones, are active; 0 for all.
        counters: where operators count.
    """

    seed: int = 0
    step: int = 0
    label: int = 0
    rate_mantissa: int = 0
    rate_exponent: int = 0
    classes: int = 0
    counters: TrainingCounters = field(default_factory=TrainingCounters, compare=False)


@dataclass(frozen=True)
class Input:
    """A kernel argument: the node's input of this index."""

    index: int


@dataclass(frozen=True)
class Output:
    """A kernel argument: the node's output of this index."""

    index: int


@dataclass(frozen=True)
class Scratch:
    """A kernel argument: the node's scratch memory."""


@dataclass(frozen=True)
class Control:
    """A kernel argument: seed, step, label and learning rate of the running step."""


Argument = Input | Output | Scratch | Control


@dataclass(frozen=True)
class KernelCall:
    """How one node is run on a device: ``function(&parameters, arguments…)``.

    Attributes:
        function: the C function; its parameters are a ``<function>_parameters`` struct.
        fields: the struct's members by name: integers, arrays that stay in flash, or None for
            an array that this node does without.
        arguments: tensors and scratch, in the function's order; None for an absent tensor.
        scratch_bytes: working memory that is free again when the call returns; a scratch argument
            is NULL where there is none.
    """

    function: str
    fields: Mapping[str, int | Array | None]
    arguments: tuple[Argument | None, ...]
    scratch_bytes: int = 0


@dataclass(frozen=True)
class Gradient:
    """A gradient in the graph: int8 values times 2^(exponent + the loss exponent).

    Attributes:
        value: name of the int8 tensor.
        exponent: name of its exponent, in sixteenths of a power of two.
        magnitude: expected log2 of its root mean square relative to the gradient of the
            logits; only sets the exponent that training starts from.
    """

    value: str
    exponent: str
    magnitude: float


class GradientBuilder(Protocol):
    """What a gradient rule may do to the graph under construction."""

    @property
    def loss_exponent(self) -> str:
        """Name of the int32 value that holds the exponent of this sample's loss gradient."""
        ...

    def value(self, name: str) -> Value:
        """Look a value up."""
        ...

    def gradient(self, name: str) -> Gradient:
        """The whole gradient of a value: everything contributed so far, summed."""
        ...

    def wanted(self, name: str) -> bool:
        """Whether anything trained lies at or upstream of the value."""
        ...

    def contribute(self, name: str, gradient: Gradient) -> None:
        """Add a gradient to a value's: contributions are summed, never assigned."""
        ...

    def emit(
        self, operator: str, inputs: Sequence[str], attributes: object, *, layer: str, task: str
    ) -> tuple[str, ...]:
        """Append a training node named ``layer.task`` and return its outputs' names."""
        ...

    def rematerialize(self, name: str) -> str:
        """Make a value anew where it is not kept until the backward pass: a weight's sum.

        A constant or a state is returned as it is. For anything else, the node that made it,
        which may read nothing but constants and states, is emitted once more.
        """
        ...

    def state(self, name: str, type_: TensorType, data: Array) -> str:
        """Declare a state of the device and return its name."""
        ...

    def update(self, state: str, new: str) -> None:
        """Say which value replaces a state after the step."""
        ...

    def rng_stream(self) -> int:
        """A number for a stochastic node, different from every other's."""
        ...


@dataclass(frozen=True)
class Trainable:
    """What a scheme turns a layer into.

    Attributes:
        node: replaces the layer's node.
        values: new or changed values: states, and frozen remainders.
        before: new nodes that run right before it.
    """

    node: Node
    values: tuple[Value, ...]
    before: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Case:
    """One configuration an operator is tested on.

    Attributes:
        name: shown by pytest.
        attributes: the operator's attributes.
        inputs: types of the inputs.
        fixed: contents for inputs that cannot be arbitrary, by index.
        low: smallest value drawn for integer inputs (by index), default the type's minimum.
        high: largest value drawn, default the type's maximum.
    """

    name: str
    attributes: Any
    inputs: tuple[TensorType, ...]
    fixed: Mapping[int, Array] = field(default_factory=dict[int, Array])
    low: Mapping[int, int] = field(default_factory=dict[int, int])
    high: Mapping[int, int] = field(default_factory=dict[int, int])


@dataclass(frozen=True)
class RowRule:
    """How a row of the output follows from rows of the maps that an operator reads.

    Attributes:
        inputs: indices of the inputs that are maps [H, W, C] and are read row by row.
        attributes: the operator's for a single row, its window without padding above and below.
        height: rows of each map under one row of the output.
        stride: rows between those of one row of the output and of the next.
        top: rows of padding above the maps.
        present: member of the kernel's struct for how many rows there are; None where there is
            always one.
        above: member for how many are missing above the first; None likewise.
    """

    inputs: tuple[int, ...]
    attributes: Any
    height: int = 1
    stride: int = 1
    top: int = 0
    present: str | None = None
    above: str | None = None


class OpSpec(ABC, Generic[Attributes]):
    """An operator. One stateless instance of each stands in the registry."""

    name: ClassVar[str]
    attributes_type: ClassVar[type]
    role: ClassVar[Role] = Role.ORDINARY
    #: output index -> input index that it must overwrite (a state and its successor)
    updates: ClassVar[Mapping[int, int]] = MappingProxyType({})
    #: output index -> input indices, one of whose memory it may take over if nobody reads it later
    reuses: ClassVar[Mapping[int, tuple[int, ...]]] = MappingProxyType({})

    @property
    def room(self) -> Path:
        """The folder of the operator's family, with its C kernels."""
        return Path(inspect.getfile(type(self))).parent

    @property
    def has_weights(self) -> bool:
        """Whether a scheme can name a layer of this operator."""
        return type(self).trainable is not OpSpec.trainable

    @abstractmethod
    def infer(self, attributes: Attributes, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        """Types of the outputs; ValueError says why the inputs do not fit."""

    @abstractmethod
    def reference(
        self,
        attributes: Attributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """The outputs, exactly, as the device computes them."""

    @abstractmethod
    def kernel(self, attributes: Attributes, inputs: Sequence[TensorType]) -> KernelCall:
        """How a device runs the node."""

    def in_place_bytes(self, attributes: Attributes, inputs: Sequence[TensorType]) -> int:
        """More scratch that the kernel needs where its result takes over an input's memory.

        It comes before what the kernel's call asks for.
        """
        del attributes, inputs
        return 0

    @abstractmethod
    def cases(self) -> Sequence[Case]:
        """Shapes to test: odd channels, padding, strides."""

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """Append the nodes that carry the gradient of the outputs to what is asked for."""
        del graph, builder
        msg = f"operator {self.name} of node {node.name} has no gradient"
        raise NotImplementedError(msg)

    def may_clamp(self, node: Node, graph: Graph) -> bool:
        """Whether some input could make the clamp of the node's result act.

        False only where no int8 inputs at all bring it to −128 or 127, so that a gradient needs no
        mask.
        """
        del node, graph
        return True

    def trainable(self, node: Node, graph: Graph, *, bias: bool, share: float) -> Trainable:
        """The node with its bias, and a share of its weights, turned into states."""
        del graph, bias, share
        msg = f"operator {self.name} of node {node.name} has no weights to train"
        raise NotImplementedError(msg)

    def in_slices(self, trained: Trainable) -> Trainable:
        """What ``trainable`` gave, its moved weight never whole in memory; as it is if it must be.

        Its kernels then read base and delta, so that the delta's step waits for all of them.
        """
        return trained

    def by_rows(self, attributes: Attributes, inputs: Sequence[TensorType]) -> RowRule | None:
        """How the operator runs a row at a time; None where it cannot."""
        del attributes, inputs
        return None

    def macs(self, attributes: Attributes, inputs: Sequence[TensorType]) -> int:
        """Multiply-accumulates of one run, padding taps not counted out."""
        del attributes, inputs
        return 0


def exactly(values: Array) -> NDArray[np.float64]:
    """Integers as float64: products and sums below 2^53 are exact, and matmul is fast."""
    return values.astype(np.float64)
