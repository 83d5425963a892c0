"""Chooses which neighbouring nodes run a row at a time, by the memory that this saves."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

from kilograd.ir import Graph, Node, Phase, RowGroup
from kilograd.liveness import in_place_bytes, live_ranges, reusable
from kilograd.ops import kernel_call
from kilograd.rowwise import RowPlan, leading_rows, row_rule, simulate, whole_reads

#: A node that runs a row at a time costs about as much as moving so many bytes.
_BYTES_PER_NODE = 4096


@dataclass(frozen=True)
class Fuse:
    """Split each run of neighbouring nodes that can all run by rows into groups.

    Of all ways to split a run, one with the lowest peak is taken: the bytes that are live while a
    group runs, or a node on its own. Among those, the one that moves the fewest bytes. What
    training reads stays whole, so groups end up where nothing is saved.

    Attributes:
        row_input: whether the sample arrives a row at a time; the first group reads it then.
        is_final: whether the peak stays where it is. Otherwise the peak before each group is as low
            as it can be, too, since what is highest now may be lowered by the passes that follow.
    """

    row_input: bool = False
    is_final: bool = True
    name: ClassVar[str] = "fuse"

    def apply(self, graph: Graph) -> Graph:
        """Mark the groups; those of training nodes stay as they are.

        Parameters that have to be made first are made right before the group that reads them.
        """
        graph = parameters_before(graph, ())
        groups = _Search(graph, row_input=self.row_input).groups(is_final=self.is_final)
        graph = parameters_before(graph, groups)
        training = {node.name for node in graph.nodes if node.phase is Phase.TRAINING}
        kept = (group for group in graph.row_groups if group.nodes[0] in training)
        return replace(graph, row_groups=(*groups, *kept))


def parameters_before(graph: Graph, groups: Iterable[RowGroup]) -> Graph:
    """The graph with each parameter made right before the node, or the group, that reads it."""
    nodes = {node.name: node for node in graph.nodes}
    producer = graph.producer()
    together = {group.nodes[0]: group.nodes for group in groups}
    parameters = {
        node.name
        for node in graph.nodes
        if node.phase is Phase.INFERENCE and graph.makes_parameter(node)
    }
    order: dict[str, Node] = {}
    for node in graph.nodes:
        if node.name in parameters:
            continue
        for name in together.get(node.name, (node.name,)):
            makers = (producer[read] for read in nodes[name].inputs if read in producer)
            order.update((maker.name, maker) for maker in makers if maker.name in parameters)
        order[node.name] = node
    return graph.with_nodes(order.values())


@dataclass(frozen=True)
class Part:
    """Neighbouring nodes that run together, or a node on its own.

    Attributes:
        peak: bytes that are live in the arena while it runs.
        cost: bytes that it moves, and as many as its calls are worth.
    """

    peak: int
    cost: int


class _Search:
    """Shortest path over the places where one part can end and the next begin."""

    def __init__(self, graph: Graph, *, row_input: bool) -> None:
        self._graph = graph
        sample = graph.inputs[0].name
        is_read_again = any(n.phase is Phase.TRAINING for n in graph.readers()[sample])
        self._row_input = row_input and not is_read_again
        self._lives = live_ranges(graph)
        self._nodes: list[Node] = []
        self._runs = [range(0)]
        self._at: list[int] = []
        for index, node in enumerate(graph.nodes):
            if graph.makes_parameter(node):
                continue
            if node.phase is not Phase.INFERENCE:
                break
            if row_rule(node, graph) is None:
                self._runs.append(range(len(self._nodes), len(self._nodes)))
                # Whoever reads the sample is among the first that run by rows, or needs it whole.
                self._row_input = self._row_input and bool(self._nodes)
                continue
            self._nodes.append(node)
            self._at.append(index)
            self._runs[-1] = range(self._runs[-1].start, len(self._nodes))

    def groups(self, *, is_final: bool) -> tuple[RowGroup, ...]:
        """The parts of more than one node, and the one that the sample is streamed into."""
        groups: list[RowGroup] = []
        for run in self._runs:
            parts = [self._parts_from(begin, run.stop) for begin in run]
            begins = cheapest_split(parts, lowest_peak(parts)) if is_final else lowest_split(parts)
            ends = [len(parts)]
            while ends[-1]:
                ends.append(begins[ends[-1]])
            for begin, end in pairwise(run.start + end for end in reversed(ends)):
                row_input = self._row_input and begin == 0
                if end - begin > 1 or row_input:
                    names = tuple(node.name for node in self._nodes[begin:end])
                    groups.append(RowGroup(names, row_input))
        return tuple(groups)

    def _together(self, begin: int, end: int) -> list[Node]:
        """The nodes from one on that could be in one group, as far as another at most."""
        nodes = self._nodes[begin:end]
        made: set[str] = set()
        for count, node in enumerate(nodes):
            if made.intersection(whole_reads(node, self._graph)):
                return nodes[:count]
            made.update(node.outputs)
        return nodes

    def _parts_from(self, begin: int, end: int) -> list[Part]:
        """The parts that begin at a node, by the number of their nodes."""
        nodes = self._together(begin, end)
        row_input = self._row_input and begin == 0
        plan = simulate(self._graph, nodes, row_input=row_input)
        parts: list[Part] = []
        for count in range(1, len(nodes) + 1):
            if count == 1 and not row_input:
                parts.append(Part(self._alone(begin), 0))
                continue
            part = leading_rows(plan, count)
            moved = sum(value.moved_bytes for value in part.values)
            live = self._live(begin, begin + count - 1, part) - part.saved_bytes
            parts.append(Part(live + part.total_bytes, moved + count * _BYTES_PER_NODE))
        return parts

    def _live(self, first: int, last: int, part: RowPlan) -> int:
        """Bytes of the whole values in the arena while the nodes from first to last run.

        Among them are the parameters that have to be made before.
        """
        first, last = self._at[first], self._at[last]
        in_rows = {value.name for value in part.values if not value.whole}
        return sum(
            size
            for name, (start, end, size) in self._lives.items()
            if name not in in_rows and start <= last and end >= first
        )

    def _alone(self, index: int) -> int:
        """Bytes in the arena while a node runs on its own."""
        index = self._at[index]
        node = self._graph.nodes[index]
        call = kernel_call(node, self._graph)
        live = sum(size for start, end, size in self._lives.values() if start <= index <= end)
        ends = (self._lives[name][1:] for name in reusable(node, node.outputs[0], self._graph))
        more = in_place_bytes(node, self._graph)
        taken_over = max((size - more for end, size in ends if end == index), default=0)
        return live + call.scratch_bytes - taken_over


#: For each node of a run, the parts that begin there, by the number of their nodes.
Parts = list[list[Part]]


def lowest_peak(parts: Parts) -> int:
    """The lowest peak of any way to split the nodes."""
    end, peak, begins = len(parts), 0, lowest_split(parts)
    while end:
        begin = begins[end]
        peak = max(peak, parts[begin][end - begin - 1].peak)
        end = begin
    return peak


def lowest_split(parts: Parts) -> list[int]:
    """Of the way with the lowest peak up to each node, where its last part begins.

    Of ways with the same peak, the cheapest; of those, the one whose last part begins last.
    """
    best: list[tuple[int, int, int]] = [(0, 0, 0)]
    for end in range(1, len(parts) + 1):
        ways = (
            (max(part.peak, best[b][0]), part.cost + best[b][1], -b)
            for b in range(end)
            for part in parts[b][end - b - 1 : end - b]
        )
        best.append(min(ways))
    return [-begin for _, _, begin in best]


def cheapest_split(parts: Parts, peak: int) -> list[int]:
    """Of the cheapest way below a peak, where the part that ends before each node begins.

    Of ways that cost the same, the one whose parts begin last.
    """
    costs: list[float] = [0]
    begins = [0]
    for end in range(1, len(parts) + 1):
        ways = [
            (costs[b] + part.cost, -b)
            for b in range(end)
            for part in parts[b][end - b - 1 : end - b]
            if part.peak <= peak
        ]
        cost, begin = min(ways, default=(math.inf, 0))
        costs.append(cost)
        begins.append(-begin)
    return begins
