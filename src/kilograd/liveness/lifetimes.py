"""When each tensor is live, and which share memory in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kilograd.ir import Graph, Kind, Node, RowGroup
from kilograd.liveness.problem import in_place_bytes, reusable, row_plans
from kilograd.ops import REGISTRY, kernel_call
from kilograd.rowwise import RowPlan, aligned


@dataclass(frozen=True)
class Buffer:
    """Arena memory of one tensor, of several that follow each other in place, or of scratch.

    Attributes:
        name: of the first tensor, or of the node whose scratch it is.
        values: names of the tensors; empty for scratch.
        size: bytes, rounded up to the alignment.
        first: index of the first node that needs it; −1 for the sample.
        last: index of the last node that needs it.
        inside: name of the buffer at whose place it lies: its tensor is made there, row by row,
            while that of the other is read for the last time, and is counted from then on.
        scratch_of: name of the node whose scratch it is, of the first of a group of rows, or
            ``input`` for what is needed beside a sample; None for tensors.
    """

    name: str
    values: tuple[str, ...]
    size: int
    first: int
    last: int
    inside: str | None = None
    scratch_of: str | None = None

    def overlaps(self, other: Buffer) -> bool:
        """Whether both are live at once."""
        return self.first <= other.last and other.first <= self.last


def clusters(buffers: Sequence[Buffer]) -> list[list[Buffer]]:
    """Buffers that lie at one place, together; in the order of the first of each."""
    found: dict[str, list[Buffer]] = {}
    inside = {b.name: b.inside for b in buffers}
    for buffer in buffers:
        root = buffer.name
        while (other := inside[root]) is not None:
            root = other
        found.setdefault(root, []).append(buffer)
    return list(found.values())


def arena_buffers(graph: Graph, *, in_place: bool = True) -> tuple[Buffer, ...]:
    """Lifetimes of everything in the arena, in the graph's order of execution.

    The result of a node may take over the memory of an input that nobody reads later, where its
    operator allows it. Values that update a state live in the state and are left out. Nodes that
    run a row at a time run all at once: what only they read is in the group's memory, in rows.
    """
    return _Lifetimes(graph, in_place=in_place).buffers()


def live_ranges(graph: Graph) -> dict[str, tuple[int, int, int]]:
    """The first and the last node that need each value in the arena, and its bytes.

    Nodes are counted in the graph's order; −1 stands for the time before the first, and a result
    of the graph is needed to the end. States and what replaces them are not in the arena.
    """
    ranges: dict[str, tuple[int, int, int]] = {}
    for index, node in enumerate(graph.nodes):
        for name in (*node.inputs, *node.outputs):
            value = graph.values[name]
            if value.kind in (Kind.INPUT, Kind.ACTIVATION):
                start = -1 if value.kind is Kind.INPUT else index
                first = ranges.get(name, (start, index, 0))[0]
                ranges[name] = (first, index, value.type.nbytes)
    for name in graph.outputs:
        ranges[name] = (ranges[name][0], len(graph.nodes), ranges[name][2])
    return ranges


class _Lifetimes:
    def __init__(self, graph: Graph, *, in_place: bool) -> None:
        self._graph = graph
        self._in_place = in_place
        self._groups = row_plans(graph)
        self._spans, self._in_rows = _group_spans(graph, self._groups)
        self._last = dict.fromkeys(graph.values, -1)
        for name, (_, last, _) in live_ranges(graph).items():
            self._last[name] = self._spans.get(last, (last, last))[1]
        self._owner: dict[str, str] = {}
        self._chains: dict[str, list[str]] = {}
        self._first: dict[str, int] = {}
        self._inside: dict[str, str] = {}
        self._over = {
            plan.values[plan.over[0]].name: plan.values[plan.over[1]].name
            for _, plan in self._groups
            if plan.over is not None and in_place
        }

    def buffers(self) -> tuple[Buffer, ...]:
        """Scratch in the order of the nodes, then values."""
        graph = self._graph
        for value in graph.inputs:
            if value.name not in self._in_rows:
                self._begin(value.name, -1)
        buffers: list[Buffer] = []
        for index, node in enumerate(graph.nodes):
            first, _ = self._spans.get(index, (index, index))
            in_place = self._outputs(node, index, first)
            if index in self._spans:
                continue
            scratch = aligned(kernel_call(node, graph).scratch_bytes)
            scratch += in_place_bytes(node, graph) if in_place else 0
            if scratch:
                buffers.append(scratch_buffer(node.name, scratch, index, index))
        names = [node.name for node in graph.nodes]
        for group, plan in self._groups:
            first, last = self._spans[names.index(group.nodes[0])]
            first = -1 if group.row_input else first
            buffers.append(scratch_buffer(group.nodes[0], plan.total_bytes, first, last))
        for name, values in self._chains.items():
            size = aligned(max(graph.type_of(value).nbytes for value in values))
            end = max(self._first[name], *(self._last[value] for value in values))
            inside = self._inside.get(name)
            buffers.append(Buffer(name, tuple(values), size, self._first[name], end, inside))
        return tuple(buffers)

    def _begin(self, name: str, index: int) -> None:
        self._owner[name] = name
        self._chains[name] = [name]
        self._first[name] = index

    def _outputs(self, node: Node, index: int, first: int) -> bool:
        """Memory for what a node makes: new, or an input's that is not read later.

        Returns:
            Whether an input's was taken over.
        """
        in_place = False
        overwritten = REGISTRY[node.operator].overwritten(node)
        alone = self._in_place and index not in self._spans
        free = {
            name
            for name in node.inputs
            if alone and name in self._owner and self._last[name] == index
        }
        for output in node.outputs:
            if output in overwritten or output in self._in_rows:
                continue
            candidates = reusable(node, output, self._graph)
            source = next((name for name in candidates if name in free), None)
            if output in self._over:
                # The other ends a node before the group does, and this one begins with its last.
                other, last = self._over[output], self._spans[index][1]
                self._last[other] = last - 1
                self._inside[output] = self._owner[other]
                self._begin(output, last)
            elif source is None:
                self._begin(output, first)
            else:
                in_place = True
                free.remove(source)
                self._owner[output] = self._owner[source]
                self._chains[self._owner[source]].append(output)
        return in_place


def _group_spans(
    graph: Graph, groups: list[tuple[RowGroup, RowPlan]]
) -> tuple[dict[int, tuple[int, int]], set[str]]:
    """The first and last node of each node's group, by index; and the values held in rows."""
    index = {node.name: i for i, node in enumerate(graph.nodes)}
    spans: dict[int, tuple[int, int]] = {}
    in_rows: set[str] = set()
    for group, plan in groups:
        indices = [index[name] for name in group.nodes]
        spans.update(dict.fromkeys(indices, (min(indices), max(indices))))
        in_rows.update(value.name for value in plan.values if not value.whole)
    return spans, in_rows


def scratch_buffer(node: str, size: int, first: int, last: int) -> Buffer:
    """Working memory of a node, of a group of rows by its first node, or of the input."""
    return Buffer(f"{node} (scratch)", (), aligned(size), first, last, scratch_of=node)
