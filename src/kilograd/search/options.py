"""What a scheme can train of each layer, and what each choice adds to the state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kilograd.ir import Graph, Kind
from kilograd.ops import REGISTRY
from kilograd.ops.spec import Trainable

#: Shares of a layer's input channels whose weights can be trained (MCUNetV3, section 2.2).
SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)


@dataclass(frozen=True)
class WeightOption:
    """Training a share of a layer's weights.

    Attributes:
        share: of its input channels, in (0, 1].
        channels: which they are.
        state_bytes: of the deltas.
    """

    share: float
    channels: tuple[int, ...]
    state_bytes: int


@dataclass(frozen=True)
class LayerOptions:
    """What can be trained of a layer.

    Attributes:
        layer: its name.
        channels: of its result; as many biases.
        bias_bytes: of the bias's deltas.
        weights: by ascending share; shares that take as much state as a larger one are left out.
    """

    layer: str
    channels: int
    bias_bytes: int
    weights: tuple[WeightOption, ...]


def layer_options(graph: Graph, shares: Iterable[float] = SHARES) -> tuple[LayerOptions, ...]:
    """The options of every layer with weights, in forward order; the head is last.

    Args:
        graph: the forward graph.
        shares: that are offered.
    """
    found: list[LayerOptions] = []
    for node in graph.nodes:
        spec = REGISTRY[node.operator]
        if not spec.has_weights:
            continue
        bias = spec.trainable(node, graph, bias=True, share=0)
        weights: dict[int, WeightOption] = {}
        for share in sorted(shares):
            trainable = spec.trainable(node, graph, bias=False, share=share)
            option = WeightOption(share, _channels(trainable), _state_bytes(trainable))
            weights[option.state_bytes] = option  # a larger share of as many bytes takes its place
        found.append(
            LayerOptions(node.layer, _biases(bias), _state_bytes(bias), tuple(weights.values()))
        )
    return tuple(found)


def _channels(trainable: Trainable) -> tuple[int, ...]:
    """Input channels that are stepped; weights have them along the last axis."""
    some = getattr(trainable.node.attributes, "trained_channels", None)
    delta = next(v for v in trainable.values if v.kind is Kind.STATE)
    return tuple(some) if some else tuple(range(delta.type.shape[-1]))


def _biases(trainable: Trainable) -> int:
    return next(v for v in trainable.values if v.kind is Kind.STATE).type.size


def _state_bytes(trainable: Trainable) -> int:
    return sum(v.type.nbytes for v in trainable.values if v.kind is Kind.STATE)
