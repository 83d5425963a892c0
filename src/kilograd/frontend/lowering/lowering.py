"""A network's layers, one by one, in the operators that kilograd has."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kilograd.errors import ModelError
from kilograd.frontend.builder import GraphBuilder
from kilograd.frontend.lowering.autoencoders import (
    Autoencoder,
    as_autoencoder,
    makes_sample_again,
)
from kilograd.frontend.lowering.dimensions import Dimensions, order_in_memory, usual
from kilograd.frontend.lowering.elementwise import ElementwiseBuilder
from kilograd.frontend.lowering.ends import Body, find_ends
from kilograd.frontend.lowering.groups import copies, groups_of, spread
from kilograd.frontend.lowering.head import QUANTIZE_RESULT, HeadBuilder
from kilograd.frontend.lowering.names import model_name
from kilograd.frontend.lowering.quantization import INT8_RANGE, int8_ends
from kilograd.frontend.lowering.reading import quantization_of
from kilograd.frontend.lowering.reductions import ReductionBuilder
from kilograd.frontend.lowering.samples import order_as_given, sample_dimensions
from kilograd.frontend.lowering.views import ViewBuilder
from kilograd.frontend.lowering.windows import (
    NO_PADS,
    convolution_window,
    pool_window,
    span_of,
    takes_in,
)
from kilograd.frontend.network import MOST_EXTENT, Layer, Network
from kilograd.frontend.pieces import is_in_order
from kilograd.ir import VALUE_RANGE, Graph, LabelKind, Quantization
from kilograd.ops.common.window import Window
from kilograd.ops.loss.reconstruction import ReconstructionAttributes
from kilograd.ops.upsample.op import MOST_COPIES


def lower(network: Network, where: str, classes: int | None = None) -> Graph:
    """The forward graph of a network.

    Args:
        network: as a file describes it.
        where: the file, for messages.
        classes: of a freshly initialised head, at least 2; None keeps the network's head.

    Raises:
        ModelError: when kilograd cannot compute exactly what the network does.
    """
    autoencoder = as_autoencoder(network) if classes is None else None
    if autoencoder is not None:
        return Lowering(autoencoder.network, where).autoencoder(autoencoder)
    return Lowering(network, where).graph(classes)


class Lowering(HeadBuilder, ElementwiseBuilder, ReductionBuilder, ViewBuilder):
    """Builds the graph of one network."""

    def __init__(self, network: Network, where: str) -> None:
        super().__init__(network, where)
        self._builders: dict[str, Callable[[int, Layer], str]] = {
            "conv": self._conv,
            "transpose_conv": self._transposed,
            "depthwise": self._depthwise,
            "dense": self._dense,
            "add": self._add,
            "subtract": self._subtract,
            "multiply": self._multiply,
            "lookup": self._lookup,
            "logistic": self._lookup,
            "prelu": self._prelu,
            "smaller": self._bounded,
            "larger": self._bounded,
            "concatenate": self._concatenate,
            "channel_slice": self._channel_slice,
            "channel_shuffle": self._channel_shuffle,
            "average_pool": self._average_pool,
            "max_pool": self._max_pool,
            "mean": self._mean,
            "maximum": self._maximum,
            "resize": self._resize,
            "tile": self._tile,
            "quantize": self._requantize,
            "activation": self._activation,
            "reshape": self._reshape,
            "transpose": self._transpose,
            "depth_to_space": self._depth_to_space,
            "space_to_depth": self._space_to_depth,
            "pad": self._pad,
            "border": self._border,
            "crop": self._crop,
        }

    def graph(self, classes: int | None) -> Graph:
        """The forward graph; see ``lower``."""
        ends = find_ends(self._network, self._refuser, keeps_logits=classes is None)
        is_real = self._result(ends.head).dtype == "float32"
        if classes is None and is_real and makes_sample_again(self._network):
            raise self._refuser.layer(
                ends.head,
                "it makes the sample again, and nothing says in which unit: its result is not "
                "quantized",
                QUANTIZE_RESULT,
            )

        def finish() -> Graph:
            logits, values = self._head(ends, classes)
            kind = LabelKind.CLASS if values is None else LabelKind.VALUE
            return self._finish(logits, kind, values or VALUE_RANGE)

        if self._takes_over(ends, classes):
            return self._built(ends.sample, ends.whole, finish)
        return self._built(ends.sample, ends.body, finish, head=ends.head)

    def autoencoder(self, found: Autoencoder) -> Graph:
        """The graph of a network that makes its sample again: it ends with the error of that."""
        body = found.body

        def finish() -> Graph:
            attributes = ReconstructionAttributes(found.unit)
            made = [self._as_given(body), "input"]
            name = self._names.choose("reconstruction_error", "error")
            error = self._builder.append(name, "reconstruction_error", made, attributes)
            return self._finish(error, LabelKind.ANOMALY, (-found.unit, found.unit))

        return self._built(body.sample, body.layers, finish)

    def _as_given(self, body: Body) -> str:
        """The result of a body, with its elements where the graph's input has its own."""
        self._settle_border(body.result)
        height, width, channels = self._builder.type_of("input").shape
        given = order_as_given(self._network, body.sample, (height, width, channels))
        made = order_in_memory(self._shape(body.result), self.dimensions.get(body.result))
        moves, x = made.moves_to(given), self.values[body.result]
        if moves is None:
            raise self._refuser.network("the network makes its sample again in another order")
        extents, order = moves
        if is_in_order(order):
            return x
        name = self._names.choose(f"{x}_transposed", "transposed")
        return self._builder.transpose(name, x, extents, order, (height, width, channels))

    def _built(
        self,
        sample: int,
        body: Sequence[int],
        finish: Callable[[], Graph],
        *,
        head: int | None = None,
    ) -> Graph:
        """A graph of a sample, the layers of a body, and what ends it: a head, or another layer."""
        for number in (*body, *(() if head is None else (head,))):
            self._check_type(number, is_head=number == head)
            if self._network.layers[number].operator not in self._builders:
                raise self._refuser.operator(number)
        name = model_name(self._network.name)
        dimensions = sample_dimensions(self._network, sample)
        height, width, channels = self._sample_shape(sample, dimensions)
        try:
            self._sample = self._sample_quantization(sample)
            self._builder = GraphBuilder(name, height, width, channels, self._sample)
            self.values[sample] = "input"
            if dimensions != usual(len(dimensions) + 1):
                self.dimensions[sample] = dimensions
            for number in body:
                self._append(number)
            return finish()
        except ModelError as error:  # the builder knows the model's name, not its file
            raise ModelError(error.what, where=self._where, hint=error.hint) from error

    def _finish(self, result: str, kind: LabelKind, value_range: tuple[float, float]) -> Graph:
        pixels = self._network.pixel_range or int8_ends(self._sample)
        channels = self._builder.type_of("input").shape[2]
        if len(pixels) not in {2, 2 * channels}:
            raise self._refuser.network(
                f"the file notes {len(pixels) // 2} ranges of pixels, and the network's input "
                f"has {channels} channels"
            )
        return self._builder.finish(
            result, pixel_range=pixels, is_foreign=True, label_kind=kind, value_range=value_range
        )

    def _sample_shape(self, sample: int, dimensions: Dimensions) -> tuple[int, int, int]:
        shape = self._network.tensors[sample].shape
        given = self._network.tensors[self._network.inputs[0]]
        if given.is_open or not 2 <= len(shape) <= 4:  # noqa: PLR2004 - batch, and one to three
            stated = "no fixed shape" if given.is_open else f"the shape {list(shape)}"
            raise self._refuser.network(
                f"the network's input has {stated}, and kilograd reads maps of one height, width "
                "and number of channels",
                "convert the network with an input of fixed shape",
            )
        if shape[0] != 1:
            raise self._refuser.network(
                f"the network reads {shape[0]} samples at a time, and kilograd's networks read one",
                "convert the network with a batch of 1",
            )
        sizes = [1, 1, 1]
        for axis, extent in zip(dimensions, shape[1:], strict=True):
            sizes[axis] = extent
        if not 1 <= min(sizes) <= max(sizes) <= MOST_EXTENT:
            raise self._refuser.network(
                f"the network's input has the shape {list(shape)}, and each extent must lie "
                f"between 1 and {MOST_EXTENT}"
            )
        height, width, channels = sizes
        return height, width, channels

    def _sample_quantization(self, sample: int) -> Quantization:
        tensor = self._network.tensors[sample]
        found = quantization_of(tensor)
        if found is None:
            raise self._refuser.network(
                "the network's input needs one scale and one zero point of int8"
            )
        return found

    def _append(self, number: int) -> None:
        layer = self._network.layers[number]
        output = layer.outputs[0]
        if output in self.values or self._network.tensors[output].data is not None:
            raise self._refuser.layer(number, "its result is an input or a constant")
        kept = self._kept(number)
        made = self._builders[layer.operator](number, layer)
        self.values[output] = made if kept == INT8_RANGE else self._clamped(number, made, kept)
        self._check_shape(number)

    def _window(self, number: int, layer: Layer, taps: tuple[int, int]) -> tuple[str, Window]:
        """A window, and the map that it slides over, without padding that the window takes in."""
        (tensor, *_) = layer.inputs
        if not takes_in(layer, span_of(layer, taps), self.pads.get(tensor, NO_PADS)):
            self._settle_border(tensor)
        before = self.pads.get(tensor, NO_PADS)
        shape = self._shape(tensor)
        window = convolution_window(self._refuser, number, layer, taps, before, shape)
        return self.values[tensor], window

    def _conv(self, number: int, layer: Layer) -> str:
        x = self._read_map(number, layer, pads=True)
        weight = self._parameters.weight(number, rank=4)
        channels = self._builder.type_of(x).shape[2]
        groups = groups_of(weight, channels)
        if groups is None:
            raise self._refuser.layer(
                number,
                f"its {len(weight)} filters read {weight.shape[3]} channels each, and there are "
                f"{channels}",
            )
        if groups == channels > 1:
            return self._filtered(number, layer, np.moveaxis(weight[..., 0], 0, 2), 0)
        if groups > 1:
            self._parameters.count(number, (groups - 1) * weight.size)
            weight = spread(weight, channels)
        x, window = self._window(number, layer, weight.shape[1:3])
        return self._convolved(number, self._name(number), x, weight, window)

    def _convolved(
        self, number: int, name: str, x: str, weight: NDArray[np.int8], window: Window
    ) -> str:
        """All channels of a map under a window; weight: [outputs, height, width, channels]."""
        output = self._quantization(number)
        if window == Window(1, 1):
            p = self._parameters.read(number, weight.reshape(len(weight), -1), 0)
            return self._builder.pointwise(name, x, p, output)
        p = self._parameters.read(number, weight, 0)
        return self._builder.conv(name, x, p, window, output)

    def _transposed(self, number: int, layer: Layer) -> str:
        """A convolution over the map with zeros between its positions, its taps the other way."""
        x = self._read_map(number, layer)
        weight = self._parameters.weight(number, rank=4)
        channels = self._builder.type_of(x).shape[2]
        if weight.shape[3] != channels:
            raise self._refuser.layer(
                number,
                f"its filters read {weight.shape[3]} channels each, and there are {channels}",
            )
        rows, columns = layer.pair("strides")
        if rows * columns > MOST_COPIES:
            raise self._refuser.layer(number, f"its strides are {rows} and {columns}")
        name = self._name(number)
        if (rows, columns) != (1, 1):
            spread = self._names.choose(f"{name}_spread", "spread")
            x = self._builder.insert_zeros(spread, x, rows, columns)
        if min(layer.numbers("pads")) < 0:
            raise self._refuser.layer(number, "its window is smaller than its stride")
        options = {"strides": (1, 1), "dilations": (1, 1), "pads": layer.numbers("pads")}
        moves, shape = replace(layer, options=options), self._builder.type_of(x).shape
        taps = weight.shape[1], weight.shape[2]
        window = convolution_window(self._refuser, number, moves, taps, NO_PADS, shape)
        flipped = np.ascontiguousarray(weight[:, ::-1, ::-1])
        return self._convolved(number, name, x, flipped, window)

    def _depthwise(self, number: int, layer: Layer) -> str:
        x = self._read_map(number, layer, pads=True)
        weight = self._parameters.weight(number, rank=4)
        outputs, channels = weight.shape[3], self._builder.type_of(x).shape[2]
        if len(weight) != 1 or outputs % channels:
            raise self._refuser.layer(
                number,
                f"it makes {outputs} channels of {channels}, and a depthwise layer makes the "
                "same number of each",
            )
        if channels > 1 or outputs == 1:
            return self._filtered(number, layer, weight[0], 3)
        # Filters on one channel are an ordinary convolution.
        x, window = self._window(number, layer, weight.shape[1:3])
        p = self._parameters.read(number, np.transpose(weight, (3, 1, 2, 0)), 3)
        return self._builder.conv(self._name(number), x, p, window, self._quantization(number))

    def _filtered(self, number: int, layer: Layer, weight: NDArray[np.int8], axis: int) -> str:
        """Each channel by filters of its own, [height, width, outputs], from copies of it."""
        x, window = self._window(number, layer, weight.shape[:2])
        outputs, channels = weight.shape[2], self._builder.type_of(x).shape[2]
        name = self._name(number)
        if outputs > channels:
            self._parameters.count(number, outputs * channels)
            same, p = self._builder.type_of(x).quantized(), copies(channels, outputs // channels)
            x = self._builder.pointwise(self._names.choose(f"{name}_copies", name), x, p, same)
        p = self._parameters.read(number, weight, axis)
        return self._builder.depthwise(name, x, p, window, self._quantization(number))

    def _dense(self, number: int, layer: Layer) -> str:
        """A convolution with a window as large as the map, or what reads each position alone."""
        x = self._read(number, layer, dimensions=True)
        if layer.inputs[0] in self.dimensions and self._reads_part(layer):
            x = self._put_in_order(layer.inputs[0])
        if self._reads_positions(layer, x):
            weight = self._parameters.weight(number, rank=2)
            p = self._parameters.read(number, weight, 0)
            return self._builder.pointwise(self._name(number), x, p, self._quantization(number))
        weight = self._dense_weight(number, layer)
        height, width, channels = self._builder.type_of(x).shape
        output = self._quantization(number)
        if (height, width) == (1, 1):
            p = self._parameters.read(number, weight, 0)
            return self._builder.pointwise(self._name(number), x, p, output)
        p = self._parameters.read(number, weight.reshape(-1, height, width, channels), 0)
        return self._builder.conv(self._name(number), x, p, Window(height, width), output)

    def _reads_part(self, layer: Layer) -> bool:
        """Whether a dense layer reads some of its map's elements at a time."""
        if len(layer.inputs) < 2 or layer.inputs[1] < 0:  # noqa: PLR2004 - map, weight
            return False
        return self._tensor(layer, 1).shape[1:] != (math.prod(self._shape(layer.inputs[0])),)

    def _reads_positions(self, layer: Layer, x: str) -> bool:
        """Whether a dense layer is applied to the channels of one position after the other."""
        if len(layer.inputs) < 2 or layer.inputs[1] < 0:  # noqa: PLR2004 - map, weight
            return False
        height, width, channels = self._builder.type_of(x).shape
        weight, made = self._tensor(layer, 1).shape, self._network.tensors[layer.outputs[0]].shape
        is_alone = len(weight) == 2 and weight[1] == channels and height * width > 1  # noqa: PLR2004 - outputs, inputs
        is_plain = self._is_in_order(layer.inputs[0]) and "weights_format" not in layer.options
        return is_alone and is_plain and math.prod(made) == height * width * weight[0]

    def _average_pool(self, number: int, layer: Layer) -> str:
        x = self._read_map(number, layer)
        height, width, _ = self._builder.type_of(x).shape
        self._check_same_scale(number, layer)
        if layer.pair("window") == (height, width) and layer.numbers("pads") == NO_PADS:
            return self._builder.average_pool(self._name(number), x)
        window = pool_window(self._refuser, number, layer, NO_PADS)
        return self._builder.windowed_average_pool(self._name(number), x, window)

    def _max_pool(self, number: int, layer: Layer) -> str:
        # Around a map without negative numbers, zeros are never the largest.
        before = self.pads.get(layer.inputs[0], NO_PADS)
        is_low = layer.inputs[0] in self.lowest or self._tensor(layer).zero_point == -128  # noqa: PLR2004 - int8
        fits = takes_in(layer, layer.pair("window"), before)
        x = self._read_map(number, layer, pads=is_low and fits, lowest=True)
        self._check_same_scale(number, layer)
        before = self.pads.get(layer.inputs[0], NO_PADS)
        window = pool_window(self._refuser, number, layer, before)
        return self._builder.max_pool(self._name(number), x, window)
