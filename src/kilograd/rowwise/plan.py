"""Runs nodes a row at a time: which rows are kept, and for how long.

Every value between the nodes of a group keeps only the rows that are still to be read. The order
is fixed: the deepest node whose rows are there runs next. Where none can run, the sample's next
row is waited for. The same rule runs on the device (`kg_rowwise.c`); here it is only simulated, to
learn how many rows each value holds at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kilograd.ir import Graph, Kind, Node
from kilograd.ops import REGISTRY
from kilograd.ops.spec import KernelCall, RowRule, c_constant

#: Maps that one node can read a row at a time; a node that reads more runs whole.
MOST_MAPS = c_constant(Path(__file__).parent / "kg_rowwise.h", "KG_ROWWISE_INPUTS")

#: Bytes of a value's two row counters on a device.
LINES_BYTES = 8

#: Offsets in the arena are multiples of this many bytes, so that int32 tensors are aligned.
ALIGNMENT = 4


def aligned(size: int) -> int:
    """Bytes rounded up to the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class RowValue:
    """A map between the nodes of a group, or at its ends.

    Attributes:
        name: of the value.
        height: rows of the whole map.
        row_bytes: bytes of one of them.
        capacity: rows that are held at most.
        moved_bytes: that move, over a whole sample, when rows before them are dropped.
        readers: names of all nodes of the graph that read it.
        is_output: whether it is a result of the graph.
        leads: of each value from outside that is there from the start, the most bytes that this
            one, row by row, is ahead of the rows that are still to be read; of what the group
            makes only. Where that is nothing, both may lie at the same place.
        whole: whether all of it is in the arena, for nodes outside the group.
        offset: of its rows in the group's memory; 0 where it is whole.
    """

    name: str
    height: int
    row_bytes: int
    capacity: int
    moved_bytes: int
    readers: frozenset[str]
    is_output: bool
    leads: tuple[int, ...] = ()
    whole: bool = False
    offset: int = 0


@dataclass(frozen=True)
class RowStage:
    """A node that runs a row at a time.

    Attributes:
        node: it.
        rule: how its rows follow from its inputs'.
        call: its kernel for one row.
        inputs: of its maps, indices of values.
        output: index of the value that it makes.
    """

    node: Node
    rule: RowRule
    call: KernelCall
    inputs: tuple[int, ...]
    output: int


@dataclass(frozen=True)
class RowPlan:
    """How a group runs.

    Attributes:
        values: every map, those from outside first.
        stages: in order.
        outside: how many of the values come from outside.
        row_input: whether the first of those is a sample that arrives row by row.
        scratch_offset: of the kernels' scratch in the group's memory.
        total_bytes: of the group's memory: counters, rows, scratch.
        over: indices of a whole value that is made, and of one from outside in whose memory it
            is made while that is read for the last time; None where there is no such pair.
    """

    values: tuple[RowValue, ...]
    stages: tuple[RowStage, ...]
    outside: int
    row_input: bool
    scratch_offset: int
    total_bytes: int
    over: tuple[int, int] | None = None

    @property
    def saved_bytes(self) -> int:
        """Bytes that one value takes of another's memory."""
        if self.over is None:
            return 0
        return aligned(_size(self.values[self.over[0]]))


def row_rule(node: Node, graph: Graph) -> RowRule | None:
    """How a node runs a row at a time; None where it cannot."""
    rule = REGISTRY[node.operator].by_rows(node.attributes, graph.types(node.inputs))
    if rule is None or len(rule.inputs) > MOST_MAPS:
        return None
    reads = REGISTRY[node.operator].inputs_of(node)
    # A constant map is there as a whole, in flash.
    is_constant = [graph.values[getattr(reads, x)].data is not None for x in rule.inputs]
    return None if any(is_constant) else rule


def whole_reads(node: Node, graph: Graph) -> list[str]:
    """Names of the values of the arena that a node reads whole while it makes its rows.

    A group cannot make them itself: they have to be there before its first row.
    """
    reads = REGISTRY[node.operator].inputs_of(node)
    rule = _rule(node, graph)
    others = reads.without(*rule.inputs)
    return [name for name in others if graph.values[name].kind is Kind.ACTIVATION]


def plan_rows(graph: Graph, nodes: Sequence[Node], *, row_input: bool = False) -> RowPlan:
    """Rows, memory and kernels of a group.

    Args:
        graph: holds the nodes, and tells what is read outside the group.
        nodes: neighbours that all can run by rows.
        row_input: whether the sample, which only they may read, arrives row by row.
    """
    return leading_rows(simulate(graph, nodes, row_input=row_input), len(nodes))


def leading_rows(plan: RowPlan, count: int) -> RowPlan:
    """The plan of a group's first ``count`` nodes, with what the others read kept whole."""
    stages = plan.stages[:count]
    inside = {stage.node.name for stage in stages}
    used = sorted({i for stage in stages for i in (*stage.inputs, stage.output)})
    values: list[RowValue] = []
    end = LINES_BYTES * len(used)
    for index in used:
        value = plan.values[index]
        comes_whole = index < plan.outside and not (plan.row_input and index == 0)
        goes_on = value.is_output or not value.readers <= inside
        whole = comes_whole or (goes_on and index >= plan.outside)
        if whole:
            values.append(replace(value, whole=True, capacity=value.height, moved_bytes=0))
        else:
            values.append(replace(value, offset=end))
            end += aligned(value.capacity * value.row_bytes)
    place = {index: position for position, index in enumerate(used)}
    stages = tuple(
        replace(s, inputs=tuple(place[i] for i in s.inputs), output=place[s.output]) for s in stages
    )
    scratch = max((aligned(stage.call.scratch_bytes) for stage in stages), default=0)
    outside = sum(index < plan.outside for index in used)
    over = [
        (place[made], place[read])
        for made in used[outside:]
        for read in used[:outside]
        if values[place[made]].whole
        and values[place[read]].whole
        and not plan.values[read].is_output
        and plan.values[read].readers <= inside
        and plan.values[made].leads[read] <= 0
    ]
    largest = max(over, key=lambda pair: (_size(values[pair[0]]), -pair[0]), default=None)
    return RowPlan(tuple(values), stages, outside, plan.row_input, end, end + scratch, largest)


def _size(value: RowValue) -> int:
    return value.height * value.row_bytes


def simulate(graph: Graph, nodes: Sequence[Node], *, row_input: bool) -> RowPlan:
    """A group with every value but its inputs held in rows, of which it learns the number.

    How many rows a value holds does not depend on the nodes behind its readers.
    """
    made = {node.outputs[0] for node in nodes}
    for node in nodes:
        if made.intersection(whole_reads(node, graph)):
            msg = f"{node.name} reads whole what its group makes a row at a time"
            raise ValueError(msg)
    rules = [_rule(node, graph) for node in nodes]
    read = [_maps(node, rule) for node, rule in zip(nodes, rules, strict=True)]
    outside = list(dict.fromkeys(name for names in read for name in names if name not in made))
    names = [*outside, *(node.outputs[0] for node in nodes)]
    index = {name: position for position, name in enumerate(names)}
    stages = tuple(
        RowStage(
            node,
            rule,
            _row_call(graph, node, rule),
            tuple(index[name] for name in inputs),
            index[node.outputs[0]],
        )
        for node, rule, inputs in zip(nodes, rules, read, strict=True)
    )
    readers = graph.readers()
    heights = {name: graph.type_of(name).shape[0] for name in names}
    for stage in stages:
        if len(graph.type_of(stage.node.outputs[0]).shape) == 1:
            # Bits of a map, row by row; operators say when their rows fill whole bytes.
            heights[stage.node.outputs[0]] = heights[names[stage.inputs[0]]]
    values: list[RowValue] = []
    for name in names:
        read_by = frozenset(node.name for node in readers[name])
        row_bytes = graph.type_of(name).nbytes // heights[name]
        is_output = name in graph.outputs
        values.append(RowValue(name, heights[name], row_bytes, 0, 0, read_by, is_output))
    plan = RowPlan(tuple(values), stages, len(outside), row_input, 0, 0)
    run = _Simulation(plan)
    run.finish()
    held = tuple(
        replace(
            value,
            capacity=run.held[i],
            moved_bytes=run.moved[i] * value.row_bytes,
            leads=tuple(run.leads[i]),
        )
        for i, value in enumerate(values)
    )
    return replace(plan, values=held)


class _Simulation:
    """Counts rows: how many of each value are made, dropped and held."""

    def __init__(self, plan: RowPlan) -> None:
        self._plan = plan
        self._heights = [value.height for value in plan.values]
        self._readers = [
            [stage for stage in plan.stages if value in stage.inputs]
            for value in range(len(plan.values))
        ]
        self._have = [0] * len(plan.values)
        self._first = [0] * len(plan.values)
        self.held = [0] * len(plan.values)
        self.moved = [0] * len(plan.values)
        self.leads = [[0] * plan.outside for _ in plan.values]
        for value in range(1 if plan.row_input else 0, plan.outside):
            self._have[value] = self.held[value] = self._heights[value]

    def finish(self) -> None:
        """Run until every row of every value is made."""
        stages = self._plan.stages
        while True:
            ready = next((s for s in reversed(stages) if self._is_ready(s)), None)
            if ready is not None:
                self._run(ready)
            elif self._plan.row_input and self._have[0] < self._heights[0]:
                self._add(0)
            else:
                return

    def _is_ready(self, stage: RowStage) -> bool:
        row = self._have[stage.output]
        if row == self._heights[stage.output]:
            return False
        last = row * stage.rule.stride - stage.rule.top + stage.rule.height
        return all(self._have[i] >= min(self._heights[i], last) for i in stage.inputs)

    def _run(self, stage: RowStage) -> None:
        self._add(stage.output)
        reading = self._first[: self._plan.outside]
        for value in stage.inputs:
            needed = min(self._first_needed(reader, value) for reader in self._readers[value])
            needed = min(needed, self._have[value])  # a stride may skip rows that are yet to come
            if needed > self._first[value]:
                self.moved[value] += self._have[value] - needed
                self._first[value] = needed
        self._lead(stage, reading)

    def _lead(self, stage: RowStage, reading: Sequence[int]) -> None:
        """How far the row just made ends ahead of those that are read, then or later."""
        values, leads = self._plan.values, self.leads[stage.output]
        row_bytes = values[stage.output].row_bytes
        node = stage.node
        sources = REGISTRY[node.operator].reusable(node).get(node.outputs[0], ())
        overwritten = [name for name in sources if name in _maps(node, stage.rule)]
        for index, first in enumerate(reading):
            value = values[index]
            in_place = value.name in overwritten and value.row_bytes == row_bytes
            in_place = in_place and stage.rule.height == 1
            begin = self._first[index] if in_place else first
            ahead = self._have[stage.output] * row_bytes - begin * value.row_bytes
            leads[index] = max(leads[index], ahead)

    def _add(self, value: int) -> None:
        self._have[value] += 1
        self.held[value] = max(self.held[value], self._have[value] - self._first[value])

    def _first_needed(self, stage: RowStage, value: int) -> int:
        row = self._have[stage.output]
        if row == self._heights[stage.output]:
            return self._heights[value]
        above = row * stage.rule.stride - stage.rule.top
        return min(max(above, 0), self._heights[value])


def _rule(node: Node, graph: Graph) -> RowRule:
    rule = row_rule(node, graph)
    if rule is None:
        msg = f"{node.name} cannot run a row at a time"
        raise ValueError(msg)
    return rule


def _row_call(graph: Graph, node: Node, rule: RowRule) -> KernelCall:
    """The kernel for one row, with all rows under it there."""
    spec = REGISTRY[node.operator]
    types = spec.bind(node.attributes, graph.types(node.inputs))
    rows = [
        replace(type_, shape=(rule.height, *type_.shape[1:])) if name in rule.inputs else type_
        for name, type_ in zip(types.names(), types, strict=True)
    ]
    return spec.kernel(rule.attributes, rows).best(graph.target_features)


def _maps(node: Node, rule: RowRule) -> list[str]:
    """Names of the values that a node reads row by row."""
    reads = REGISTRY[node.operator].inputs_of(node)
    return [getattr(reads, operand) for operand in rule.inputs]
