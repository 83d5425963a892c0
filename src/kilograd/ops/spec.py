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
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import Graph, LabelKind, Node, TensorType
from kilograd.ops.context import StepContext, TrainingCounters
from kilograd.ops.differentiation import Gradient, GradientBuilder, Trainable
from kilograd.ops.kernel import (
    DSP,
    HOST,
    PLAIN,
    VARIANTS,
    Control,
    Input,
    Kernel,
    KernelCall,
    Output,
    Scratch,
    Use,
    Variant,
    c_constant,
)
from kilograd.ops.operands import Array, Item, Operand, Operands, bind, required
from kilograd.ops.weights import LayerWeights

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


@dataclass(frozen=True)
class Case:
    """One configuration an operator is tested on.

    Attributes:
        name: shown by pytest.
        attributes: the operator's attributes.
        inputs: types of the inputs.
        fixed: contents for inputs that cannot be arbitrary, by operand.
        low: smallest value drawn for an input, by operand; default the type's minimum.
        high: largest value drawn, default the type's maximum.
    """

    name: str
    attributes: Any
    inputs: tuple[TensorType, ...]
    fixed: Mapping[str, Array] = field(default_factory=dict[str, Array])
    low: Mapping[str, int] = field(default_factory=dict[str, int])
    high: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class RowRule:
    """How a row of the output follows from rows of the maps that an operator reads.

    Attributes:
        inputs: operands that are maps [H, W, C] and are read row by row.
        attributes: the operator's for a single row, its window without padding above and below.
        height: rows of each map under one row of the output.
        stride: rows between those of one row of the output and of the next.
        top: rows of padding above the maps.
        present: member of the kernel's struct for how many rows there are; None where there is
            always one.
        above: member for how many are missing above the first; None likewise.
    """

    inputs: tuple[str, ...]
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
    #: Of a loss: what the label of a sample is.
    label_kind: ClassVar[LabelKind] = LabelKind.CLASS
    #: what it reads, in order
    operands: ClassVar[tuple[Operand, ...]]
    #: what it makes, in order
    results: ClassVar[tuple[str, ...]]
    #: result -> operand that it must overwrite (a state and its successor)
    updates: ClassVar[Mapping[str, str]] = MappingProxyType({})
    #: result -> operands, one of whose memory it may take over if nobody reads it later
    reuses: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})

    @property
    def room(self) -> Path:
        """The folder of the operator's family, with its C kernels."""
        return Path(inspect.getfile(type(self))).parent

    @property
    def header(self) -> str:
        """Name of the header that declares the family's kernels."""
        return f"kg_{self.room.name}.h"

    @property
    def has_weights(self) -> bool:
        """Whether a scheme can name a layer of this operator."""
        return type(self).trainable is not OpSpec.trainable

    @property
    def is_differentiable(self) -> bool:
        """Whether a gradient goes through it."""
        return type(self).gradient is not OpSpec.gradient

    def bind(self, attributes: Attributes, items: Sequence[Item]) -> Operands[Item]:
        """Items of a node's inputs under the names of its operands.

        Raises:
            ValueError: there are more or fewer items than operands.
        """
        return bind(self.name, self.operands, attributes, items)

    def operand_names(self, attributes: Attributes) -> tuple[str, ...]:
        """Names of the operands of a node with these attributes, in order."""
        return tuple(o.name for o in self.operands if o.is_present(attributes))

    def inputs_of(self, node: Node) -> Operands[str]:
        """Names of the values that a node reads."""
        return self.bind(node.attributes, node.inputs)

    def outputs_of(self, node: Node) -> dict[str, str]:
        """Names of the values that a node makes, by result."""
        return dict(zip(self.results, node.outputs, strict=True))

    def overwritten(self, node: Node) -> dict[str, str]:
        """Which state each value that a node makes takes the place of: value -> state."""
        reads, makes = self.inputs_of(node), self.outputs_of(node)
        return {makes[new]: getattr(reads, old) for new, old in self.updates.items()}

    def reusable(self, node: Node) -> dict[str, tuple[str, ...]]:
        """The inputs one of whose memory each value that a node makes may take over."""
        reads, makes = self.inputs_of(node), self.outputs_of(node)
        return {
            makes[result]: tuple(name for o in operands if (name := reads.get(o)) is not None)
            for result, operands in self.reuses.items()
        }

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
    def kernel(self, attributes: Attributes, inputs: Sequence[TensorType]) -> Kernel:
        """How devices run the node, in each variant that can."""

    def real(
        self, attributes: Attributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """What the first result means: the real formula, in float64, without rounding or clamping.

        Every operator with a gradient gives it; tests hold reference and gradient to it.

        Args:
            attributes: of the node.
            inputs: types of its inputs.
            values: real values of the inputs.
        """
        del attributes, inputs, values
        msg = f"operator {self.name} does not say what its result is in real numbers"
        raise NotImplementedError(msg)

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

    def begin(self, graph: Graph, rng_stream: int) -> tuple[Mapping[str, str], Any]:
        """Of a loss: what it reads in a forward graph, and its attributes.

        Args:
            graph: a forward graph.
            rng_stream: of its rounding.

        Returns:
            Names of values by operand, and the attributes; its gradient is that of the first.
        """
        del graph, rng_stream
        msg = f"operator {self.name} is no loss"
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

    def weights(self, node: Node, graph: Graph) -> LayerWeights:
        """What the node of a layer computes with, given the contents of constants and states.

        Every operator with weights gives them, whatever of them is trained.

        Args:
            node: of a forward graph or of a training step.
            graph: holds the node.
        """
        del graph
        msg = f"operator {self.name} of node {node.name} has no weights"
        raise NotImplementedError(msg)

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


__all__ = [
    "DSP",
    "HOST",
    "PLAIN",
    "VARIANTS",
    "Array",
    "Case",
    "Control",
    "Gradient",
    "GradientBuilder",
    "Input",
    "Kernel",
    "KernelCall",
    "LayerWeights",
    "NoAttributes",
    "OpSpec",
    "Operand",
    "Operands",
    "Output",
    "RngAttributes",
    "Role",
    "RowRule",
    "Scratch",
    "StepContext",
    "Trainable",
    "TrainingCounters",
    "Use",
    "Variant",
    "c_constant",
    "exactly",
    "required",
]
