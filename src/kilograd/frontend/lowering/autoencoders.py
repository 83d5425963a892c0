"""Networks that make their sample again: what they make of it, and in which unit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from kilograd.frontend.lowering.ends import Body, body_of
from kilograd.frontend.lowering.quantization import int8_ends
from kilograd.frontend.lowering.reading import quantization_of
from kilograd.frontend.network import Network, Tensor

#: What may stand behind the layer that makes the sample again.
_BEHIND = frozenset({"quantize", "dequantize", "reshape"})
_WEIGHTED = frozenset({"conv", "transpose_conv", "depthwise", "dense"})
_MOVING = frozenset({"reshape", "transpose"})
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
    result = network.tensors[body.result]
    found = quantization_of(result)
    if found is None:
        return None
    most = max(map(abs, int8_ends(found)))
    unit = 2.0 ** math.ceil(math.log2(most))
    last = network.layers[_maker(network, body, body.result)]
    if last.operator in _BOUNDED and unit <= 1:
        return Autoencoder(network, body, 1.0)
    scaled = _in_units(network, body, unit)
    return None if scaled is None else Autoencoder(scaled, body, unit)


def _maker(network: Network, body: Body, tensor: int) -> int:
    """Number of the layer of a body that makes a tensor; negative where none does."""
    return max((n for n in body.layers if tensor in network.layers[n].outputs), default=-1)


def _in_units(network: Network, body: Body, unit: float) -> Network | None:
    """The network with results in units of a power of two; None where its end has no weights.

    The end is its last layer with weights, and what adds constants to that: biases that a converter
    left outside.
    """
    tensors, layers, result = [*network.tensors], list(network.layers), body.result

    def smaller(number: int) -> Tensor:
        return replace(
            tensors[number], scales=tuple(scale / unit for scale in tensors[number].scales)
        )

    for _ in body.layers:
        last = _maker(network, body, result)
        layer = layers[last]
        tensors[result] = smaller(result)
        if layer.operator in _MOVING and _maker(network, body, layer.inputs[0]) >= 0:
            result = layer.inputs[0]
            continue
        is_sum = layer.operator == "add" and len(layer.inputs) == 2  # noqa: PLR2004 - of two
        if layer.activation not in _ACTIVATIONS or not (is_sum or layer.operator in _WEIGHTED):
            return None
        if len(layer.inputs) < 2 or layer.inputs[1] < 0:  # noqa: PLR2004 - map, weight
            return network  # refused where the layer is built
        # Another layer may have the same weight, or add the same constants.
        tensors.append(smaller(layer.inputs[1]))
        layers[last] = replace(layer, inputs=(layer.inputs[0], len(tensors) - 1, *layer.inputs[2:]))
        if not is_sum:
            return replace(network, tensors=tuple(tensors), layers=tuple(layers))
        if tensors[-1].data is None or _maker(network, body, layer.inputs[0]) < 0:
            return None
        result = layer.inputs[0]
    return None
