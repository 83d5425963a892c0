"""Any function of one number, by a table of its results; the gradient, by one of its slopes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.clamp.op import bounded_gradient
from kilograd.ops.gradient_scale import (
    EXPONENT,
    MAGNITUDE,
    check_exponents,
    emit_gradient,
    exponent_shift,
    gradient_arguments,
    rounded_gradient,
)
from kilograd.ops.lookup.functions import Function
from kilograd.ops.lookup.tables import INPUTS, rounded_table, slope_table
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
    c_constant,
    required,
)

#: Added to an int8 number, it is the place of its entry in a table.
_OFFSET = c_constant(Path(__file__).parent / "kernels" / "kg_lookup.h", "KG_LOOKUP_OFFSET")


@dataclass(frozen=True)
class LookupAttributes:
    """Attributes of ``lookup``.

    Attributes:
        function: what the table means, in real numbers.
        output: quantization of the result.
        table: 256 numbers of int8, the results for the inputs from -128 up. They are what is
            computed; a file's framework may round otherwise than ``rounded_table``.
    """

    function: Function
    output: Quantization
    table: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.table) != len(INPUTS) or not -128 <= min(self.table) <= max(self.table) <= 127:  # noqa: PLR2004 - int8
            msg = f"a table holds 256 numbers of int8, not {len(self.table)} others"
            raise ValueError(msg)


@dataclass(frozen=True)
class LookupGradientAttributes:
    """Attributes of ``lookup_input_gradient``.

    Attributes:
        function: of the lookup.
        output: quantization of the lookup's result.
        rng_stream: of the stochastic rounding.
    """

    function: Function
    output: Quantization
    rng_stream: int


def clamped_to(attributes: LookupAttributes, given: Quantization) -> tuple[int, int] | None:
    """The bounds of a table that clamps its input and does nothing else; None for other tables."""
    low, high = min(attributes.table), max(attributes.table)
    if given != attributes.output or (low, high) == (INPUTS[0], INPUTS[-1]) or high < low + 2:
        return None
    is_clamp = np.array_equal(np.clip(INPUTS, low, high), attributes.table)
    return (low, high) if is_clamp else None


class Lookup(OpSpec[LookupAttributes]):
    """A function of each element, read from a table (TensorFlow Lite's LOGISTIC, TANH and others).

    Input: int8[...]. Output: int8[...] of the same shape; may take the input's memory.
    """

    name = "lookup"
    attributes_type = LookupAttributes
    operands = required("x")
    results = ("y",)
    reuses = MappingProxyType({"y": ("x",)})

    def infer(
        self, attributes: LookupAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The input's shape."""
        x = self.bind(attributes, inputs).x
        return (TensorType(x.shape, DType.INT8, attributes.output),)

    def reference(
        self,
        attributes: LookupAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Look up."""
        del inputs, context
        table = np.array(attributes.table, np.int8)
        return (table[self.bind(attributes, arrays).x.astype(np.int64) + _OFFSET],)

    def real(
        self, attributes: LookupAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """The function."""
        del inputs
        return attributes.function.value(self.bind(attributes, values).x)

    def kernel(self, attributes: LookupAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_lookup."""
        fields = {
            "count": self.bind(attributes, inputs).x.size,
            "table": np.array(attributes.table, np.int8),
        }
        uses = {PLAIN: Use(), DSP: Use()}
        return Kernel("lookup", fields, (Input("x"), Output("y")), uses)

    def by_rows(self, attributes: LookupAttributes, inputs: Sequence[TensorType]) -> RowRule:
        """Row by row."""
        del inputs
        return RowRule(("x",), attributes)

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The gradient times the function's slope at each input, which is zero where it clamps.

        Of a clamp, the result tells where it acted, so that the input need not be kept.
        """
        (name,) = node.inputs
        if not builder.wanted(name):
            return
        attributes, given = node.attributes, graph.type_of(name)
        bounds = clamped_to(attributes, given.quantized())
        if bounds is not None:
            builder.contribute(name, bounded_gradient(node, *bounds, builder))
            return
        slopes, exponent = slope_table(attributes.function, given.quantized(), attributes.output)
        gradient = builder.gradient(node.outputs[0])
        contribution = emit_gradient(
            builder,
            "lookup_input_gradient",
            {
                "gradient": gradient.value,
                "gradient_exponent": gradient.exponent,
                "x": name,
            },
            LookupGradientAttributes(attributes.function, attributes.output, builder.rng_stream()),
            layer=node.layer,
            task="input_gradient",
            magnitude=gradient.magnitude + _gain(slopes) + exponent,
        )
        builder.contribute(name, contribution)

    def cases(self) -> Sequence[Case]:
        """Every function; counts that do and do not fill words; a clamp that acts."""
        return [
            Case(
                f"{function.name}{'x'.join(map(str, shape))}",
                LookupAttributes(function, output, rounded_table(function, given, output)),
                (TensorType(shape, DType.INT8, given),),
            )
            for function, given, output, shape in _CASES
        ]


class LookupInputGradient(OpSpec[LookupGradientAttributes]):
    """gradient · slope of the function at x, each rounded stochastically by itself.

    Inputs: gradient int8[...], its exponent, x int8[...] of the same shape, the result's exponent.
    Outputs: int8[...], magnitude bits; may take the gradient's memory.
    """

    name = "lookup_input_gradient"
    attributes_type = LookupGradientAttributes
    operands = required("gradient", "gradient_exponent", "x", "result_exponent")
    results = ("result", "magnitude")
    reuses = MappingProxyType({"result": ("gradient",)})

    def infer(
        self, attributes: LookupGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The input's shape."""
        types = self.bind(attributes, inputs)
        check_exponents(types)
        if types.gradient.shape != types.x.shape:
            msg = f"a gradient of {types.gradient.shape} does not fit an input of {types.x.shape}"
            raise ValueError(msg)
        return TensorType(types.x.shape), MAGNITUDE

    def _slopes(
        self, attributes: LookupGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[NDArray[np.int16], int]:
        given = self.bind(attributes, inputs).x
        return slope_table(attributes.function, given.quantized(), attributes.output)

    def reference(
        self,
        attributes: LookupGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Look up, multiply, round."""
        given = self.bind(attributes, arrays)
        slopes, exponent = self._slopes(attributes, inputs)
        products = given.gradient.astype(np.int64) * slopes[given.x.astype(np.int64) + _OFFSET]
        shift = exponent_shift(given, exponent)
        return rounded_gradient(products, shift, attributes.rng_stream, context)

    def kernel(self, attributes: LookupGradientAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_lookup_input_gradient."""
        slopes, exponent = self._slopes(attributes, inputs)
        fields = {
            "count": self.bind(attributes, inputs).x.size,
            "slopes": slopes,
            "exponent": exponent,
            "rng_stream": attributes.rng_stream,
        }
        arguments = gradient_arguments(self)
        uses = {PLAIN: Use(), DSP: Use()}
        return Kernel("lookup_input_gradient", fields, arguments, uses)

    def cases(self) -> Sequence[Case]:
        """The forward's, and exponents far apart."""
        cases = [
            Case(
                f"{function.name}{'x'.join(map(str, shape))}",
                LookupGradientAttributes(function, output, 3),
                (TensorType(shape), EXPONENT, TensorType(shape, DType.INT8, given), EXPONENT),
                low={"gradient": -127, "gradient_exponent": -80, "result_exponent": -160},
                high={"gradient_exponent": 0, "result_exponent": -60},
            )
            for function, given, output, shape in _CASES
        ]
        (first, *_) = cases
        far = {"gradient_exponent": -1000, "result_exponent": -1000}
        above = {"gradient_exponent": 1000, "result_exponent": 1000}
        return [
            *cases,
            Case("far", first.attributes, first.inputs, low={**first.low, **far}, high=above),
        ]


def _gain(slopes: NDArray[np.int16]) -> float:
    """log2 of the root mean square of the slopes, as if every input were as likely."""
    return 0.5 * math.log2(max(float(np.mean(slopes.astype(np.float64) ** 2)), 1.0))


_UNIT, _AROUND = Quantization((1 / 256,), -128), Quantization((1 / 128,), 0)

_CASES: tuple[tuple[Function, Quantization, Quantization, tuple[int, ...]], ...] = (
    (Function("logistic"), Quantization((0.05,), 7), _UNIT, (3, 4, 5)),
    (Function("tanh"), Quantization((0.03,), -11), _AROUND, (1, 1, 9)),
    (Function("swish"), Quantization((0.05,), -6), Quantization((0.027,), -118), (2, 3, 4)),
    (Function("hard_swish"), Quantization((0.06,), -20), Quantization((0.03,), -115), (5, 3, 7)),
    (Function("leaky_relu", (0.1,)), Quantization((0.05,), 3), Quantization((0.04,), -90), (2, 4)),
    (Function("elu", (1.0,)), Quantization((0.05,), 30), Quantization((0.024,), -86), (1, 1, 1)),
    (Function("hard_sigmoid", (0.2, 0.5)), Quantization((0.05,), -5), _UNIT, (4, 2, 3)),
    (
        Function("absolute"),
        Quantization((0.05,), 5),
        Quantization((0.06,), -128),
        (3, 3, 2),
    ),
    (Function("linear", (-2.5, 0.7)), Quantization((0.02,), 5), Quantization((0.03,), 9), (11,)),
)
