"""The product of two quantized maps, or of a map and one factor for each of its channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from kilograd.ops.clamp import clamped_gradient
from kilograd.ops.common.layers import shifts_suit_dsp
from kilograd.ops.gradient_scale import emit_gradient
from kilograd.ops.multiply.backward import (
    is_spread,
    repeats,
)
from kilograd.ops.spec import (
    DSP,
    PLAIN,
    Array,
    Case,
    Gradient,
    GradientBuilder,
    Input,
    Kernel,
    OpSpec,
    Output,
    RngAttributes,
    RowRule,
    StepContext,
    Use,
    required,
)


@dataclass(frozen=True)
class MultiplyAttributes:
    """Attributes of ``multiply``.

    Attributes:
        output: quantization of the result.
    """

    output: Quantization


class Multiply(OpSpec[MultiplyAttributes]):
    """a · b, requantized (TensorFlow Lite's MUL).

    Inputs: a int8[H, W, C]; b int8 of the same shape, or [1, 1, C] for every position. Output:
    int8[H, W, C]; may take a's memory, or that of b where their shapes are the same.
    """

    name = "multiply"
    attributes_type = MultiplyAttributes
    operands = required("a", "b")
    results = ("y",)
    reuses = MappingProxyType({"y": ("a", "b")})

    def infer(
        self, attributes: MultiplyAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The shape of a."""
        types = self.bind(attributes, inputs)
        repeats(types.a.shape, types.b.shape)
        return (TensorType(types.a.shape, DType.INT8, attributes.output),)

    def _multiplier(
        self, attributes: MultiplyAttributes, inputs: Sequence[TensorType]
    ) -> tuple[int, int]:
        types = self.bind(attributes, inputs)
        return quantize_multiplier(types.a.scale * types.b.scale / attributes.output.scale)

    def reference(
        self,
        attributes: MultiplyAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Multiply, requantize."""
        del context
        result = self._unclamped(attributes, inputs, arrays)
        return (np.clip(result, -128, 127).astype(np.int8),)

    def _unclamped(
        self, attributes: MultiplyAttributes, inputs: Sequence[TensorType], arrays: Sequence[Array]
    ) -> NDArray[np.int64]:
        a, b = (
            array.astype(np.int64) - type_.zero_point
            for array, type_ in zip(arrays, inputs, strict=True)
        )
        scaled = multiply_by_quantized_multiplier(a * b, *self._multiplier(attributes, inputs))
        return scaled + attributes.output.zero_point

    def may_clamp(self, node: Node, graph: Graph) -> bool:
        """By the products of the smallest and the largest inputs, between which all others lie."""
        ends = np.array([-128, 127], np.int8)
        corners = [np.repeat(ends, 2), np.tile(ends, 2)]
        found = self._unclamped(node.attributes, graph.types(node.inputs), corners)
        return bool(found.min() <= ends[0] or found.max() >= ends[1])

    def real(
        self, attributes: MultiplyAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The product."""
        del inputs
        reals = self.bind(attributes, values)
        return reals.a * reals.b

    def kernel(self, attributes: MultiplyAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_multiply."""
        types = self.bind(attributes, inputs)
        multiplier, shift = self._multiplier(attributes, inputs)
        fields = {
            "repeats": repeats(types.a.shape, types.b.shape),
            "count": types.b.size,
            "a_zero_point": types.a.zero_point,
            "b_zero_point": types.b.zero_point,
            "multiplier": multiplier,
            "shift": shift,
            "output_zero_point": attributes.output.zero_point,
        }
        uses = {PLAIN: Use()}
        if shifts_suit_dsp(np.array([shift], np.int8)):
            uses[DSP] = Use()
        return Kernel("multiply", fields, (Input("a"), Input("b"), Output("y")), uses)

    def by_rows(self, attributes: MultiplyAttributes, inputs: Sequence[TensorType]) -> RowRule:
        """Row by row, of both maps; factors of channels stay whole."""
        types = self.bind(attributes, inputs)
        return RowRule(
            ("a",) if is_spread(types.a.shape, types.b.shape) else ("a", "b"), attributes
        )

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The clamped gradient times the other input, summed where a factor is spread."""
        a, b = node.inputs
        if not (builder.wanted(a) or builder.wanted(b)):
            return
        gradient = clamped_gradient(self, node, graph, builder)
        sums = is_spread(graph.type_of(a).shape, graph.type_of(b).shape)
        if builder.wanted(a):
            self._contribute(node, graph, builder, gradient, a, b, "input_gradient")
        if builder.wanted(b):
            task = "factor_gradient" if sums else "input_gradient"
            self._contribute(node, graph, builder, gradient, b, a, task)

    def _contribute(
        self,
        node: Node,
        graph: Graph,
        builder: GradientBuilder,
        gradient: Gradient,
        name: str,
        other: str,
        task: str,
    ) -> None:
        type_ = graph.type_of(other)
        positions = type_.size // graph.type_of(name).size if task == "factor_gradient" else 1
        contribution = emit_gradient(
            builder,
            f"multiply_{task}",
            {
                "gradient": gradient.value,
                "gradient_exponent": gradient.exponent,
                "other": other,
            },
            RngAttributes(builder.rng_stream()),
            layer=node.layer,
            task=task,
            magnitude=gradient.magnitude + _size(type_) + 0.5 * math.log2(positions),
        )
        builder.contribute(name, contribution)

    def cases(self) -> Sequence[Case]:
        """Both forms, odd counts, extreme zero points, and a shift that only plain kernels do."""
        return [
            Case(
                f"{'x'.join(map(str, a))}-{'x'.join(map(str, b))}-{index}",
                MultiplyAttributes(Quantization((output[0],), output[1])),
                tuple(
                    TensorType(shape, DType.INT8, Quantization((scale,), zero))
                    for shape, (scale, zero) in ((a, given[0]), (b, given[1]))
                ),
            )
            for index, (a, b, given, output) in enumerate(_CASES)
        ]


def _size(type_: TensorType) -> float:
    """log2 of the root mean square of real values, as if every int8 number were as likely."""
    steps = np.arange(-128, 128, dtype=np.float64) - type_.zero_point
    return 0.5 * math.log2(float(np.mean(steps**2))) + math.log2(type_.scale)


_GATE = (1 / 256, -128)

_CASES = (
    ((3, 4, 5), (3, 4, 5), ((0.05, 3), (0.04, -7)), (0.03, 11)),
    ((3, 4, 5), (1, 1, 5), ((0.05, -128), _GATE), (0.045, -128)),
    ((5, 3, 8), (1, 1, 8), ((0.05, 127), (0.9, -128)), (6.0, 0)),
    ((1, 1, 6), (1, 1, 6), ((0.05, 20), (0.05, -20)), (0.1, -30)),
    ((2, 2, 3), (1, 1, 3), ((0.9, 5), (0.8, -6)), (0.01, 1)),
    ((2, 7, 1), (1, 1, 1), ((0.05, -3), (0.04, 4)), (0.04, 9)),
)
