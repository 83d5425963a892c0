"""Networks that make their sample again: what they make of it, and in which unit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from kilograd.frontend.lowering.ends import Body, body_of
from kilograd.frontend.lowering.quantization import int8_ends
from kilograd.frontend.lowering.reading import quantization_of
from kilograd.frontend.network import Network

#: What may stand behind the layer that makes the sample again.
_BEHIND = frozenset({"quantize", "dequantize", "reshape"})
_WEIGHTED = frozenset({"conv", "transpose_conv", "depthwise", "dense"})
#: Functions whose results are at most 1.
_BOUNDED = frozenset({"logistic", "lookup"})
#: Clamps that are the same in every unit.
_ACTIVATIONS = frozenset({"none", "relu"})


@dataclass(frozen=True)
class Autoencoder:
    """A network that makes its sample again.

    Attributes:
        network: with the weights of its last layer, and the result, in units of ``unit``.
        body: of it.
        unit: a power of two, of which no element of the result is more.
    """

    network: Network
    body: Body
    unit: float


def makes_sample_again(network: Network) -> Body | None:
    """The layers of a network whose result has as many elements as its sample, and no softmax."""
    if (len(network.inputs), len(network.outputs)) != (1, 1):
        return None
    body = body_of(network, _BEHIND)
    if body is None or not body.layers:
        return None
    elements = math.prod(network.tensors[body.result].shape)
    is_made = elements == math.prod(network.tensors[body.sample].shape)
    return body if is_made and elements > 1 else None  # one element is a value


def as_autoencoder(network: Network) -> Autoencoder | None:
    """The network as one that makes its sample again; None where it does something else.

    It does so where its result has as many elements as its sample, and no softmax. Where its last
    layer has weights, they are put into such units that the result is 1 at most: what a learning
    rate does is the same then for decibels and for millivolts. All int8 numbers stay as they are.
    """
    body = makes_sample_again(network)
    if body is None:
        return None
    last = max(number for number in body.layers if body.result in network.layers[number].outputs)
    layer, result = network.layers[last], network.tensors[body.result]
    found = quantization_of(result)
    if found is None:
        return None
    most = max(map(abs, int8_ends(found)))
    unit = 2.0 ** math.ceil(math.log2(most))
    if layer.operator in _BOUNDED and unit <= 1:
        return Autoencoder(network, body, 1.0)
    if layer.operator not in _WEIGHTED or layer.activation not in _ACTIVATIONS:
        return None
    return Autoencoder(_in_units(network, body.result, last, unit), body, unit)


def _in_units(network: Network, result: int, last: int, unit: float) -> Network:
    """The network with a last layer whose results are in units of a power of two."""
    layer, tensors = network.layers[last], [*network.tensors]
    if len(layer.inputs) < 2 or layer.inputs[1] < 0:  # noqa: PLR2004 - map, weight
        return network  # refused where the layer is built
    weight = tensors[layer.inputs[1]]
    tensors[result] = replace(
        tensors[result], scales=tuple(scale / unit for scale in tensors[result].scales)
    )
    # Another layer may have the same weight.
    tensors.append(replace(weight, scales=tuple(scale / unit for scale in weight.scales)))
    inputs = (layer.inputs[0], len(tensors) - 1, *layer.inputs[2:])
    layers = list(network.layers)
    layers[last] = replace(layer, inputs=inputs)
    return replace(network, tensors=tuple(tensors), layers=tuple(layers))
