"""What pools over sliding windows share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops.gradient_scale import EXPONENT, MAGNITUDE
from kilograd.ops.pool.window import PoolWindow
from kilograd.ops.spec import Case, Input, Kernel, OpSpec, Output, RowRule, required


@dataclass(frozen=True)
class PoolAttributes:
    """Attributes of a pool over windows.

    Attributes:
        window: that slides over the map.
    """

    window: PoolWindow


@dataclass(frozen=True)
class WindowedPoolGradientAttributes:
    """Attributes of its gradient.

    Attributes:
        window: of the pool.
        height: of the pooled map.
        width: of the pooled map.
        rng_stream: of the stochastic rounding.
    """

    window: PoolWindow
    height: int
    width: int
    rng_stream: int


class WindowedPool(OpSpec[PoolAttributes]):
    """A pool over windows: int8[H, W, C] to int8[rows, columns, C] of the same quantization."""

    attributes_type = PoolAttributes
    operands = required("x")
    results = ("y",)
    #: name of its kernel, as of the operator
    name: ClassVar[str]

    def infer(
        self, attributes: PoolAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """A position for each window."""
        x = self.bind(attributes, inputs).x
        shape = attributes.window.output_shape(x.shape)
        return (TensorType(shape, DType.INT8, x.quantization),)

    def kernel(self, attributes: PoolAttributes, inputs: Sequence[TensorType]) -> Kernel:
        """In plain C."""
        fields = attributes.window.fields(self.bind(attributes, inputs).x.shape)
        return Kernel(self.name, fields, (Input("x"), Output("y")))

    def by_rows(self, attributes: PoolAttributes, inputs: Sequence[TensorType]) -> RowRule:
        """The rows under the window."""
        del inputs
        window = attributes.window
        row = PoolAttributes(replace(window, top=0, bottom=0))
        above = ("input_height", "top")
        return RowRule(("x",), row, window.height, window.row_stride, window.top, *above)

    def cases(self) -> Sequence[Case]:
        """Windows apart and overlapping, unequal strides, padding on every side."""
        return [
            Case(f"{shape} {name}", PoolAttributes(window), (_map(shape),))
            for name, shape, window in WINDOWS
        ]


def gradient_types(
    attributes: WindowedPoolGradientAttributes, gradient: TensorType
) -> tuple[TensorType, ...]:
    """Types of the results of a pool's gradient: the map's shape, and magnitude bits.

    Raises:
        ValueError: when the gradient does not fit the map.
    """
    shape = (attributes.height, attributes.width, gradient.shape[2])
    if attributes.window.output_shape(shape) != gradient.shape:
        msg = f"a gradient of {gradient.shape} does not fit a map of {shape}"
        raise ValueError(msg)
    return TensorType(shape), MAGNITUDE


def gradient_cases(*, reads_map: bool) -> Sequence[Case]:
    """The windows of the forward operators; the map, if it is read, is the last operand but one."""
    cases: list[Case] = []
    for name, shape, window in WINDOWS:
        attributes = WindowedPoolGradientAttributes(window, *shape[:2], 1)
        gradient = TensorType(window.output_shape(shape))
        maps = (_map(shape),) if reads_map else ()
        cases.append(
            Case(
                f"{shape} {name}",
                attributes,
                (gradient, EXPONENT, *maps, EXPONENT),
                low={"gradient": -127, "gradient_exponent": -80, "result_exponent": -160},
                high={"gradient_exponent": 0, "result_exponent": -60},
            )
        )
    return cases


def _map(shape: tuple[int, int, int]) -> TensorType:
    return TensorType(shape, DType.INT8, Quantization((0.1,), -3))


WINDOWS: Sequence[tuple[str, tuple[int, int, int], PoolWindow]] = (
    ("apart", (4, 6, 5), PoolWindow(2, 2, 2, 2)),
    ("odd", (5, 7, 3), PoolWindow(2, 2, 2, 2)),
    ("overlapping", (7, 6, 3), PoolWindow(3, 3, 2, 2, 1, 1, 1, 1)),
    ("dense", (5, 4, 9), PoolWindow(3, 2, 1, 1, 1, 1, 0, 1)),
    ("gaps", (9, 8, 2), PoolWindow(1, 2, 3, 4)),
    ("tall", (8, 3, 33), PoolWindow(4, 1, 2, 1, 3, 0, 0, 0)),
    ("whole", (3, 4, 1), PoolWindow(3, 4, 3, 4)),
)
