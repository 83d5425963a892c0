"""Where a network begins and ends once what a device does not compute is taken off."""

from __future__ import annotations

from dataclasses import dataclass

from kilograd.frontend.lowering.refusals import Refuser
from kilograd.frontend.network import Layer, Network, Tensor

#: A sample is given in int8, and in the size and shape that the first layer reads.
_BEFORE = frozenset({"quantize", "reshape", "resize"})

#: A prediction is the largest logit, and the loss has a softmax of its own.
_BEHIND = frozenset(
    {"softmax", "log_softmax", "logistic", "reshape", "quantize", "dequantize", "arg_max"}
)


#: Batch, height, width, channels.
_MAP_RANK = 4

WEIGHTED = frozenset({"dense", "conv"})
"""Layers that can be a head."""

#: Layers that may stand between the last one with weights and the logits: of one map each.
_LEADING = frozenset(
    {
        *("lookup", "activation", "quantize", "dequantize", "reshape", "prelu"),
        *("mean", "average_pool", "maximum", "max_pool"),
        *("add", "subtract", "multiply", "smaller", "larger"),
    }
)


@dataclass(frozen=True)
class Ends:
    """What is left of a network.

    Attributes:
        sample: number of the tensor that is the graph's input.
        body: numbers of the layers before the head, in order.
        head: number of the layer that makes the logits.
        average: number of the layer that averages what the head makes of each position; None where
            the head makes logits at once.
        is_sigmoid: whether a sigmoid follows it.
        tail: numbers of the layers that make logits of what the head makes, in order: others than
            an average of what is linear. The head is the last layer with weights, if there is one
            from which one map leads to the logits.
        whole: numbers of the layers that the logits need, in order.
        result: number of the tensor that holds the logits.
        makes_logits: whether the head has weights and makes them, at once or before their average.
    """

    sample: int
    body: tuple[int, ...]
    head: int
    average: int | None
    is_sigmoid: bool
    tail: tuple[int, ...]
    whole: tuple[int, ...]
    result: int
    makes_logits: bool


@dataclass(frozen=True)
class Body:
    """The layers between a sample and a result.

    Attributes:
        sample: number of the tensor that is the graph's input.
        layers: their numbers, in order.
        result: number of the tensor that they make.
    """

    sample: int
    layers: tuple[int, ...]
    result: int


def body_of(network: Network, behind: frozenset[str]) -> Body | None:
    """What makes the result of a network with one input and one output; None where nothing does.

    Args:
        network: with any layers.
        behind: operators that do not count at its end.
    """
    producers = {output: n for n, layer in enumerate(network.layers) for output in layer.outputs}
    sample = _sample(network)
    found = _in_front_of(network, producers, sample, behind)
    if found is None:
        return None
    result, _ = found
    needed = _needed(network, producers, producers[result], sample)
    return Body(sample, tuple(sorted(needed)), result)


def find_ends(network: Network, refuser: Refuser, *, keeps_logits: bool = True) -> Ends:
    """The ends of a network; layers that the head does not depend on are left out.

    Args:
        network: with any layers.
        refuser: for what cannot be.
        keeps_logits: whether the network keeps its own, whose order matters then.

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
    behind = _BEHIND if keeps_logits else _BEHIND | {"transpose"}
    last, is_sigmoid = _head(network, producers, sample, refuser, behind)
    whole = tuple(sorted(_needed(network, producers, last, sample)))
    average, head = _behind_average(network, producers, last)
    tail: list[int] = []
    if average is None or network.layers[head].activation != "none":
        average, (head, *tail) = None, _with_tail(network, producers, last)
    body = tuple(sorted(_needed(network, producers, head, sample) - {head}))
    (result,) = network.layers[last].outputs[:1]
    layer = network.layers[head]
    makes_logits = layer.operator in WEIGHTED and not tail and layer.activation == "none"
    return Ends(sample, body, head, average, is_sigmoid, tuple(tail), whole, result, makes_logits)


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
        if len(reading) == 1 and reading[0].outputs and _is_before(network, reading[0], sample):
            sample = reading[0].outputs[0]
    return sample


def _is_before(network: Network, layer: Layer, sample: int) -> bool:
    """Whether a layer does to a sample what is done before a network reads it."""
    is_view = layer.operator in {"reshape", "transpose"}
    is_large = is_view and len(network.tensors[layer.outputs[0]].shape) > _MAP_RANK
    if layer.options.get("is_kept") or layer.activation != "none" or is_large:
        return False
    if layer.operator != "transpose":
        # What becomes rows in the place of the batch is one sample all the same.
        keeps_batch = (
            network.tensors[layer.outputs[0]].shape[:1] == network.tensors[sample].shape[:1]
        )
        return layer.operator in _BEFORE and keeps_batch
    order, rank = layer.options.get("order"), len(network.tensors[sample].shape)
    return isinstance(order, tuple) and order[:1] == (0,) and sorted(order) == [*range(rank)]


def is_trivial_transpose(tensor: Tensor) -> bool:
    """Whether any order of a tensor's dimensions is the same in memory: at most one is not 1."""
    return sum(extent != 1 for extent in tensor.shape) <= 1


def _head(
    network: Network,
    producers: dict[int, int],
    sample: int,
    refuser: Refuser,
    operators: frozenset[str],
) -> tuple[int, bool]:
    """Number of the layer, and whether a sigmoid follows it."""
    found = _in_front_of(network, producers, sample, operators)
    if found is None:
        raise refuser.network("no layer with weights makes the network's result")
    result, behind = found
    return producers[result], "logistic" in behind


def _in_front_of(
    network: Network, producers: dict[int, int], sample: int, behind: frozenset[str]
) -> tuple[int, set[str]] | None:
    """The tensor that is a network's result but for some operators, and which of these follow it.

    None where no layer makes it, or they go in circles, as in a damaged file.
    """
    (result,) = network.outputs
    passed: set[str] = set()
    for _ in range(len(network.layers) + 1):
        if result not in producers or result == sample:
            return None
        layer = network.layers[producers[result]]
        is_behind = layer.operator in behind and bool(layer.inputs)
        if layer.operator == "transpose" and layer.inputs:
            is_behind |= is_trivial_transpose(network.tensors[layer.inputs[0]])
        if not is_behind:
            return result, passed
        passed.add(layer.operator)
        result = layer.inputs[0]
    return None


def _behind_average(
    network: Network, producers: dict[int, int], head: int
) -> tuple[int | None, int]:
    """Of a network that ends with an average over its map: the average, and what makes the map.

    That is the head where it makes each position's values of this position alone.
    """
    average = network.layers[head]
    if not _is_whole(network, average):
        return None, head
    maker = producers.get(average.inputs[0])
    for _ in network.layers:  # a damaged file may go in circles
        if maker is None or not network.layers[maker].inputs:
            break
        if network.layers[maker].operator != "reshape":
            return (head, maker) if _is_pointwise(network, network.layers[maker]) else (None, head)
        maker = producers.get(network.layers[maker].inputs[0])
    return None, head


def _with_tail(network: Network, producers: dict[int, int], last: int) -> list[int]:
    """The last layer with weights and what it leads to; the last layer alone without one."""
    found = [last]
    for _ in network.layers:  # a damaged file may go in circles
        layer = network.layers[found[0]]
        if layer.operator in WEIGHTED:
            return found
        maps = [tensor for tensor in layer.inputs if tensor in producers]
        if layer.operator not in _LEADING or len(maps) != 1 or maps != [*layer.inputs[:1]]:
            break
        found.insert(0, producers[maps[0]])
    return [last]


def _is_whole(network: Network, layer: Layer) -> bool:
    """Whether a layer averages over all positions of its map."""
    if not layer.inputs or layer.inputs[0] < 0:
        return False
    given = network.tensors[layer.inputs[0]].shape
    if layer.operator == "average_pool":
        return layer.pair("window") == given[1:3] and not any(layer.numbers("pads"))
    axes, rank = layer.options.get("axes"), len(given)
    if layer.operator != "mean" or not isinstance(axes, tuple) or not rank:
        return False
    return {axis % rank for axis in axes} == set(range(1, rank - 1))


def _is_pointwise(network: Network, layer: Layer) -> bool:
    """Whether a layer is a convolution that makes each position's values of this position alone."""
    if layer.operator != "conv" or len(layer.inputs) < 2 or layer.inputs[1] < 0:  # noqa: PLR2004 - map, weight
        return False
    window = network.tensors[layer.inputs[1]].shape[1:3]
    return window == (1, 1) == layer.pair("strides") and not any(layer.numbers("pads"))


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
