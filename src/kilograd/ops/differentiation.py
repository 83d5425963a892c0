"""What gradient rules may do to the graph, and what a layer becomes when it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from kilograd.ir import Node, TensorType, Value
from kilograd.ops.operands import Array


@dataclass(frozen=True)
class Gradient:
    """A gradient in the graph: int8 values times 2^(exponent + the loss exponent).

    Attributes:
        value: name of the int8 tensor.
        exponent: name of its exponent, in sixteenths of a power of two.
        magnitude: expected log2 of its root mean square relative to the gradient of the
            logits; only sets the exponent that training starts from.
        is_masked: whether it is zero wherever the value is at an end of int8, so that a clamp
            there needs no mask of its own.
    """

    value: str
    exponent: str
    magnitude: float
    is_masked: bool = False


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
        self,
        operator: str,
        inputs: Mapping[str, str | None],
        attributes: object,
        *,
        layer: str,
        task: str,
    ) -> tuple[str, ...]:
        """Append a training node named ``layer.task`` and return its outputs' names.

        ``inputs`` are names of values by operand; None for an operand that is not there.
        """
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
