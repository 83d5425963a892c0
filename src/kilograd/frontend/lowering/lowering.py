"""A network's layers, one by one, in the operators that kilograd has."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from kilograd.errors import ModelError
from kilograd.frontend.builder import SMALLEST_SCALE, GraphBuilder, fresh_head
from kilograd.frontend.lowering.ends import Ends, find_ends
from kilograd.frontend.lowering.names import LayerNames, model_name
from kilograd.frontend.lowering.parameters import ParameterReader
from kilograd.frontend.lowering.quantization import int8_range
from kilograd.frontend.lowering.refusals import Refuser
from kilograd.frontend.lowering.windows import (
    NO_PADS,
    Pads,
    convolution_window,
    extents,
    padded,
    sum_of_pads,
)
from kilograd.frontend.network import Layer, Network, Tensor
from kilograd.ir import Graph, Quantization
from kilograd.ops.common.window import Window

#: Largest extent of a map, to refuse what no device can hold before it is built.
_MAX_EXTENT = 65536

_FRESH_HEAD = "give a number of classes, for which a new last layer is made"


def lower(network: Network, where: str, classes: int | None = None) -> Graph:
    """The forward graph of a network.

    Args:
        network: as a file describes it.
        where: the file, for messages.
        classes: of a freshly initialised head, at least 2; None keeps the network's head.

    Raises:
        ModelError: when kilograd cannot compute exactly what the network does.
    """
    return Lowering(network, where).graph(classes)


class Lowering:
    """Builds the graph of one network.

    Attributes:
        values: number of a tensor -> name of the value that holds it in the graph.
        pads: number of a tensor -> what it has around that value: top, bottom, left, right.
    """

    def __init__(self, network: Network, where: str) -> None:
        self.values: dict[int, str] = {}
        self.pads: dict[int, Pads] = {}
        self._network = network
        self._where = where
        self._refuser = Refuser(network, where)
        self._parameters = ParameterReader(network, self._refuser)
        self._names = LayerNames()
        self._builders: dict[str, Callable[[int, Layer], str]] = {
            "conv": self._conv,
            "depthwise": self._depthwise,
            "dense": self._dense,
            "add": self._add,
            "average_pool": self._average_pool,
            "reshape": self._reshape,
            "pad": self._pad,
        }

    def graph(self, classes: int | None) -> Graph:
        """The forward graph; see ``lower``."""
        ends = find_ends(self._network, self._refuser)
        for number in (*ends.body, ends.head):
            self._check_type(number)
            if self._network.layers[number].operator not in self._builders:
                raise self._refuser.operator(number)
        name = model_name(self._network.name)
        height, width, channels = self._sample_shape(ends.sample)
        try:
            self._builder = GraphBuilder(
                name, height, width, channels, self._sample_quantization(ends.sample)
            )
            self.values[ends.sample] = "input"
            for number in ends.body:
                self._append(number)
            return self._builder.finish(self._head(ends, classes))
        except ModelError as error:  # the builder knows the model's name, not its file
            raise ModelError(error.what, where=self._where, hint=error.hint) from error

    def _tensor(self, layer: Layer, place: int = 0) -> Tensor:
        return self._network.tensors[layer.inputs[place]]

    def _result(self, number: int) -> Tensor:
        return self._network.tensors[self._network.layers[number].outputs[0]]

    def _check_type(self, number: int) -> None:
        """Refuse a layer that has no map, or one that is not int8."""
        layer = self._network.layers[number]
        if not layer.inputs or layer.inputs[0] < 0:
            raise self._refuser.layer(number, "its first input is left out")
        if len(layer.outputs) != 1:
            raise self._refuser.layer(
                number, f"it makes {len(layer.outputs)} tensors, and kilograd's layers make one"
            )
        for what, tensor in (("input", self._tensor(layer)), ("result", self._result(number))):
            if tensor.dtype != "int8":
                weight = self._tensor(layer, 1).dtype if len(layer.inputs) > 1 else ""
                is_hybrid = tensor.dtype == "float32" and weight == "int8"
                raise self._refuser.dtype(number, what, "hybrid" if is_hybrid else tensor.dtype)

    def _sample_shape(self, sample: int) -> tuple[int, int, int]:
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
        sizes = (*(1,) * (4 - len(shape)), *shape[1:])
        if not 1 <= min(sizes) <= max(sizes) <= _MAX_EXTENT:
            raise self._refuser.network(
                f"the network's input has the shape {list(shape)}, and each extent must lie "
                f"between 1 and {_MAX_EXTENT}"
            )
        height, width, channels = sizes
        return height, width, channels

    def _sample_quantization(self, sample: int) -> Quantization:
        tensor = self._network.tensors[sample]
        if not _is_quantized(tensor):
            raise self._refuser.network(
                "the network's input needs one scale and one zero point of int8"
            )
        return Quantization(tensor.scales, tensor.zero_point)

    def _quantization(self, number: int) -> Quantization:
        """Of the result of a layer."""
        tensor = self._result(number)
        if not _is_quantized(tensor):
            raise self._refuser.layer(
                number, "its result needs one scale and one zero point of int8"
            )
        return Quantization(tensor.scales, tensor.zero_point)

    def _append(self, number: int) -> None:
        layer = self._network.layers[number]
        output = layer.outputs[0]
        if output in self.values or self._network.tensors[output].data is not None:
            raise self._refuser.layer(number, "its result is an input or a constant")
        self._check_activation(number)
        value = self._builders[layer.operator](number, layer)
        self.values[output] = value
        self._check_shape(number)

    def _check_activation(self, number: int) -> None:
        """Refuse an activation that leaves less than all of int8: there is no other clamp."""
        activation = self._network.layers[number].activation
        kept = int8_range(activation, self._quantization(number))
        if kept is None:
            raise self._refuser.layer(number, f"kilograd has no activation {activation}")
        if kept != (-128, 127):
            raise self._refuser.layer(
                number,
                f"its activation {activation} leaves {kept[0]} to {kept[1]} of int8, and "
                "kilograd's layers clamp to -128 to 127 only",
                "quantize the result so that its range is that of the activation",
            )

    def _check_shape(self, number: int) -> None:
        """Refuse a file that says of a result what its layer does not make."""
        output = self._network.layers[number].outputs[0]
        made = padded(self._shape(output), self.pads.get(output, NO_PADS))
        stated = self._result(number).shape
        is_map = len(stated) == 4  # noqa: PLR2004 - batch, height, width, channels
        is_map &= self._network.layers[number].operator != "reshape"
        if math.prod(stated) != math.prod(made) or (is_map and stated != (1, *made)):
            raise self._refuser.layer(
                number,
                f"the file says that its result has the shape {list(stated)}, and it has "
                f"{[1, *made]}",
            )

    def _shape(self, tensor: int) -> tuple[int, int, int]:
        height, width, channels = self._builder.type_of(self.values[tensor]).shape
        return height, width, channels

    def _name(self, number: int) -> str:
        return self._names.choose(self._result(number).name, self._network.layers[number].operator)

    def _read(self, number: int, layer: Layer, place: int = 0, *, pads: bool = False) -> str:
        """Name of the value that holds an input, which may be padded if the layer can do that."""
        tensor = layer.inputs[place] if place < len(layer.inputs) else -1
        if tensor not in self.values:
            raise self._refuser.layer(
                number, f"its input {place} is neither the sample nor made by a layer before it"
            )
        if tensor in self.pads and not pads:
            raise self._refuser.layer(
                number, "it reads a padded map, and only convolutions can take padding in"
            )
        return self.values[tensor]

    def _read_map(self, number: int, layer: Layer, *, pads: bool = False) -> str:
        """As ``_read`` for a layer to which height and width matter."""
        value = self._read(number, layer, pads=pads)
        tensor = layer.inputs[0]
        made = padded(self._shape(tensor), self.pads.get(tensor, NO_PADS))
        if self._network.tensors[tensor].shape != (1, *made):
            raise self._refuser.layer(
                number,
                f"it reads a map of {extents(made)} in another shape, "
                f"{list(self._network.tensors[tensor].shape)}, and kilograd does not reshape maps",
            )
        return value

    def _window(self, number: int, layer: Layer, taps: tuple[int, int]) -> Window:
        before = self.pads.get(layer.inputs[0], NO_PADS)
        result = self._result(number).shape
        return convolution_window(self._refuser, number, layer, taps, before, result)

    def _conv(self, number: int, layer: Layer) -> str:
        x = self._read_map(number, layer, pads=True)
        weight = self._parameters.weight(number, rank=4)
        _, height, width, channels = weight.shape
        if channels != self._builder.type_of(x).shape[2]:
            raise self._refuser.layer(
                number, "kilograd has no grouped convolutions beside depthwise ones"
            )
        window = self._window(number, layer, (height, width))
        output = self._quantization(number)
        if window == Window(1, 1):
            p = self._parameters.read(number, weight.reshape(len(weight), -1), 0)
            return self._builder.pointwise(self._name(number), x, p, output)
        p = self._parameters.read(number, weight, 0)
        return self._builder.conv(self._name(number), x, p, window, output)

    def _depthwise(self, number: int, layer: Layer) -> str:
        x = self._read_map(number, layer, pads=True)
        weight = self._parameters.weight(number, rank=4)
        copies, height, width, outputs = weight.shape
        channels = self._builder.type_of(x).shape[2]
        window = self._window(number, layer, (height, width))
        output = self._quantization(number)
        if copies != 1 or channels not in {outputs, 1}:
            raise self._refuser.layer(
                number,
                f"it makes {outputs} channels of {channels}, and kilograd's depthwise layers make "
                "as many as they read",
            )
        if outputs == channels:
            p = self._parameters.read(number, weight[0], 3)
            return self._builder.depthwise(self._name(number), x, p, window, output)
        # Several filters on one channel are an ordinary convolution.
        p = self._parameters.read(number, np.transpose(weight, (3, 1, 2, 0)), 3)
        return self._builder.conv(self._name(number), x, p, window, output)

    def _dense(self, number: int, layer: Layer) -> str:
        """A convolution with a window as large as the map."""
        x = self._read(number, layer)
        weight = self._parameters.weight(number, rank=2)
        self._check_dense(number, layer, len(weight), weight.shape[1])
        height, width, channels = self._builder.type_of(x).shape
        output = self._quantization(number)
        if (height, width) == (1, 1):
            p = self._parameters.read(number, weight, 0)
            return self._builder.pointwise(self._name(number), x, p, output)
        p = self._parameters.read(number, weight.reshape(-1, height, width, channels), 0)
        return self._builder.conv(self._name(number), x, p, Window(height, width), output)

    def _check_dense(self, number: int, layer: Layer, outputs: int, inputs: int) -> None:
        """Refuse a dense layer that is applied to something other than all of its map at once."""
        if "weights_format" in layer.options:
            raise self._refuser.layer(number, "its weights are in an order that is not read")
        elements = math.prod(self._shape(layer.inputs[0]))
        if inputs != elements or math.prod(self._result(number).shape) != outputs:
            raise self._refuser.layer(
                number,
                f"it reads {inputs} of {elements} elements at a time, and kilograd's dense layers "
                "read all at once",
            )

    def _add(self, number: int, layer: Layer) -> str:
        a, b = (self._read(number, layer, place) for place in (0, 1))
        return self._builder.add(self._name(number), a, b, self._quantization(number))

    def _average_pool(self, number: int, layer: Layer) -> str:
        x = self._read_map(number, layer)
        height, width, _ = self._builder.type_of(x).shape
        if layer.pair("window") != (height, width) or layer.numbers("pads") != NO_PADS:
            raise self._refuser.pool_window(number)
        self._check_same_scale(number, layer)
        return self._builder.average_pool(self._name(number), x)

    def _check_same_scale(self, number: int, layer: Layer) -> None:
        x, result = self._tensor(layer), self._result(number)
        if (x.scales, x.zero_point) != (result.scales, result.zero_point):
            raise self._refuser.layer(
                number, "its result has another scale or zero point than its input"
            )

    def _reshape(self, number: int, layer: Layer) -> str:
        """Nothing happens in memory; what reads the result must suit the map as it was."""
        self._check_same_scale(number, layer)
        return self._read(number, layer)

    def _pad(self, number: int, layer: Layer) -> str:
        """The windows of the layers behind take the padding in."""
        x = self._read_map(number, layer, pads=True)
        self._check_same_scale(number, layer)
        pads = layer.options.get("pads")
        if not isinstance(pads, tuple):
            raise self._refuser.layer(number, "its padding is not a constant")
        if len(pads) != 8 or min(pads) < 0:  # noqa: PLR2004 - two for each of four dimensions
            raise self._refuser.layer(number, f"its padding is {list(pads)}")
        if any(pads[:2] + pads[6:]):
            raise self._refuser.layer(number, "kilograd pads height and width only")
        before = self.pads.get(layer.inputs[0], NO_PADS)
        both = sum_of_pads(before, pads[2:6])
        if max(both) > _MAX_EXTENT:
            raise self._refuser.layer(number, f"its padding is more than {_MAX_EXTENT}")
        self.pads[layer.outputs[0]] = both
        return x

    def _head(self, ends: Ends, classes: int | None) -> str:
        number, layer = ends.head, self._network.layers[ends.head]
        if layer.operator not in {"dense", "conv"}:
            raise self._refuser.layer(
                number, "the last layer must be dense, or a 1×1 convolution of a 1×1 map"
            )
        x = self._read(number, layer)
        weight = self._parameters.weight(number, rank=2 if layer.operator == "dense" else 4)
        height, width, channels = self._builder.type_of(x).shape
        if (height, width) != (1, 1) or weight.shape[1:-1] not in {(), (1, 1)}:
            raise self._refuser.layer(
                number,
                f"the last layer must read one value of each channel, and it reads a map of "
                f"{extents((height, width, channels))}",
                "put an average pool over the whole map, or another dense layer, before it",
            )
        self._check_dense(number, layer, len(weight), weight.shape[-1])
        if classes is not None:
            return self._builder.dense("head", x, fresh_head(channels, classes))
        if layer.activation != "none":
            raise self._refuser.layer(
                number,
                f"the last layer must have no activation, and it has {layer.activation}",
                _FRESH_HEAD,
            )
        if len(weight) < 2:  # noqa: PLR2004 - to tell apart
            raise self._refuser.layer(
                number,
                "the last layer makes one value, and kilograd's makes one for each class, of which "
                "there are at least two",
                _FRESH_HEAD,
            )
        p = self._parameters.read(number, weight.reshape(len(weight), -1), 0)
        return self._builder.dense("head", x, p)


def _is_quantized(tensor: Tensor) -> bool:
    """Whether a map has one scale and a zero point of int8."""
    return (
        tensor.dtype == "int8"
        and len(tensor.scales) == 1
        and SMALLEST_SCALE <= tensor.scales[0] <= 1 / SMALLEST_SCALE
        and -128 <= tensor.zero_point <= 127  # noqa: PLR2004 - int8
    )
