"""Compile-time differentiation: appends the nodes of a training step to a forward graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from kilograd.errors import KilogradError
from kilograd.ir import Graph, Kind, LabelKind, Node, Phase, TensorType, Value
from kilograd.ops import REGISTRY, Role
from kilograd.ops.gradient_scale import EXPONENT, sum_gradients
from kilograd.ops.spec import Array, Gradient

#: Expected log2 of the root mean square of a loss gradient, whose largest element has 7 bits.
_LOSS_MAGNITUDE = 5.0


@dataclass(frozen=True)
class Differentiate:
    """Append the loss, the gradients that trained states need, and the states' steps.

    Only values with something trained at or upstream of them get a gradient. Where a value is
    read by several nodes, its gradient is the sum of what all of them contribute.
    """

    name: ClassVar[str] = "differentiate"

    def apply(self, graph: Graph) -> Graph:
        """Walk the forward nodes backwards."""
        builder = _Builder(graph)
        builder.start()
        for node in reversed(graph.nodes):
            if builder.has_gradient(node.outputs[0]):
                REGISTRY[node.operator].gradient(node, graph, builder)
        return builder.finish()


def loss_operator(label_kind: LabelKind) -> str:
    """Name of the operator that starts differentiation.

    Args:
        label_kind: as of the graph.
    """
    return next(
        name
        for name, spec in REGISTRY.items()
        if spec.role is Role.LOSS and spec.label_kind is label_kind
    )


def _task(node: Node) -> str:
    """What a node does for its layer: its name behind the layer's."""
    return node.name.removeprefix(f"{node.layer}.")


def _overwritten(node: Node) -> list[str]:
    return list(REGISTRY[node.operator].overwritten(node).values())


class _Builder:
    """Implements ``GradientBuilder`` on a growing copy of the graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._values = dict(graph.values)
        self._nodes = list(graph.nodes)
        self._names = {node.name for node in graph.nodes}
        self._updates = dict(graph.updates)
        self._contributions: dict[str, list[Gradient]] = {}
        self._producer = graph.producer()
        self._layer_of = {output: node.layer for node in graph.nodes for output in node.outputs}
        self._rng_streams = 0
        self._loss_exponent = ""
        self._wanted = {state.name for state in graph.states}
        for node in graph.nodes:
            if self._wanted.intersection(node.inputs):
                self._wanted.update(node.outputs)

    def start(self) -> None:
        operator = loss_operator(self._graph.label_kind)
        reads, attributes = REGISTRY[operator].begin(self._graph, self.rng_stream())
        operand, judged = next(iter(reads.items()))
        if not self.wanted(judged):
            msg = f"nothing that is trained leads to the {operand}"
            raise KilogradError(msg)
        gradient, self._loss_exponent = self.emit(
            operator, reads, attributes, layer="loss", task="gradient"
        )
        zero = Value("loss.zero_exponent", EXPONENT, Kind.CONSTANT, np.zeros(1, np.int32))
        self._values[zero.name] = zero
        self.contribute(judged, Gradient(gradient, zero.name, _LOSS_MAGNITUDE))

    def finish(self) -> Graph:
        """The graph, with every node that overwrites a state behind all others that read it."""
        ordered: list[Node] = []
        waiting: list[Node] = self._nodes
        while waiting:
            readers = Counter(name for node in waiting for name in set(node.inputs))
            last = [n for n in waiting if any(readers[name] > 1 for name in _overwritten(n))]
            held = {node.name for node in last}
            ordered += [node for node in waiting if node.name not in held]
            if len(last) == len(waiting):
                msg = f"states overwrite each other in a circle: {', '.join(sorted(held))}"
                raise KilogradError(msg)
            waiting = last
        return replace(self._graph, values=self._values, updates=self._updates).with_nodes(ordered)

    def has_gradient(self, name: str) -> bool:
        return name in self._contributions

    @property
    def loss_exponent(self) -> str:
        return self._loss_exponent

    def value(self, name: str) -> Value:
        return self._values[name]

    def gradient(self, name: str) -> Gradient:
        contributions = self._contributions[name]
        while len(contributions) > 1:
            first, second = contributions[:2]
            layer = self._layer_of[name]
            total = sum_gradients(self, first, second, layer=layer)
            contributions[:2] = [total]
        return contributions[0]

    def wanted(self, name: str) -> bool:
        return name in self._wanted

    def contribute(self, name: str, gradient: Gradient) -> None:
        self._contributions.setdefault(name, []).append(gradient)

    def emit(
        self,
        operator: str,
        inputs: Mapping[str, str | None],
        attributes: object,
        *,
        layer: str,
        task: str,
    ) -> tuple[str, ...]:
        spec = REGISTRY[operator]
        known = [operand.name for operand in spec.operands]
        if unknown := set(inputs) - set(known):
            msg = f"operator {operator} has no operand {', '.join(sorted(unknown))}"
            raise KilogradError(msg)
        reads = [name for operand in known if (name := inputs.get(operand)) is not None]
        return self._append(operator, reads, attributes, layer=layer, task=task)

    def _append(
        self, operator: str, inputs: Sequence[str], attributes: object, *, layer: str, task: str
    ) -> tuple[str, ...]:
        name = self._unique(f"{layer}.{task}")
        types = [self._values[read].type for read in inputs]
        inferred = REGISTRY[operator].infer(attributes, types)
        outputs = tuple(name if i == 0 else f"{name}.{i}" for i in range(len(inferred)))
        for output, type_ in zip(outputs, inferred, strict=True):
            self._values[output] = Value(output, type_, Kind.ACTIVATION)
        node = Node(name, operator, tuple(inputs), outputs, attributes, layer, Phase.TRAINING)
        self._nodes.append(node)
        return outputs

    def rematerialize(self, name: str) -> str:
        if self._values[name].kind is not Kind.ACTIVATION:
            return name
        node = self._producer[name]
        task = f"{_task(node)}_rematerialized"
        (made,) = self._append(
            node.operator, node.inputs, node.attributes, layer=node.layer, task=task
        )
        return made

    def state(self, name: str, type_: TensorType, data: Array) -> str:
        name = self._unique(name)
        self._values[name] = Value(name, type_, Kind.STATE, data)
        return name

    def update(self, state: str, new: str) -> None:
        self._updates[state] = new

    def rng_stream(self) -> int:
        self._rng_streams += 1
        return self._rng_streams

    def _unique(self, name: str) -> str:
        candidate, count = name, 1
        while candidate in self._names:
            count += 1
            candidate = f"{name}{count}"
        self._names.add(candidate)
        return candidate
