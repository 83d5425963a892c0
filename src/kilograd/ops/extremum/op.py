"""The larger or the smaller of each two elements, and the gradient, which the one chosen gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.spec import (
    Array,
    Case,
    Gradient,
    GradientBuilder,
    Input,
    Kernel,
    NoAttributes,
    OpSpec,
    Output,
    RowRule,
    StepContext,
    required,
)


@dataclass(frozen=True)
class ExtremumGradientAttributes:
    """Attributes of ``extremum_input_gradient``.

    Attributes:
        takes_equal: whether the gradient passes where both elements are the same.
    """

    takes_equal: bool


class _Extremum(OpSpec[NoAttributes]):
    """One of two elements: int8[...] twice, of one quantization, to int8[...] of the same."""

    attributes_type = NoAttributes
    operands = required("a", "b")
    results = ("y",)
    reuses = MappingProxyType({"y": ("a", "b")})
    #: Whether the larger one is chosen.
    _is_larger: ClassVar[bool]

    def infer(
        self, attributes: NoAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The type of both."""
        types = self.bind(attributes, inputs)
        if types.a.shape != types.b.shape:
            msg = f"cannot compare {types.a.shape} and {types.b.shape}"
            raise ValueError(msg)
        if types.a.quantization != types.b.quantization:
            msg = "cannot compare maps of other scales or zero points"
            raise ValueError(msg)
        return (types.a,)

    def _choose(self) -> Callable[[Array, Array], Array]:
        return np.maximum if self._is_larger else np.minimum

    def reference(
        self,
        attributes: NoAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Choose; nothing is rounded or clamped."""
        del inputs, context
        given = self.bind(attributes, arrays)
        return (self._choose()(given.a, given.b),)

    def real(
        self, attributes: NoAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The same of real numbers."""
        del inputs
        reals = self.bind(attributes, values)
        return self._choose()(reals.a, reals.b)

    def kernel(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_maximum or kg_minimum."""
        fields = {"count": self.bind(attributes, inputs).a.size}
        return Kernel(self.name, fields, (Input("a"), Input("b"), Output("y")))

    def by_rows(self, attributes: NoAttributes, inputs: Sequence[TensorType]) -> RowRule:
        """Row by row, of both."""
        del inputs
        return RowRule(("a", "b"), attributes)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """To the element that was chosen; of two equal ones, to the first."""
        del graph
        a, b = self.inputs_of(node)
        gradient = builder.gradient(node.outputs[0])
        if a == b:
            builder.contribute(a, gradient)
            return
        for name, other in ((a, b), (b, a)):
            if not builder.wanted(name):
                continue
            larger, smaller = (name, other) if self._is_larger else (other, name)
            (result,) = builder.emit(
                ExtremumInputGradient.name,
                {"gradient": gradient.value, "larger": larger, "smaller": smaller},
                ExtremumGradientAttributes(takes_equal=name == a),
                layer=node.layer,
                task=f"{'first' if name == a else 'second'}_gradient",
            )
            # Half of the elements are zero.
            builder.contribute(name, Gradient(result, gradient.exponent, gradient.magnitude - 0.5))

    def cases(self) -> Sequence[Case]:
        """Odd extents, and a single element."""
        map_ = Quantization((0.1,), -3)
        return [
            Case(
                f"{shape}",
                NoAttributes(),
                (TensorType(shape, DType.INT8, map_), TensorType(shape, DType.INT8, map_)),
            )
            for shape in ((3, 5, 7), (1, 1, 1))
        ]


class Maximum(_Extremum):
    """The larger of each two elements (TensorFlow Lite's MAXIMUM)."""

    name = "maximum"
    _is_larger = True


class Minimum(_Extremum):
    """The smaller of each two elements (TensorFlow Lite's MINIMUM)."""

    name = "minimum"
    _is_larger = False


class ExtremumInputGradient(OpSpec[ExtremumGradientAttributes]):
    """The gradient where one element is larger than the other, or as large; zero elsewhere.

    Inputs: gradient int8[...], and the two maps. Output: int8[...]; may take the gradient's memory.
    """

    name = "extremum_input_gradient"
    attributes_type = ExtremumGradientAttributes
    operands = required("gradient", "larger", "smaller")
    results = ("result",)
    reuses = MappingProxyType({"result": ("gradient",)})

    def infer(
        self, attributes: ExtremumGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The gradient's shape."""
        types = self.bind(attributes, inputs)
        if not types.gradient.shape == types.larger.shape == types.smaller.shape:
            msg = (
                f"a gradient of {types.gradient.shape} does not fit maps of {types.larger.shape} "
                f"and {types.smaller.shape}"
            )
            raise ValueError(msg)
        return (TensorType(types.gradient.shape),)

    def reference(
        self,
        attributes: ExtremumGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Let it pass or not."""
        del inputs, context
        given = self.bind(attributes, arrays)
        least = given.smaller.astype(np.int64) + (not attributes.takes_equal)
        return (np.where(given.larger >= least, given.gradient, np.int8(0)),)

    def kernel(
        self, attributes: ExtremumGradientAttributes, inputs: Sequence[TensorType]
    ) -> Kernel:
        """kg_extremum_input_gradient."""
        fields = {
            "count": self.bind(attributes, inputs).gradient.size,
            "lead": int(not attributes.takes_equal),
        }
        arguments = (Input("gradient"), Input("larger"), Input("smaller"), Output("result"))
        return Kernel("extremum_input_gradient", fields, arguments)

    def cases(self) -> Sequence[Case]:
        """Both ways with equal elements, of which a few numbers make many."""
        map_ = TensorType((5, 3, 7), DType.INT8, Quantization((0.1,), -3))
        low, high = {"larger": -2, "smaller": -2}, {"larger": 2, "smaller": 2}
        return [
            Case(
                "equal ones too" if takes_equal else "larger ones",
                ExtremumGradientAttributes(takes_equal),
                (TensorType(map_.shape), map_, map_),
                low=low,
                high=high,
            )
            for takes_equal in (True, False)
        ]
