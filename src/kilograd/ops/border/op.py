"""Padding with positions of the map itself: mirrored, repeated or from the other side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.gradient_scale import (
    EXPONENT,
    MAGNITUDE,
    check_exponents,
    emit_gradient,
    exponent_shift,
    gradient_arguments,
    rounded_gradient,
)
from kilograd.ops.spec import (
    Array,
    Case,
    GradientBuilder,
    Input,
    Kernel,
    OpSpec,
    Output,
    StepContext,
    c_constant,
    required,
)

_HEADER = Path(__file__).parent / "kernels" / "kg_border.h"

#: Bits that sums are shifted up by before they are rounded: the result's exponent may be lower.
HEADROOM = c_constant(_HEADER, "KG_BORDER_HEADROOM")

#: Positions that one can become, so that a sum of their gradients fits 32 bits by far.
MOST_COPIES = 1 << 16


@dataclass(frozen=True)
class _Kind:
    """How positions outside of a map are found inside.

    Attributes:
        code: in C.
        source: of places along a dimension, from below 0 to beyond its extent.
        spare: how many fewer than its extent there may be on either side; None for any number.
    """

    code: int
    source: Callable[[NDArray[np.int64], int], NDArray[np.int64]]
    spare: int | None


def _folded(at: NDArray[np.int64], extent: int, gap: int) -> NDArray[np.int64]:
    """Mirrored at both ends, with so many places between the first one and its image."""
    at = np.where(at < 0, -at - 1 + gap, at)
    return np.where(at >= extent, 2 * extent - 1 - gap - at, at)


#: By name.
KINDS: Mapping[str, _Kind] = {
    "reflect": _Kind(
        c_constant(_HEADER, "KG_BORDER_REFLECT"), lambda at, n: _folded(at, n, 1), spare=1
    ),
    "symmetric": _Kind(
        c_constant(_HEADER, "KG_BORDER_SYMMETRIC"), lambda at, n: _folded(at, n, 0), spare=0
    ),
    "edge": _Kind(
        c_constant(_HEADER, "KG_BORDER_EDGE"), lambda at, n: np.clip(at, 0, n - 1), spare=None
    ),
    "wrap": _Kind(c_constant(_HEADER, "KG_BORDER_WRAP"), lambda at, n: at % n, spare=0),
}


@dataclass(frozen=True)
class BorderAttributes:
    """Attributes of ``border``.

    Attributes:
        kind: ``reflect`` leaves the first and last row and column out of their image, ``symmetric``
            does not; ``edge`` repeats them; ``wrap`` goes on at the other side.
        top: rows above the map.
        bottom: likewise.
        left: columns.
        right: likewise.
    """

    kind: str
    top: int
    bottom: int
    left: int
    right: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            msg = f"a border is {', '.join(KINDS)}, not {self.kind}"
            raise ValueError(msg)


@dataclass(frozen=True)
class BorderGradientAttributes:
    """Attributes of its gradient.

    Attributes:
        border: of the forward operator.
        rng_stream: of the stochastic rounding.
    """

    border: BorderAttributes
    rng_stream: int


class Border(OpSpec[BorderAttributes]):
    """A map with its own positions around it (TensorFlow Lite's MIRROR_PAD, ONNX's Pad).

    Input: int8[H, W, C]. Output: int8[top + H + bottom, left + W + right, C] of the same
    quantization.
    """

    name = "border"
    attributes_type = BorderAttributes
    operands = required("x")
    results = ("y",)

    def infer(
        self, attributes: BorderAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """So many more rows and columns."""
        x = self.bind(attributes, inputs).x
        height, width, channels = x.shape
        spare = KINDS[attributes.kind].spare
        for before, after, extent in _sides(attributes, height, width):
            most = MOST_COPIES if spare is None else extent - spare
            if not 0 <= min(before, after) <= max(before, after) <= most:
                msg = (
                    f"{before} and {after} positions are put around {extent}, and a border by "
                    f"{attributes.kind} has at most {most}"
                )
                raise ValueError(msg)
        rows, columns = _places(attributes, height, width)
        if int(np.bincount(rows).max() * np.bincount(columns).max()) > MOST_COPIES:
            msg = f"a position becomes more than {MOST_COPIES:,} of a border by {attributes.kind}"
            raise ValueError(msg)
        return (TensorType((len(rows), len(columns), channels), x.dtype, x.quantization),)

    def reference(
        self,
        attributes: BorderAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """As they are, some of them several times."""
        del inputs, context
        return (bordered(attributes, self.bind(attributes, arrays).x),)

    def real(
        self, attributes: BorderAttributes, inputs: Sequence[TensorType], values: Sequence[Array]
    ) -> NDArray[np.float64]:
        """As they are, some of them several times."""
        del inputs
        return bordered(attributes, self.bind(attributes, values).x)

    def kernel(self, attributes: BorderAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_border."""
        fields = _fields(attributes, self.bind(attributes, inputs).x.shape)
        return Kernel("border", fields, (Input("x"), Output("y")))

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """The sum over the places that a position has."""
        (name,) = node.inputs
        if not builder.wanted(name):
            return
        gradient = builder.gradient(node.outputs[0])
        copies = graph.type_of(node.outputs[0]).size / graph.type_of(name).size
        contribution = emit_gradient(
            builder,
            BorderInputGradient.name,
            {"gradient": gradient.value, "gradient_exponent": gradient.exponent},
            BorderGradientAttributes(node.attributes, builder.rng_stream()),
            layer=node.layer,
            task="input_gradient",
            # As many meet at a position as by chance.
            magnitude=gradient.magnitude + math.log2(copies) / 2,
        )
        builder.contribute(name, contribution)

    def cases(self) -> Sequence[Case]:
        """Every kind, sides that differ, a single position and a single channel."""
        return [
            Case(f"{shape} {attributes}", attributes, (_map(shape),))
            for shape, attributes in BORDER_CASES
        ]


class BorderInputGradient(OpSpec[BorderGradientAttributes]):
    """The sum of the gradients of a position's places, rounded stochastically.

    Inputs: gradient int8[top + H + bottom, left + W + right, C], its exponent, the result's
    exponent. Outputs: int8[H, W, C], magnitude bits.
    """

    name = "border_input_gradient"
    attributes_type = BorderGradientAttributes
    operands = required("gradient", "gradient_exponent", "result_exponent")
    results = ("result", "magnitude")

    def infer(
        self, attributes: BorderGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The map's shape."""
        types, border = self.bind(attributes, inputs), attributes.border
        check_exponents(types)
        rows, columns, channels = types.gradient.shape
        height, width = rows - border.top - border.bottom, columns - border.left - border.right
        if min(height, width) < 1:
            msg = f"a gradient of {types.gradient.shape} is less than the border of its map"
            raise ValueError(msg)
        shape = (height, width, channels)
        Border().infer(border, (TensorType(shape, DType.INT8),))
        return TensorType(shape), MAGNITUDE

    def reference(
        self,
        attributes: BorderGradientAttributes,
        inputs: Sequence[TensorType],
        arrays: Sequence[Array],
        context: StepContext,
    ) -> tuple[Array, ...]:
        """Add the gradients of all places, round."""
        (out, _) = self.infer(attributes, inputs)
        given = self.bind(attributes, arrays)
        sums = np.zeros(out.shape, np.int64)
        rows, columns = _places(attributes.border, *out.shape[:2])
        np.add.at(sums, (rows[:, None], columns), given.gradient.astype(np.int64))
        shift = exponent_shift(given, -HEADROOM)
        return rounded_gradient(sums << HEADROOM, shift, attributes.rng_stream, context)

    def kernel(self, attributes: BorderGradientAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """kg_border_input_gradient."""
        (out, _) = self.infer(attributes, inputs)
        fields = {**_fields(attributes.border, out.shape), "rng_stream": attributes.rng_stream}
        return Kernel("border_input_gradient", fields, gradient_arguments(self))

    def cases(self) -> Sequence[Case]:
        """Those of the forward operator; results' exponents below the gradient's, and above."""
        return [
            Case(
                f"{shape} {attributes}",
                BorderGradientAttributes(attributes, 1),
                (TensorType(made.shape), EXPONENT, EXPONENT),
                low={"gradient": -127, "gradient_exponent": -80, "result_exponent": -160},
                high={"gradient_exponent": 0, "result_exponent": -60},
            )
            for shape, attributes in BORDER_CASES
            for made in Border().infer(attributes, (_map(shape),))
        ]


def _sides(
    attributes: BorderAttributes, height: int, width: int
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Of rows and of columns: how many before, how many after, and how many there are."""
    return (
        (attributes.top, attributes.bottom, height),
        (attributes.left, attributes.right, width),
    )


def _places(
    attributes: BorderAttributes, height: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which row and which column of the map is at each one of the result."""
    source = KINDS[attributes.kind].source
    rows, columns = (
        source(np.arange(-before, extent + after, dtype=np.int64), extent)
        for before, after, extent in _sides(attributes, height, width)
    )
    return rows, columns


def bordered(attributes: BorderAttributes, x: Array) -> Array:
    """A map with its border.

    Args:
        attributes: of the operator.
        x: [H, W, C], of any type.
    """
    rows, columns = _places(attributes, *x.shape[:2])
    return np.ascontiguousarray(x[rows][:, columns])


def _fields(attributes: BorderAttributes, shape: tuple[int, ...]) -> dict[str, int]:
    height, width, channels = shape
    extents = {"height": height, "width": width, "channels": channels}
    rows = {"top": attributes.top, "bottom": attributes.bottom}
    columns = {"left": attributes.left, "right": attributes.right}
    return {**extents, **rows, **columns, "kind": KINDS[attributes.kind].code}


def _map(shape: tuple[int, int, int]) -> TensorType:
    return TensorType(shape, DType.INT8, Quantization((0.1,), -3))


BORDER_CASES: Sequence[tuple[tuple[int, int, int], BorderAttributes]] = (
    ((3, 4, 5), BorderAttributes("reflect", 1, 1, 1, 1)),
    ((4, 3, 1), BorderAttributes("reflect", 3, 0, 1, 2)),
    ((2, 3, 19), BorderAttributes("symmetric", 2, 1, 0, 3)),
    ((1, 2, 7), BorderAttributes("edge", 3, 2, 0, 5)),
    ((1, 1, 3), BorderAttributes("edge", 0, 16, 17, 0)),
    ((3, 2, 4), BorderAttributes("wrap", 3, 1, 0, 2)),
)
