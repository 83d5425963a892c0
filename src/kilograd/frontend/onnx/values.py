"""What the names in a graph stand for while it is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.network import Option
from kilograd.frontend.onnx.errors import DamagedError
from kilograd.frontend.onnx.graph import Node
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.names import author_name


@dataclass(frozen=True)
class Constant:
    """A constant, with its quantization if it has one.

    Attributes:
        name: of the initializer that it comes from; empty for others.
        data: contents.
        scales: none, one, or one for each place along ``axis``.
        zero_points: as many.
        axis: not negative.
    """

    name: str
    data: NDArray[Any] = field(repr=False)
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0

    def reals(self, what: str) -> NDArray[np.float64]:
        """The numbers that its contents stand for.

        Args:
            what: it is to a node, for the message.

        Raises:
            DamagedError: some are no numbers.
        """
        if self.data.dtype.kind not in "iuf":
            msg = f"its {what} is {self.data.dtype} of the shape {list(self.data.shape)}"
            raise DamagedError(msg)
        numbers = self.data.astype(np.float64)
        if self.scales:
            shape = [1] * numbers.ndim
            if len(self.scales) > 1:
                shape[self.axis] = len(self.scales)
            scales, zeros = np.array(self.scales), np.array(self.zero_points)
            numbers = (numbers - zeros.reshape(shape)) * scales.reshape(shape)
        if np.isnan(numbers).any():
            msg = f"its {what} is not a number"
            raise DamagedError(msg)
        return numbers


@dataclass(frozen=True)
class Stored:
    """A tensor of the network in its own type: the sample, or a quantized map."""

    number: int
    map: Map


@dataclass(frozen=True)
class Dequantized:
    """A quantized map as real numbers."""

    number: int
    map: Map


@dataclass(frozen=True)
class Step:
    """A layer whose result is not quantized yet.

    Attributes:
        operator: neutral name.
        inputs: numbers of tensors; the first is the result of the step before, if there is one.
        options: neutral.
        map: of the result.
    """

    operator: str
    inputs: tuple[int, ...]
    options: Mapping[str, Option]
    map: Map


@dataclass(frozen=True)
class Pending:
    """Real numbers that a QuantizeLinear turns into the result of a layer.

    Attributes:
        steps: what makes them; all of one quantization.
        file_operator: what the file calls the first of them.
        name: of the layer.
        low: the lowest value that an activation leaves.
        high: the highest.
    """

    steps: tuple[Step, ...]
    file_operator: str
    name: str
    low: float = -math.inf
    high: float = math.inf

    @property
    def map(self) -> Map:
        """Of the result."""
        return self.steps[-1].map

    def clamped(self, low: float, high: float) -> Pending:
        """The same behind an activation."""
        return replace(self, low=min(max(self.low, low), high), high=max(min(self.high, high), low))

    def then(self, operator: str, options: Mapping[str, Option], map_: Map) -> Pending:
        """The same with a layer behind it that computes nothing."""
        return replace(self, steps=(*self.steps, Step(operator, (), options, map_)))


@dataclass(frozen=True)
class Traced:
    """Real numbers that are a function of a quantized map's elements, one by one.

    Attributes:
        number: of the tensor that holds the map.
        map: of the result.
        results: of the function, [256], for the elements from -128 up; truth values of a condition.
        file_operator: what the file calls the last operator of the function.
        name: of the layer.
    """

    number: int
    map: Map
    results: NDArray[Any]
    file_operator: str
    name: str


Mapped = Stored | Dequantized | Pending | Traced
"""What is no constant."""

Value = Constant | Mapped


def pending(
    node: Node,
    operator: str,
    inputs: tuple[int, ...],
    options: Mapping[str, Option],
    map_: Map,
    weight_name: str = "",
    bias_name: str = "",
) -> Pending:
    """What one node makes of quantized maps."""
    step = Step(operator, inputs, options, map_)
    return Pending((step,), node.operator, author_name(node.outputs[0], weight_name, bias_name))
