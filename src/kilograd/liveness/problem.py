"""What is ordered: nodes, and groups of rows as one; which of them hold which bytes live.

Sets of items are bit masks: bit i stands for item i.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from kilograd.ir import Graph, Kind, Node, Phase, RowGroup
from kilograd.ops import REGISTRY, kernel_call
from kilograd.rowwise import RowPlan, aligned, plan_rows


def reusable(node: Node, output: str, graph: Graph) -> list[str]:
    """Inputs one of whose memory an output may take over, once nobody reads it any more.

    Those that the operator allows, of the output's size, no constants, and read only once by the
    node; none if that takes more scratch than it saves.
    """
    size = graph.type_of(output).nbytes
    sources = REGISTRY[node.operator].reusable(node).get(output, ())
    names = [
        name
        for name in sources
        if node.inputs.count(name) == 1
        and graph.type_of(name).nbytes == size
        and graph.values[name].data is None
    ]
    return names if names and in_place_bytes(node, graph) < size else []


def in_place_bytes(node: Node, graph: Graph) -> int:
    """More scratch that a node needs where its result takes over an input's memory."""
    spec = REGISTRY[node.operator]
    return aligned(spec.in_place_bytes(node.attributes, graph.types(node.inputs)))


def row_plans(graph: Graph) -> list[tuple[RowGroup, RowPlan]]:
    """How each group of the graph runs."""
    nodes = {node.name: node for node in graph.nodes}
    return [
        (group, plan_rows(graph, [nodes[n] for n in group.nodes], row_input=group.row_input))
        for group in graph.row_groups
    ]


@dataclass(frozen=True)
class Tensor:
    """A value in the arena, or the memory of a group that the sample is streamed into.

    Attributes:
        size: bytes.
        maker: the item that makes it; −1 where it is there from the start.
        readers: the items that read it.
        kept: whether it is an output and stays for good.
    """

    size: int
    maker: int
    readers: int
    kept: bool

    def is_live(self, done: int) -> bool:
        """Whether it is live between items, with these done."""
        made = self.maker < 0 or bool(done >> self.maker & 1)
        return made and (self.kept or bool(self.readers & ~done))


@dataclass(frozen=True)
class ScheduleItem:
    """A node, or the nodes of a group, with those that make its parameters.

    Attributes:
        nodes: names, in order.
        phase: which calls run it.
        before: the items that must run first, those that they wait for left out.
        scratch: bytes that are live only while it runs.
        reads: indices of the values that it reads.
        makes: indices of the values that it makes.
        takes: indices of values, one of whose memory its result may take over.
        in_place: bytes that it then needs, less those of the value: more scratch, or what is left
            of a value that a smaller one lies in.
        reads_state: whether it reads what is trained or adapted.
    """

    nodes: tuple[str, ...]
    phase: Phase
    before: int
    scratch: int
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    takes: tuple[int, ...]
    in_place: int = 0
    reads_state: bool = False


@dataclass(frozen=True)
class ScheduleProblem:
    """Items in a valid order, and the values that they hold live.

    Attributes:
        items: in a valid order; their indices name them.
        values: in the arena.
    """

    items: tuple[ScheduleItem, ...]
    values: tuple[Tensor, ...]

    @cached_property
    def everything(self) -> int:
        """All items."""
        return (1 << len(self.items)) - 1

    @cached_property
    def ancestors(self) -> tuple[int, ...]:
        """For each item, all that run before it in every order."""
        ancestors: list[int] = []
        for item in self.items:
            mask = item.before
            for other in members(item.before):
                mask |= ancestors[other]
            ancestors.append(mask)
        return tuple(ancestors)

    @cached_property
    def descendants(self) -> tuple[int, ...]:
        """For each item, all that run after it in every order."""
        descendants = [0] * len(self.items)
        for index, mask in enumerate(self.ancestors):
            for other in members(mask):
                descendants[other] |= 1 << index
        return tuple(descendants)

    @cached_property
    def made_bytes(self) -> tuple[int, ...]:
        """For each item, bytes of what it makes, and of its scratch."""
        return tuple(
            item.scratch + sum(self.values[v].size for v in item.makes) for item in self.items
        )

    @property
    def start_bytes(self) -> int:
        """Bytes that are live before the first item, in every order."""
        return sum(value.size for value in self.values if value.maker < 0)

    def live(self, done: int) -> int:
        """Bytes live between items, with these done."""
        return sum(value.size for value in self.values if value.is_live(done))

    def growth(self, item: int, done: int) -> int:
        """Bytes live after an item, less before it."""
        todo = ~done
        freed = 0
        for size, others in self._last_reads[item]:
            if not others & todo:
                freed += size
        return self._stays[item] - freed

    def transient(self, item: int, done: int) -> int:
        """Bytes live while an item runs, less before it."""
        todo = ~done
        for size, others in self._taken_over[item]:
            if not others & todo:
                return self.made_bytes[item] - size + self.items[item].in_place
        return self.made_bytes[item]

    @cached_property
    def _stays(self) -> tuple[int, ...]:
        """For each item, bytes of what it makes that are live after it."""
        made = [[self.values[v] for v in item.makes] for item in self.items]
        return tuple(sum(v.size for v in values if v.readers or v.kept) for values in made)

    @cached_property
    def _last_reads(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """For each item, bytes that it frees, and which other items must be done for that."""
        return tuple(self._freed(i, item.reads) for i, item in enumerate(self.items))

    @cached_property
    def _taken_over(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Likewise of what its result may take over."""
        return tuple(self._freed(i, item.takes) for i, item in enumerate(self.items))

    def _freed(self, item: int, names: Iterable[int]) -> tuple[tuple[int, int], ...]:
        values = (self.values[v] for v in names)
        return tuple((v.size, v.readers & ~(1 << item)) for v in values if not v.kept)

    def peak(self, order: Iterable[int]) -> int:
        """The most bytes that are live at one time."""
        return max((bytes_ for _, bytes_ in self.running(order)), default=self.start_bytes)

    def running(self, order: Iterable[int]) -> Iterator[tuple[int, int]]:
        """For each item in order, bytes live while it runs; first −1, for before the first."""
        yield -1, self.start_bytes
        done, live = 0, self.live(0)
        for item in order:
            yield item, live + self.transient(item, done)
            live += self.growth(item, done)
            done |= 1 << item


def members(mask: int) -> Iterator[int]:
    """Indices of the bits that are set, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def schedule_problem(graph: Graph) -> ScheduleProblem:
    """The items of a graph, in its order of execution."""
    return _Builder(graph).problem()


def _own_parameters(graph: Graph, part_of: Mapping[str, str]) -> dict[str, str]:
    """Nodes that make a parameter of one other item alone: their name -> that item's.

    They run right before it, and what they make lives only as long as its scratch. Training nodes
    are left out, since an update may have to run between one and what reads it.
    """
    readers = graph.readers()
    found: dict[str, str] = {}
    for node in graph.nodes:
        if node.phase is Phase.INFERENCE and graph.makes_parameter(node):
            items = {
                part_of.get(reader.name, reader.name)
                for name in node.outputs
                for reader in readers[name]
            }
            if len(items) == 1:
                found[node.name] = items.pop()
    return found


class _Builder:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._groups = {group.nodes[0]: (group, plan) for group, plan in row_plans(graph)}
        part_of = {name: g.nodes[0] for g, _ in self._groups.values() for name in g.nodes}
        self._parameters = _own_parameters(graph, part_of)
        part_of.update(self._parameters)
        parts: dict[str, list[Node]] = {}
        for node in graph.nodes:
            parts.setdefault(part_of.get(node.name, node.name), []).append(node)
        self._parts = list(parts.values())
        self._maker = {
            name: i for i, nodes in enumerate(self._parts) for n in nodes for name in n.outputs
        }
        self._readers: dict[str, int] = dict.fromkeys(graph.values, 0)
        for index, nodes in enumerate(self._parts):
            for name in (name for node in nodes for name in node.inputs):
                self._readers[name] |= 1 << index

    def problem(self) -> ScheduleProblem:
        graph = self._graph
        hidden = {
            value.name
            for _, plan in self._groups.values()
            for value in plan.values
            if not value.whole
        }
        hidden.update(graph.updates.values())
        hidden.update(
            name for node in graph.nodes if node.name in self._parameters for name in node.outputs
        )
        names = [
            name
            for name, value in graph.values.items()
            if value.kind in (Kind.INPUT, Kind.ACTIVATION) and name not in hidden
        ]
        index = {name: i for i, name in enumerate(names)}
        values = [
            Tensor(
                aligned(graph.type_of(name).nbytes),
                self._maker.get(name, -1),
                self._readers[name],
                name in graph.outputs,
            )
            for name in names
        ]
        items: list[ScheduleItem] = []
        for position, nodes in enumerate(self._parts):
            reads = {name for node in nodes for name in node.inputs if name in index}
            makes = {name for node in nodes for name in node.outputs if name in index}
            own = [node for node in nodes if node.name not in self._parameters]
            scratch = self._scratch(own)
            read_indices = {index[name] for name in reads - makes}
            if own[0].name in self._groups and self._groups[own[0].name][0].row_input:
                read_indices.add(len(values))
                values.append(Tensor(scratch, -1, 1 << position, kept=False))
                scratch = 0
            scratch += sum(
                aligned(type_.nbytes)
                for node in nodes
                if node.name in self._parameters
                for type_ in graph.types(node.outputs)
            )
            names, more = self._takes(own)
            takes = tuple(index[name] for name in names if name in index)
            items.append(
                ScheduleItem(
                    tuple(node.name for node in nodes),
                    nodes[0].phase,
                    self._before(position, nodes),
                    scratch,
                    tuple(sorted(read_indices)),
                    tuple(sorted(index[name] for name in makes)),
                    takes,
                    more if takes else 0,
                    any(graph.values[n].kind is Kind.STATE for node in nodes for n in node.inputs),
                )
            )
        return ScheduleProblem(tuple(items), tuple(values))

    def _before(self, position: int, nodes: Sequence[Node]) -> int:
        """Items that make what is read, and those that read a state which is overwritten."""
        before = 0
        for node in nodes:
            for name in node.inputs:
                if name in self._maker:
                    before |= 1 << self._maker[name]
            for state in REGISTRY[node.operator].overwritten(node).values():
                before |= self._readers[state]
        return before & ~(1 << position)

    def _scratch(self, nodes: Sequence[Node]) -> int:
        if nodes[0].name in self._groups:
            return aligned(self._groups[nodes[0].name][1].total_bytes)
        (node,) = nodes
        return aligned(kernel_call(node, self._graph).scratch_bytes)

    def _takes(self, nodes: Sequence[Node]) -> tuple[list[str], int]:
        """Inputs whose memory the result may take over, and bytes that it then needs beside."""
        graph, node = self._graph, nodes[0]
        if node.name not in self._groups:
            names = [n for output in node.outputs for n in reusable(node, output, graph)]
            return names, in_place_bytes(node, graph)
        _, plan = self._groups[node.name]
        if plan.over is None:
            return [], 0
        name = plan.values[plan.over[1]].name
        return [name], aligned(graph.type_of(name).nbytes) - plan.saved_bytes
