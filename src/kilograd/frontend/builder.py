"""Builds forward graphs layer by layer; every frontend ends here."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kilograd.errors import ModelError
from kilograd.frontend.constant_channels import Parameters, rescale_constant_channels
from kilograd.ir import (
    PIXEL_RANGE,
    VALUE_RANGE,
    DType,
    Graph,
    InputFeatures,
    Kind,
    LabelKind,
    Node,
    Quantization,
    TensorType,
    Value,
)
from kilograd.ops import REGISTRY
from kilograd.ops.add.op import AddAttributes
from kilograd.ops.border.op import BorderAttributes
from kilograd.ops.channels.part import ChannelSliceAttributes
from kilograd.ops.channels.shuffle import ChannelShuffleAttributes
from kilograd.ops.common.window import Window
from kilograd.ops.common.windowed import WindowedAttributes
from kilograd.ops.lookup.functions import Function
from kilograd.ops.lookup.op import LookupAttributes
from kilograd.ops.lookup.tables import rounded_table
from kilograd.ops.multiply.op import MultiplyAttributes
from kilograd.ops.offset import OffsetAttributes
from kilograd.ops.pointwise.op import PointwiseAttributes
from kilograd.ops.pool.mean import MeanAttributes
from kilograd.ops.pool.window import PoolWindow
from kilograd.ops.pool.windowed import PoolAttributes
from kilograd.ops.requantize.op import RequantizeAttributes
from kilograd.ops.reshape.op import ReshapeAttributes
from kilograd.ops.spaced import SpacedAttributes, SpacedWindow
from kilograd.ops.spec import NoAttributes
from kilograd.ops.transpose.op import TransposeAttributes
from kilograd.ops.upsample.op import UpsampleAttributes

#: Scale of logits: Q16.
LOGIT_SCALE = 2.0**-16

#: Scales below this, or above its inverse, are damage; products of two fit any exponent.
SMALLEST_SCALE = 2.0**-50


class GraphBuilder:
    """Appends layers to a graph; each returns the name of its result."""

    def __init__(
        self, name: str, height: int, width: int, channels: int, quantization: Quantization
    ) -> None:
        self._name = name
        type_ = TensorType((height, width, channels), DType.INT8, quantization)
        self._values: dict[str, Value] = {"input": Value("input", type_, Kind.INPUT)}
        self._nodes: list[Node] = []

    def type_of(self, name: str) -> TensorType:
        """Type of a result."""
        return self._values[name].type

    def producer(self, name: str) -> Node | None:
        """The layer that makes a value; None for the sample and for constants."""
        return next((node for node in self._nodes if name in node.outputs), None)

    def conv(self, layer: str, x: str, p: Parameters, window: Window, output: Quantization) -> str:
        """k×k convolution."""
        reads = self._layer_inputs(layer, x, p, 0, output)
        return self._slide(layer, "conv", reads, window, output)

    def pointwise(self, layer: str, x: str, p: Parameters, output: Quantization) -> str:
        """1×1 convolution."""
        reads = self._layer_inputs(layer, x, p, 0, output)
        return self.append(layer, "pointwise", reads, PointwiseAttributes(output))

    def depthwise(
        self, layer: str, x: str, p: Parameters, window: Window, output: Quantization
    ) -> str:
        """Depthwise convolution."""
        reads = self._layer_inputs(layer, x, p, 2, output)
        return self._slide(layer, "depthwise", reads, window, output)

    def _slide(
        self, layer: str, operator: str, reads: list[str], window: Window, output: Quantization
    ) -> str:
        if isinstance(window, SpacedWindow):
            return self.append(layer, f"spaced_{operator}", reads, SpacedAttributes(window, output))
        return self.append(layer, operator, reads, WindowedAttributes(window, output))

    def add(self, layer: str, a: str, b: str, output: Quantization) -> str:
        """Residual join."""
        return self.append(layer, "add", [a, b], AddAttributes(output))

    def subtract(self, layer: str, a: str, b: str, output: Quantization) -> str:
        """The difference of two maps."""
        return self.append(layer, "subtract", [a, b], AddAttributes(output))

    def offset(self, layer: str, x: str, attributes: OffsetAttributes) -> str:
        """A constant for each channel, added to a map."""
        return self.append(layer, "offset", [x], attributes)

    def multiply(self, layer: str, a: str, b: str, output: Quantization) -> str:
        """Product of a map with another, or with one factor for each of its channels."""
        return self.append(layer, "multiply", [a, b], MultiplyAttributes(output))

    def extremum(self, layer: str, a: str, b: str, *, is_larger: bool) -> str:
        """The larger or the smaller of two maps' elements."""
        return self.append(layer, "maximum" if is_larger else "minimum", [a, b], NoAttributes())

    def lookup(
        self,
        layer: str,
        x: str,
        function: Function,
        output: Quantization,
        table: tuple[int, ...] | None = None,
    ) -> str:
        """A function of each element; without a table, its results are rounded to nearest."""
        if table is None:
            table = rounded_table(function, self.type_of(x).quantized(), output)
        return self.append(layer, "lookup", [x], LookupAttributes(function, output, table))

    def constant(self, name: str, data: NDArray[np.int8], quantization: Quantization) -> str:
        """A map that does not depend on the sample; it has a name that no layer has."""
        self._refuse_taken(name, name)
        type_ = TensorType(data.shape, DType.INT8, quantization)
        self._values[name] = Value(name, type_, Kind.CONSTANT, np.ascontiguousarray(data))
        return name

    def average_pool(self, layer: str, x: str) -> str:
        """Global average pooling."""
        return self.append(layer, "average_pool", [x], NoAttributes())

    def windowed_average_pool(self, layer: str, x: str, window: PoolWindow) -> str:
        """Average pooling under windows."""
        return self.append(layer, "windowed_average_pool", [x], PoolAttributes(window))

    def max_pool(self, layer: str, x: str, window: PoolWindow) -> str:
        """Max pooling."""
        return self.append(layer, "max_pool", [x], PoolAttributes(window))

    def mean(self, layer: str, x: str, output: Quantization, axes: tuple[int, ...] = (0, 1)) -> str:
        """Mean over height, width or both, with a quantization of its own."""
        return self.append(layer, "mean", [x], MeanAttributes(output, axes))

    def concatenate(self, layer: str, a: str, b: str) -> str:
        """Two maps side by side in their channels."""
        return self.append(layer, "concatenate", [a, b], NoAttributes())

    def channel_slice(self, layer: str, x: str, first: int, count: int) -> str:
        """Some channels of a map."""
        return self.append(layer, "channel_slice", [x], ChannelSliceAttributes(first, count))

    def channel_shuffle(self, layer: str, x: str, groups: int) -> str:
        """The first channel of each group, then the second of each, and so on."""
        return self.append(layer, "channel_shuffle", [x], ChannelShuffleAttributes(groups))

    def upsample(self, layer: str, x: str, rows: int, columns: int) -> str:
        """Each row and each column several times."""
        return self.append(layer, "upsample", [x], UpsampleAttributes(rows, columns))

    def border(self, layer: str, x: str, kind: str, pads: tuple[int, int, int, int]) -> str:
        """The map with its own positions around it: at the top, bottom, left and right."""
        return self.append(layer, "border", [x], BorderAttributes(kind, *pads))

    def insert_zeros(self, layer: str, x: str, rows: int, columns: int) -> str:
        """Zeros behind each row and each column, up to the next."""
        return self.append(layer, "insert_zeros", [x], UpsampleAttributes(rows, columns))

    def requantize(self, layer: str, x: str, output: Quantization) -> str:
        """The same numbers in another quantization."""
        return self.append(layer, "requantize", [x], RequantizeAttributes(output))

    def reshape(self, layer: str, x: str, shape: tuple[int, ...]) -> str:
        """The same elements in another shape."""
        return self.append(layer, "reshape", [x], ReshapeAttributes(shape))

    def transpose(
        self,
        layer: str,
        x: str,
        extents: tuple[int, ...],
        order: tuple[int, ...],
        shape: tuple[int, ...],
    ) -> str:
        """Elements of a map, read as one of these extents, in another order of dimensions."""
        return self.append(layer, "transpose", [x], TransposeAttributes(extents, order, shape))

    def dense(self, layer: str, x: str, p: Parameters) -> str:
        """Dense layer with int32 logits."""
        output = Quantization((LOGIT_SCALE,), 0)
        reads = self._layer_inputs(layer, x, p, 0, output, is_int8=False)
        return self.append(layer, "dense", reads, PointwiseAttributes(output))

    def finish(
        self,
        logits: str,
        features: InputFeatures | None = None,
        pixel_range: tuple[float, ...] = PIXEL_RANGE,
        *,
        is_foreign: bool = False,
        label_kind: LabelKind = LabelKind.CLASS,
        value_range: tuple[float, float] = VALUE_RANGE,
    ) -> Graph:
        """The graph so far, and what its input and its output are: see ``Graph``."""
        nodes = tuple(self._nodes)
        return Graph(
            self._name,
            self._values,
            nodes,
            (logits,),
            features=features,
            pixel_range=pixel_range,
            is_foreign=is_foreign,
            label_kind=label_kind,
            value_range=value_range,
        )

    def _layer_inputs(
        self,
        layer: str,
        x: str,
        p: Parameters,
        channel_axis: int,
        output: Quantization,
        *,
        is_int8: bool = True,
    ) -> list[str]:
        if not np.all((p.scales >= SMALLEST_SCALE) & (p.scales <= 1 / SMALLEST_SCALE)):
            raise ModelError(
                f"layer {layer}: its weight scales must lie between 2^-50 and 2^50",
                where=self._name,
            )
        given = self.type_of(x).quantized()
        try:
            p = rescale_constant_channels(p, channel_axis, given, output, is_int8=is_int8)
        except ValueError as error:
            raise ModelError(f"layer {layer}: {error}", where=self._name) from error
        scales = tuple(float(s) for s in p.scales)
        bias_scales = tuple(self.type_of(x).scale * s for s in scales)
        bias_type = TensorType(p.bias.shape, DType.INT32, Quantization(bias_scales, 0, 0))
        weight_type = TensorType(p.weight.shape, DType.INT8, Quantization(scales, 0, channel_axis))
        for suffix, type_, data in (
            ("bias", bias_type, p.bias),
            ("weight", weight_type, np.ascontiguousarray(p.weight)),
        ):
            name = f"{layer}.{suffix}"
            self._refuse_taken(name, layer)
            self._values[name] = Value(name, type_, Kind.CONSTANT, data)
        return [x, f"{layer}.bias", f"{layer}.weight"]

    def _refuse_taken(self, name: str, layer: str) -> None:
        if name in self._values:
            raise ModelError(
                f"layer {layer}: another layer, or a parameter of one, is called {name}",
                where=self._name,
                hint="rename one of them",
            )

    def append(self, layer: str, operator: str, inputs: Sequence[str], attributes: object) -> str:
        """Add a layer of any operator.

        Args:
            layer: its name.
            operator: as it is registered.
            inputs: names of values, in the order of the operator's operands.
            attributes: as the operator wants them.

        Raises:
            ModelError: when the inputs do not fit, or a scale cannot be expressed.
        """
        self._refuse_taken(layer, layer)
        types = [self._values[name].type for name in inputs]
        spec = REGISTRY[operator]
        try:
            (type_,) = spec.infer(attributes, types)
            spec.kernel(attributes, types)  # refuses scales that fixed point cannot express
        except ValueError as error:
            raise ModelError(f"layer {layer}: {error}", where=self._name) from error
        self._values[layer] = Value(layer, type_, Kind.ACTIVATION)
        self._nodes.append(Node(layer, operator, tuple(inputs), (layer,), attributes, layer))
        return layer


def fresh_head(channels: int, classes: int) -> Parameters:
    """A new dense layer that knows nothing: zero weights, zero bias.

    Every class is equally likely before the first step. The weight scale leaves room for
    weights up to 8/√channels, eight times the bound that uniform initialization would use.
    """
    scale = 8 / (127 * math.sqrt(channels))
    weight = np.zeros((classes, channels), np.int8)
    return Parameters(weight, np.zeros(classes, np.int32), np.full(classes, scale))
