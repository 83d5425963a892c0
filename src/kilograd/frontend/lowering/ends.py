"""Where a network begins and ends once what a device does not compute is taken off."""

from __future__ import annotations

from dataclasses import dataclass

from kilograd.frontend.lowering.refusals import Refuser
from kilograd.frontend.network import Layer, Network, Tensor

#: A sample is given in int8 and in the shape that the first layer reads.
_BEFORE = frozenset({"quantize", "reshape"})

#: A prediction is the largest logit, and the loss has a softmax of its own.
_BEHIND = frozenset({"softmax", "log_softmax", "logistic", "reshape", "quantize", "dequantize"})


@dataclass(frozen=True)
class Ends:
    """What is left of a network.

    Attributes:
        sample: number of the tensor that is the graph's input.
        body: numbers of the layers before the head, in order.
        head: number of the layer that makes the logits.
        is_sigmoid: whether a sigmoid follows it.
    """

    sample: int
    body: tuple[int, ...]
    head: int
    is_sigmoid: bool


def find_ends(network: Network, refuser: Refuser) -> Ends:
    """The ends of a network; layers that the head does not depend on are left out.

    Raises:
        ModelError: when it has other than one input and one result, or its layers do not connect
            them.
    """
    for what, numbers in (("input", network.inputs), ("output", network.outputs)):
        if len(numbers) != 1:
            raise refuser.network(
                f"the network has {len(numbers)} {what}s, and kilograd's networks have one",
                "export the part of the network that has one input and one output",
            )
    producers: dict[int, int] = {}
    for number, layer in enumerate(network.layers):
        for output in layer.outputs:
            if output in producers:
                raise refuser.layer(number, f"another layer makes tensor {output} as well")
            producers[output] = number
    sample = _sample(network)
    head, is_sigmoid = _head(network, producers, sample, refuser)
    needed = _needed(network, producers, head, sample)
    return Ends(sample, tuple(sorted(needed - {head})), head, is_sigmoid)


def _sample(network: Network) -> int:
    readers: dict[int, list[Layer]] = {}
    for layer in network.layers:
        for tensor in layer.inputs:
            readers.setdefault(tensor, []).append(layer)
    (sample,) = network.inputs
    seen: set[int] = set()
    while sample not in seen:
        seen.add(sample)
        reading = readers.get(sample, [])
        if len(reading) == 1 and reading[0].operator in _BEFORE and reading[0].outputs:
            sample = reading[0].outputs[0]
    return sample


def is_trivial_transpose(tensor: Tensor) -> bool:
    """Whether any order of a tensor's dimensions is the same in memory: at most one is not 1."""
    return sum(extent != 1 for extent in tensor.shape) <= 1


def _head(
    network: Network, producers: dict[int, int], sample: int, refuser: Refuser
) -> tuple[int, bool]:
    """Number of the layer, and whether a sigmoid follows it."""
    (result,) = network.outputs
    is_sigmoid = False
    for _ in range(len(network.layers) + 1):
        if result not in producers or result == sample:
            break
        head = producers[result]
        layer = network.layers[head]
        is_behind = layer.operator in _BEHIND and bool(layer.inputs)
        if layer.operator == "transpose" and layer.inputs:
            is_behind = is_trivial_transpose(network.tensors[layer.inputs[0]])
        if not is_behind:
            return head, is_sigmoid
        is_sigmoid |= layer.operator == "logistic"
        result = layer.inputs[0]
    raise refuser.network("no layer with weights makes the network's result")


def _needed(network: Network, producers: dict[int, int], head: int, sample: int) -> set[int]:
    needed, open_ = {head}, [head]
    while open_:
        layer = network.layers[open_.pop()]
        # What computes a shape is not needed: the file has the shapes of all tensors.
        for tensor in layer.inputs[:1] if layer.operator == "reshape" else layer.inputs:
            number = producers.get(tensor)
            if tensor != sample and number is not None and number not in needed:
                needed.add(number)
                open_.append(number)
    return needed
