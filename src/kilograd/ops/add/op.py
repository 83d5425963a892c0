"""Elementwise addition of two quantized activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from kilograd.ops.clamp import clamped_gradient
from kilograd.ops.common.layers import shifts_suit_dsp
from kilograd.ops.kernel import Fields
from kilograd.ops.spec import (
    DSP,
    PLAIN,
    Array,
    Case,
    GradientBuilder,
    Input,
    Kernel,
    OpSpec,
    Output,
    RowRule,
    StepContext,
    Use,
    required,
)

#: A half, as multiplier and shift: how the input with the larger scale is rescaled.
_HALF = (1 << 30, 0)

#: Bits that both inputs are shifted up by before they are scaled (as TensorFlow Lite).
LEFT_SHIFT = 20


@dataclass(frozen=True)
class AddAttributes:
    """Attributes of ``add``.

    Attributes:
        output: quantization of the result.
    """

    output: Quantization


class Add(OpSpec[AddAttributes]):
    """a + b, both rescaled to twice the larger scale first (TensorFlow Lite's ADD).

    Inputs: int8[...] twice, with scales of their own. Output: int8[...]; may take either's
    memory. The gradient of both is the gradient of the sum: they share one tensor.
    """

    name = "add"
    attributes_type = AddAttributes
    operands = required("a", "b")
    results = ("y",)
    reuses = MappingProxyType({"y": ("a", "b")})
    #: What each input counts.
    _signs: ClassVar[tuple[int, int]] = (1, 1)

    def infer(
        self, attributes: AddAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The shape of both."""
        types = self.bind(attributes, inputs)
        if types.a.shape != types.b.shape:
            msg = f"cannot {self.name} {types.a.shape} and {types.b.shape}"
            raise ValueError(msg)
        return (TensorType(types.a.shape, DType.INT8, attributes.output),)

    def _multipliers(
        self, attributes: AddAttributes, inputs: Sequence[TensorType]
    ) -> list[tuple[int, int]]:
        a, b = (type_.scale for type_ in inputs)
        twice = 2 * max(a, b)
        reals = [
            a / twice,
            b / twice,
            twice / ((1 << LEFT_SHIFT) * attributes.output.scale),
        ]
        return [quantize_multiplier(real) for real in reals]

    def reference(
        self,
        attributes: AddAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Shift up, rescale, add, requantize."""
        del context
        result = self._unclamped(attributes, inputs, arrays)
        return (np.clip(result, -128, 127).astype(np.int8),)

    def _unclamped(
        self, attributes: AddAttributes, inputs: Sequence[TensorType], arrays: Sequence[Array]
    ) -> NDArray[np.int64]:
        *branches, out = self._multipliers(attributes, inputs)
        total = np.zeros(arrays[0].shape, np.int64)
        for array, type_, sign, scaling in zip(arrays, inputs, self._signs, branches, strict=True):
            shifted = (array.astype(np.int64) - type_.zero_point) << LEFT_SHIFT
            total += sign * multiply_by_quantized_multiplier(shifted, *scaling)
        return multiply_by_quantized_multiplier(total, *out) + attributes.output.zero_point

    def may_clamp(self, node: Node, graph: Graph) -> bool:
        """By the results of the smallest and the largest inputs."""
        types = graph.types(node.inputs)
        ends = np.array([-128, 127], np.int8)
        arrays = [ends[::sign] for sign in self._signs]
        least, most = self._unclamped(node.attributes, types, arrays)
        return bool(least <= ends[0] or most >= ends[1])

    def real(
        self, attributes: AddAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The sum."""
        del inputs
        reals = self.bind(attributes, values)
        return reals.a + reals.b

    def kernel(self, attributes: AddAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_add; with DSP instructions for one input that is halved and one that is shifted."""
        a, b, out = self._multipliers(attributes, inputs)
        shift_of_smaller = b[1] if a == _HALF else a[1]
        suits = shifts_suit_dsp(np.array([out[1]], np.int8))
        is_usual = _HALF in (a, b) and shift_of_smaller <= 0 and suits
        uses = {PLAIN: Use(), DSP: Use()} if is_usual else {PLAIN: Use()}
        fields = self._fields(attributes, inputs)
        return Kernel(self.name, fields, (Input("a"), Input("b"), Output("y")), uses)

    def _fields(self, attributes: AddAttributes, inputs: Sequence[TensorType]) -> Fields:
        types = self.bind(attributes, inputs)
        a, b, out = self._multipliers(attributes, inputs)
        return {
            "count": types.a.size,
            "a_zero_point": types.a.zero_point,
            "a_multiplier": a[0],
            "a_shift": a[1],
            "b_zero_point": types.b.zero_point,
            "b_multiplier": b[0],
            "b_shift": b[1],
            "output_multiplier": out[0],
            "output_shift": out[1],
            "output_zero_point": attributes.output.zero_point,
        }

    def by_rows(self, attributes: AddAttributes, inputs: Sequence[TensorType]) -> RowRule:
        """Row by row, of both."""
        del inputs
        return RowRule(("a", "b"), attributes)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The clamped gradient, to both inputs."""
        gradient = clamped_gradient(self, node, graph, builder)
        for name in node.inputs:
            if builder.wanted(name):
                builder.contribute(name, gradient)

    def cases(self) -> Sequence[Case]:
        """Close and far scales, extreme zero points."""
        scales = [((0.05, 3), (0.04, -7), (0.07, 0)), ((0.9, -128), (0.01, 127), (1.0, -20))]
        return [
            Case(
                f"scales{index}",
                AddAttributes(Quantization((out[0],), out[1])),
                tuple(
                    TensorType((3, 4, 5), DType.INT8, Quantization((scale,), zero))
                    for scale, zero in (a, b)
                ),
            )
            for index, (a, b, out) in enumerate(scales)
        ]
