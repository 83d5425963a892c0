"""What a choice takes, estimated from the training step of everything.

A node of that step runs for a choice when something that it leads to is trained, and a tensor is
held as long as a node that runs still reads it. So the bytes that are live while a node runs are a
sum of tensors, each on the condition that any of certain parts is trained: exact for the order of
that step, up to placement, rows and recomputation. What the compiler really needs is measured
(`calibration.py`); this only says where to look.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kilograd.compiler import Program
from kilograd.ir import Graph, Kind, Node, Phase
from kilograd.ops import REGISTRY, kernel_call
from kilograd.ops.spec import Role
from kilograd.passes import Differentiate, ForTarget, Order, Prune, Select
from kilograd.passes.base import run_passes
from kilograd.rowwise import aligned
from kilograd.search.choice import Choice, Parts
from kilograd.targets import Target

#: A set of parts, one bit each.
Mask = int


@dataclass(frozen=True)
class Moment:
    """The time at which one node runs.

    Attributes:
        name: the node's.
        gate: it runs when any of these parts is trained; 0 for always.
        held: bytes that are live then, whatever is trained.
        conditional: bytes -> each live when any of its parts is trained.
    """

    name: str
    gate: Mask
    held: int
    conditional: tuple[tuple[int, Mask], ...]


@dataclass(frozen=True)
class Work:
    """What one node of the backward pass adds to a training step.

    Attributes:
        gate: as for `Moment`.
        cost: multiply-accumulates, and an eighth for each byte that it reads and writes.
        layer: whose weight it updates, where its cost grows with the share that is trained.
    """

    gate: Mask
    cost: float
    layer: str | None


@dataclass(frozen=True)
class CostModel:
    """Estimates for all choices of one model, target and kind of input.

    Attributes:
        parts: what can be chosen.
        moments: of forward and backward pass.
        work: of the backward pass.
        forbidden: parts that cannot be trained at all.
    """

    parts: Parts
    moments: tuple[Moment, ...]
    work: tuple[Work, ...]
    forbidden: Mask

    def arena_bytes(self, choice: Choice) -> int:
        """The most that is live at one time."""
        masks, gates, held, table = self._matrices
        chosen = self.parts.chosen(choice)
        runs = (gates @ chosen > 0) | ~gates.any(axis=1)
        live = held + table @ (masks @ chosen > 0)
        return int(live[runs].max())

    def backward_cost(self, choice: Choice) -> float:
        """Of the nodes that training adds, in units of `Work`."""
        chosen = _mask(self.parts.chosen(choice))
        return sum(
            one.cost * (choice.weights[one.layer] if one.layer else 1.0)
            for one in self.work
            if one.gate & chosen
        )

    @cached_property
    def _matrices(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Conditions [c, parts], gates [m, parts], bytes held [m] and on a condition [m, c]."""
        masks = sorted({mask for moment in self.moments for _, mask in moment.conditional})
        column = {mask: i for i, mask in enumerate(masks)}
        table = np.zeros((len(self.moments), len(masks)), np.int64)
        for row, moment in enumerate(self.moments):
            for size, mask in moment.conditional:
                table[row, column[mask]] += size
        held = np.array([moment.held for moment in self.moments], np.int64)
        return self._bits(masks), self._bits([m.gate for m in self.moments]), held, table

    def _bits(self, masks: list[Mask]) -> NDArray[np.int64]:
        bits = [[mask >> part & 1 for part in range(len(self.parts))] for mask in masks]
        return np.array(bits, np.int64).reshape(len(masks), len(self.parts))


def _mask(chosen: NDArray[np.bool_]) -> Mask:
    return sum(1 << int(part) for part in np.flatnonzero(chosen))


def cost_model(graph: Graph, parts: Parts, target: Target, smallest: Program) -> CostModel:
    """Read the estimates off the training step of everything.

    Args:
        graph: the forward graph.
        parts: of its layers.
        target: whose kernels run.
        smallest: the program that trains nothing but the head: what its forward pass holds is
            held in any case.
    """
    names = [*parts.index, graph.producer()[graph.outputs[0]].layer]
    passes = [
        Select(frozenset(names), dict.fromkeys(names, 1.0)),
        Differentiate(),
        Prune(),
        ForTarget(target.features),
        Order(),
    ]
    return _Reader(run_passes(graph, passes), parts, smallest).read()


class _Reader:
    """Turns a graph that trains everything into conditions."""

    def __init__(self, graph: Graph, parts: Parts, smallest: Program) -> None:
        self._graph = graph
        self._parts = parts
        self._smallest = smallest
        self._readers = graph.readers()
        self._producer = graph.producer()
        self._at = {node.name: i for i, node in enumerate(graph.nodes)}
        self._reach: dict[str, Mask] = {}
        self._parameters: dict[str, Mask] = {}
        for node in reversed(graph.nodes):
            self._reach[node.name] = self._reach_of(node)
            own = self._own_part(node)
            if own is not None:
                self._parameters.update(dict.fromkeys(node.outputs, own))
        forward = [n for n in graph.nodes if n.phase is Phase.INFERENCE]
        self._made: dict[str, int] = {value.name: -1 for value in graph.inputs}
        for node in graph.nodes:
            # What follows from the forward pass alone can be made as soon as that is there.
            early = max((self._made[i] for i in node.inputs if i in self._made), default=-1)
            at = early if self._is_early(node) else self._at[node.name]
            self._made.update(dict.fromkeys(node.outputs, at))
        self._forward_end = max(self._at[node.name] for node in forward)

    def read(self) -> CostModel:
        """All moments and their conditions."""
        graph = self._graph
        training = [n for n in graph.nodes if n.phase is Phase.TRAINING]
        late = [n for n in training if not self._is_early(n) and self._reach[n.name]]
        moments = [*self._forward_moments(), *(self._moment(node) for node in late)]
        work = tuple(self._work(node) for node in training if self._reach[node.name])
        forbidden = 0
        if any(group.row_input for group in self._smallest.graph.row_groups):
            sample = graph.inputs[0].name
            for node in self._readers.get(sample, []):
                if node.phase is Phase.TRAINING:
                    forbidden |= self._reach[node.name]
        return CostModel(self._parts, tuple(moments), work, forbidden)

    def _reach_of(self, node: Node) -> Mask:
        """Parts whose training needs a node."""
        own = self._own_part(node)
        if own is not None:
            return own
        if node.phase is Phase.INFERENCE:
            return 0
        readers = [r for output in node.outputs for r in self._readers.get(output, [])]
        return _union(self._reach.get(reader.name, 0) for reader in readers)

    def _own_part(self, node: Node) -> Mask | None:
        """The part that a node updates, or makes the parameter of."""
        spec, values = REGISTRY[node.operator], self._graph.values
        updated = [values[name] for name in spec.overwritten(node).values()]
        deltas = [value for value in updated if value.type.quantization is not None]
        if not updated and self._graph.makes_parameter(node):
            deltas = [v for v in map(values.__getitem__, node.inputs) if v.kind is Kind.STATE]
        if not deltas:
            return None
        if node.layer not in self._parts.index:
            return 0
        is_bias = len(deltas[0].type.shape) == 1
        part = (self._parts.bias if is_bias else self._parts.weight)(node.layer)
        return 1 << part

    def _is_early(self, node: Node) -> bool:
        """Whether a training node reads nothing but results of the forward pass."""
        values = self._graph.values
        read = [i for i in node.inputs if values[i].kind in (Kind.ACTIVATION, Kind.INPUT)]
        producers = [self._producer.get(name) for name in read]
        is_forward = all(p is None or p.phase is Phase.INFERENCE for p in producers)
        is_loss = REGISTRY[node.operator].role is Role.LOSS
        return node.phase is Phase.TRAINING and bool(read) and is_forward and not is_loss

    def _needed(self, name: str, at: int) -> Mask:
        """Parts for which a value is still read at this place of the backward pass or later."""
        reach = _union(
            self._reach[reader.name]
            for reader in self._readers.get(name, [])
            if reader.phase is Phase.TRAINING
            and self._at[reader.name] >= at
            and not self._is_early(reader)
        )
        # A parameter that is not trained is a constant: nothing makes it.
        own = self._parameters.get(name)
        return reach if own is None or not reach else own

    def _moment(self, node: Node) -> Moment:
        graph, at = self._graph, self._at[node.name]
        held = aligned(kernel_call(node, graph).scratch_bytes)
        conditional: list[tuple[int, Mask]] = []
        gate = self._reach[node.name]
        replaced = REGISTRY[node.operator].overwritten(node)
        taken = self._taken_over(node)
        for name, made in self._made.items():
            value = graph.values[name]
            if value.kind not in (Kind.ACTIVATION, Kind.INPUT) or made > at:
                continue
            size = aligned(value.type.nbytes)
            if name in node.outputs:
                held += 0 if name in taken or replaced else size
            elif mask := self._needed(name, at):
                conditional.append((size, mask))
        return Moment(node.name, gate, held, tuple(conditional))

    def _taken_over(self, node: Node) -> set[str]:
        """Results that may lie in the memory of an operand which nobody reads later."""
        spec = REGISTRY[node.operator]
        operands = dict(zip((o.name for o in spec.operands), node.inputs, strict=False))
        at = self._at[node.name]
        return {
            output
            for result, output in zip(spec.results, node.outputs, strict=False)
            if any(
                name in operands and not self._needed(operands[name], at + 1)
                for name in spec.reuses.get(result, ())
            )
        }

    def _forward_moments(self) -> list[Moment]:
        """What the smallest program holds at each of its layers, and what is kept for later."""
        program = self._smallest
        kept = [
            (name, made, aligned(self._graph.values[name].type.nbytes), mask)
            for name, made in self._made.items()
            if made <= self._forward_end
            and self._graph.values[name].kind in (Kind.ACTIVATION, Kind.INPUT)
            and (mask := self._needed(name, 0))
        ]
        moments: list[Moment] = []
        for index, node in enumerate(program.graph.nodes):
            live = program.plan.live_at(index)
            there = {name for buffer in live for name in buffer.values}
            at = self._at.get(node.name, self._forward_end)
            held = sum(buffer.size for buffer in live if buffer.inside is None)
            more = tuple(
                (size, mask) for name, made, size, mask in kept if made <= at and name not in there
            )
            moments.append(Moment(node.name, 0, held, more))
        return moments

    def _work(self, node: Node) -> Work:
        graph = self._graph
        types = graph.types(node.inputs)
        spec = REGISTRY[node.operator]
        moved = sum(graph.values[name].type.nbytes for name in (*node.inputs, *node.outputs))
        reach = self._reach[node.name]
        is_weight = any(
            len(graph.values[s].type.shape) > 1 for s in spec.overwritten(node).values()
        )
        layer = node.layer if is_weight and node.layer in self._parts.index else None
        return Work(reach, spec.macs(node.attributes, types) + moved / 8, layer)


def _union(masks: Iterable[Mask]) -> Mask:
    found: Mask = 0
    for mask in masks:
        found |= mask
    return found
