"""The last layer: the network's own, or a fresh one for other classes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kilograd.frontend.builder import Parameters, fresh_head
from kilograd.frontend.lowering.dimensions import columns_in_order
from kilograd.frontend.lowering.ends import WEIGHTED, Ends
from kilograd.frontend.lowering.quantization import int8_ends
from kilograd.frontend.lowering.reading import LayerReader, quantization_of
from kilograd.frontend.lowering.windows import NO_PADS
from kilograd.frontend.network import Layer

QUANTIZE_RESULT = "quantize the result of the last layer, too"

#: What makes one number of those of several positions.
_OVER_POSITIONS = frozenset({"mean", "average_pool", "maximum", "max_pool"})

#: Of int8 weights, which are symmetric.
_LARGEST = 127

#: Most logits of a network for which a head of its own is made, of as many weights squared.
_MOST_TAKEN_OVER = 256


class HeadBuilder(LayerReader):
    """Builds the layer that makes the logits."""

    def _takes_over(self, ends: Ends, classes: int | None) -> bool:
        """Whether the head of the graph is a layer of its own behind all layers of the network.

        So it is where the network's logits are not what its last layer with weights makes; another
        head replaces that layer and all that is behind it, if there is one.
        """
        is_replaced = classes is not None and self._operator(ends.head) in WEIGHTED
        return not ends.makes_logits and not is_replaced

    def _is_pooled(self, ends: Ends) -> bool:
        return any(self._operator(number) in _OVER_POSITIONS for number in ends.tail)

    def _operator(self, number: int) -> str:
        return self._network.layers[number].operator

    def _taken_over(
        self, ends: Ends, classes: int | None
    ) -> tuple[str, tuple[float, float] | None]:
        """As ``_head``: a head that makes logits of the network's own, the same ones at first."""
        number = ends.whole[-1]
        self._settle_border(ends.result)
        x = self.values[ends.result]
        height, width, count = self._builder.type_of(x).shape
        if height * width > 1 or count > _MOST_TAKEN_OVER:
            raise self._refuser.layer(
                number,
                f"the network ends with a map of {height}×{width}×{count}, and kilograd's networks "
                f"end with one value for each class, up to {_MOST_TAKEN_OVER} of them if the last "
                "layer has no weights",
                "put an average pool over the whole map, or a dense layer, behind it",
            )
        if classes is not None:
            return self._builder.dense("head", x, fresh_head(count, classes)), None
        p, values = _same(count), None
        if count == 1 and ends.is_sigmoid:
            p = _two_classes(p)
        elif count == 1:
            p, values = self._value(number, p)
        return self._builder.dense("head", x, p), values

    def _head(self, ends: Ends, classes: int | None) -> tuple[str, tuple[float, float] | None]:
        """The logits, and the range of values where they are one that estimates a value."""
        if self._takes_over(ends, classes):
            return self._taken_over(ends, classes)
        number, layer = ends.head, self._network.layers[ends.head]
        x = self._read(number, layer, dimensions=layer.operator == "dense")
        shape = self._shape(layer.inputs[0])
        if ends.average is not None:
            # The mean of what a linear layer makes of each position is what it makes of their mean.
            x = self._builder.average_pool(self._name(ends.average), x)
            shape = (1, 1, shape[2])
        elif classes is not None and shape[:2] != (1, 1) and self._is_pooled(ends):
            x = self._builder.average_pool(self._names.choose("head/average", "average"), x)
            return self._builder.dense("head", x, fresh_head(shape[2], classes)), None
        weight = self._head_weight(number, layer, shape)
        x = self._flattened(layer.inputs[0], x)
        if classes is not None:
            return self._builder.dense("head", x, fresh_head(math.prod(shape), classes)), None
        p = self._parameters.read(number, weight, 0)
        values = None
        if len(weight) == 1 and ends.is_sigmoid:
            p = _two_classes(p)
        elif len(weight) == 1:
            p, values = self._value(number, p)
        return self._builder.dense("head", x, p), values

    def _head_weight(
        self, number: int, layer: Layer, shape: tuple[int, int, int]
    ) -> NDArray[np.int8]:
        """Its weight [classes, elements of the map]."""
        if layer.operator == "dense":
            return self._dense_weight(number, layer)
        if layer.operator != "conv":
            raise self._refuser.layer(
                number, "the last layer must be dense, or a convolution with one position"
            )
        weight = self._parameters.weight(number, rank=4)
        if weight.shape[1:] != shape or layer.numbers("pads") != NO_PADS:
            raise self._refuser.layer(
                number,
                f"the last layer must make one value for each class, and it slides a window of "
                f"{weight.shape[1]}×{weight.shape[2]} over a map of {shape[0]}×{shape[1]}",
                "put an average pool over the whole map, or a dense layer, behind it",
            )
        return weight.reshape(len(weight), -1)

    def _value(self, number: int, p: Parameters) -> tuple[Parameters, tuple[float, float]]:
        """The only logit in units of half the range that the file's int8 result has, around 0."""
        found = quantization_of(self._result(number))
        if found is None:
            raise self._refuser.layer(
                number,
                "it estimates a value, and nothing says how large that can be: its result is not "
                "quantized",
                QUANTIZE_RESULT,
            )
        most = max(map(abs, int8_ends(found)))
        return Parameters(p.weight, p.bias, p.scales / most), (-most, most)

    def _dense_weight(self, number: int, layer: Layer) -> NDArray[np.int8]:
        """[outputs, elements], for elements by height, width and channels."""
        weight = self._parameters.weight(number, rank=2)
        self._check_dense(number, layer, len(weight), weight.shape[1])
        dimensions = self.dimensions.get(layer.inputs[0])
        if dimensions is None:
            return weight
        return columns_in_order(weight, dimensions, self._shape(layer.inputs[0]))

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


def _same(count: int) -> Parameters:
    """A layer that makes of each number itself."""
    weight = np.eye(count, dtype=np.int8) * np.int8(_LARGEST)
    return Parameters(weight, np.zeros(count, np.int32), np.full(count, 1 / _LARGEST))


def _two_classes(p: Parameters) -> Parameters:
    """One logit z for a sigmoid as two for a softmax: 0 for the first class, z for the second.

    Probabilities, and the gradient with respect to z, are those of the sigmoid and of binary
    cross-entropy.
    """
    weight = np.concatenate([np.zeros_like(p.weight), p.weight])
    bias = np.concatenate([np.zeros_like(p.bias), p.bias])
    return Parameters(weight, bias, np.tile(p.scales, 2))
