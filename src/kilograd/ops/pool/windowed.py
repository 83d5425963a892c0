"""What pools over sliding windows share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from kilograd.ir import DType, Graph, Node, Quantization, TensorType
from kilograd.ops.gradient_scale import (
    EXPONENT,
    MAGNITUDE,
    check_exponents,
    emit_gradient,
    gradient_arguments,
)
from kilograd.ops.pool.window import PoolWindow
from kilograd.ops.spec import (
    Case,
    GradientBuilder,
    Input,
    Kernel,
    OpSpec,
    Output,
    RowRule,
    required,
)


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
    #: name of the operator that makes its input gradient
    input_gradient: ClassVar[str]
    #: whether that reads the map again
    reads_map: ClassVar[bool]

    @abstractmethod
    def gain(self, window: PoolWindow, windows: float) -> float:
        """Expected log2 growth of a gradient's root mean square from result to input.

        Args:
            window: of the pool.
            windows: that lie over a position, on average.
        """

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

    def gradient(self, node: Node, graph: Graph, builder: GradientBuilder) -> None:
        """To the positions under each window."""
        (name,) = node.inputs
        if not builder.wanted(name):
            return
        gradient = builder.gradient(node.outputs[0])
        type_, window = graph.type_of(name), node.attributes.window
        height, width, _ = type_.shape
        reads = {"gradient": gradient.value, "gradient_exponent": gradient.exponent}
        windows = graph.type_of(node.outputs[0]).size * window.positions / type_.size
        contribution = emit_gradient(
            builder,
            self.input_gradient,
            {**reads, "x": name} if self.reads_map else reads,
            WindowedPoolGradientAttributes(window, height, width, builder.rng_stream()),
            layer=node.layer,
            task="input_gradient",
            magnitude=gradient.magnitude + self.gain(window, windows),
        )
        builder.contribute(name, contribution)

    def cases(self) -> Sequence[Case]:
        """Windows apart and overlapping, unequal strides, padding on every side."""
        return [
            Case(f"{shape} {name}", PoolAttributes(window), (_map(shape),))
            for name, shape, window in WINDOWS
        ]


class WindowedPoolInputGradient(OpSpec[WindowedPoolGradientAttributes]):
    """The gradient of a pool over windows: int8[rows, columns, C] to int8[H, W, C].

    Inputs: the gradient, its exponent, the pool's input if it is read again, the result's exponent.
    Outputs: int8[H, W, C], magnitude bits.
    """

    attributes_type = WindowedPoolGradientAttributes
    results = ("result", "magnitude")

    def infer(
        self, attributes: WindowedPoolGradientAttributes, inputs: Sequence[TensorType]
    ) -> tuple[TensorType, ...]:
        """The map's shape."""
        types = self.bind(attributes, inputs)
        check_exponents(types)
        shape = (attributes.height, attributes.width, types.gradient.shape[2])
        if attributes.window.output_shape(shape) != types.gradient.shape:
            msg = f"a gradient of {types.gradient.shape} does not fit a map of {shape}"
            raise ValueError(msg)
        return TensorType(shape), MAGNITUDE

    def kernel(
        self, attributes: WindowedPoolGradientAttributes, inputs: Sequence[TensorType]
    ) -> Kernel:
        """In plain C."""
        fields = attributes.window.fields(self.infer(attributes, inputs)[0].shape)
        fields["rng_stream"] = attributes.rng_stream
        arguments = gradient_arguments(self)
        return Kernel(self.name, fields, arguments)

    def cases(self) -> Sequence[Case]:
        """The windows of the forward operators."""
        cases: list[Case] = []
        for name, shape, window in WINDOWS:
            attributes = WindowedPoolGradientAttributes(window, *shape[:2], 1)
            types = {"gradient": TensorType(window.output_shape(shape)), "x": _map(shape)}
            cases.append(
                Case(
                    f"{shape} {name}",
                    attributes,
                    tuple(types.get(operand.name, EXPONENT) for operand in self.operands),
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
