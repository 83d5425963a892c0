"""A constant for each channel, added to a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from kilograd.ops.clamp import clamped_gradient
from kilograd.ops.offset.terms import MOST_TERM, branch_multiplier, offset_terms, scaled_half
from kilograd.ops.spec import (
    Array,
    Case,
    GradientBuilder,
    Input,
    Kernel,
    OpSpec,
    Output,
    RowRule,
    StepContext,
    required,
)


@dataclass(frozen=True)
class OffsetAttributes:
    """Attributes of ``offset``.

    Attributes:
        output: quantization of the result.
        unit: real value of one unit of a term.
        terms: one for each channel.
    """

    output: Quantization
    unit: float
    terms: tuple[int, ...]

    def __post_init__(self) -> None:
        if max(map(abs, self.terms), default=0) > MOST_TERM:
            msg = f"a term is at most {MOST_TERM:,} units, either way"
            raise ValueError(msg)


class Offset(OpSpec[OffsetAttributes]):
    """x plus a constant a channel, in the units of a sum (TensorFlow Lite's ADD and SUB).

    Input: int8[H, W, C]. Output: int8[H, W, C]; may take the input's memory.
    """

    name = "offset"
    attributes_type = OffsetAttributes
    operands = required("x")
    results = ("y",)
    reuses = MappingProxyType({"y": ("x",)})

    def infer(
        self, attributes: OffsetAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The input's shape."""
        x = self.bind(attributes, inputs).x
        if x.shape[-1] != len(attributes.terms):
            msg = f"{len(attributes.terms)} terms do not fit a map of {x.shape[-1]} channels"
            raise ValueError(msg)
        return (TensorType(x.shape, DType.INT8, attributes.output),)

    def reference(
        self,
        attributes: OffsetAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Rescale, add, requantize."""
        del context
        given = self.bind(attributes, inputs).x
        result = _unclamped(attributes, given, self.bind(attributes, arrays).x)
        return (np.clip(result, -128, 127).astype(np.int8),)

    def may_clamp(self, node: Node, graph: Graph) -> bool:
        """By what becomes of the smallest and the largest input in each channel."""
        (given,) = graph.types(node.inputs)
        terms = node.attributes.terms
        ends = np.repeat(np.array([[-128], [127]], np.int8), len(terms), 1)
        found = _unclamped(node.attributes, given, ends)
        return bool(found.min() <= ends.min() or found.max() >= ends.max())

    def real(
        self, attributes: OffsetAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The sum."""
        del inputs
        return self.bind(attributes, values).x + np.array(attributes.terms) * attributes.unit

    def kernel(self, attributes: OffsetAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_offset."""
        x = self.bind(attributes, inputs).x
        multiplier, shift = branch_multiplier(x.scale, attributes.unit)
        output_multiplier, output_shift = quantize_multiplier(
            attributes.unit / attributes.output.scale
        )
        fields = {
            "positions": x.size // x.shape[-1],
            "channels": x.shape[-1],
            "zero_point": x.zero_point,
            "multiplier": multiplier,
            "shift": shift,
            "output_multiplier": output_multiplier,
            "output_shift": output_shift,
            "output_zero_point": attributes.output.zero_point,
            "term": np.array(attributes.terms, np.int32),
        }
        return Kernel("offset", fields, (Input("x"), Output("y")))

    def by_rows(self, attributes: OffsetAttributes, inputs: Sequence[TensorType]) -> RowRule:
        """Row by row."""
        del inputs
        return RowRule(("x",), attributes)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The clamped gradient."""
        (x,) = node.inputs
        gradient = clamped_gradient(self, node, graph, builder)
        if builder.wanted(x):
            builder.contribute(x, gradient)

    def cases(self) -> Sequence[Case]:
        """Constants that are finer and coarser than the map, added and subtracted."""
        scales = [
            (0.05, 3, 0.04, -7, 0.07, 0, False),
            (0.01, 127, 0.9, -128, 1.0, -20, True),
            (0.9, 3, 0.01, 5, 0.8, 9, True),
        ]
        rng = np.random.default_rng(2)
        found: list[Case] = []
        for index, (a, a_zero, b, b_zero, out, out_zero, subtracts) in enumerate(scales):
            x = Quantization((a,), a_zero)
            constants = rng.integers(-128, 128, 5).astype(np.int8)
            unit, terms = offset_terms(
                constants, Quantization((b,), b_zero), x, subtracts=subtracts
            )
            attributes = OffsetAttributes(Quantization((out,), out_zero), unit, terms)
            given = TensorType((3, 4, 5), DType.INT8, x)
            found.append(Case(f"scales{index}", attributes, (given,)))
        return found


def _unclamped(
    attributes: OffsetAttributes, given: TensorType, x: NDArray[np.int8]
) -> NDArray[np.int64]:
    total = scaled_half(x, given.quantized(), attributes.unit) + np.array(attributes.terms)
    output = quantize_multiplier(attributes.unit / attributes.output.scale)
    return multiply_by_quantized_multiplier(total, *output) + attributes.output.zero_point
