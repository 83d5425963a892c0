"""Names of layers: schemes use them, so they are the ones that the network's author gave."""

from __future__ import annotations

import re

#: What graphs need for themselves.
RESERVED = frozenset({"input", "head", "loss"})

_LONGEST = 48

#: Parts of a name that tell what was computed, not which layer did.
_OPERATIONS = re.compile(
    r"(Relu6?|BiasAdd|Conv2D|depthwise|MatMul|add|AvgPool|MaxPool|Mean|Reshape|ReadVariableOp"
    r"|resource|bias|BatchNorm|FusedBatchNormV3|(Stateful)?PartitionedCall.*|Identity.*)"
    r"(_[Ff]old)?\d*",
    re.ASCII,
)


class LayerNames:
    """Gives out names, each once."""

    def __init__(self) -> None:
        self._taken = set(RESERVED)

    def choose(self, tensor: str, operator: str) -> str:
        """A name for the layer that makes a tensor.

        Args:
            tensor: its name. Converters join the names of all that was fused with semicolons, and
                folders with slashes: ``net/activation/Relu;net/conv1/BiasAdd`` is ``conv1``.
            operator: what the layer is called if that leaves nothing.
        """
        stem = layer_name(tensor) or operator
        name, number = stem, 1
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name)
        return name


def layer_name(tensor: str) -> str:
    """The author's name of the layer that makes a tensor; empty where there is none."""
    parts = tensor.split(";")
    biased = [part for part in parts if part.endswith("/BiasAdd")]
    path = (biased or parts)[-1].split("/")
    depth = len(path)
    while path and _OPERATIONS.fullmatch(path[-1]):
        # Operations are in capitals but for a few, and layers are often named after those.
        if path[-1].islower() and len(path) < depth:
            break
        path.pop()
    name = re.sub(r"[^A-Za-z0-9_.]+", "_", path[-1] if path else "")[:_LONGEST].strip("_.")
    return name if not name or name[0].isalpha() else f"layer_{name}"


def model_name(text: str) -> str:
    """A name for a graph, which goes into C comments and messages."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", text)[:64]
    return name if re.match(r"[A-Za-z0-9]", name) else f"model{name}"
