"""Computes again in the backward pass what was small work to compute and much to keep.

As in gradient checkpointing ("Training Deep Nets with Sublinear Memory Cost", Chen et al., 2016),
but of masks alone, a row at a time, and chosen by the peak of memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar

from kilograd.ir import Graph, Kind, Node, Phase, RowGroup, Value
from kilograd.liveness import TRIES, improve, schedule_problem
from kilograd.ops import REGISTRY
from kilograd.passes.reorder import Reorder
from kilograd.rowwise import aligned, plan_rows, row_rule, whole_reads

#: Largest share of a step's multiply-accumulates that may be done twice, by default.
DEFAULT_SHARE = 0.05

#: Each makes another choice; the best is taken.
_EXPONENTS = (1.0, 0.5, 0.0)


@dataclass(frozen=True)
class Recompute:
    """Make small tensors of the backward pass from larger ones that are made again for them.

    What a training node derives from an activation (the bits of a clamp mask) is held from the
    forward pass until it is used. Where the layers in between can be run again from something
    that is held until then anyway, a row at a time, it is derived only when it is needed. That is
    done where it lowers the peak by at least the share by which it adds work.

    Attributes:
        share: of a step's multiply-accumulates, those that may be done twice.
    """

    share: float = DEFAULT_SHARE
    name: ClassVar[str] = "recompute"

    def apply(self, graph: Graph) -> Graph:
        """Move nodes behind copies of those that they depend on."""
        total = sum(_macs(node, graph) for node in graph.nodes)
        limit = int(self.share * total)
        if not limit:
            return graph
        best, lowest = graph, _best_peak(graph)
        for start, exponent in product((graph, Reorder().apply(graph)), _EXPONENTS):
            found = start
            for candidate in _Choice(start, total, limit, exponent).best():
                found = candidate.applied(found)
            if found is not start and (peak := _best_peak(found)) < lowest:
                best, lowest = found, peak
        return best


def recomputed_macs(graph: Graph) -> int:
    """Multiply-accumulates of a training step that are done for the second time."""
    groups = {name for group in graph.row_groups for name in group.nodes}
    return sum(
        _macs(node, graph)
        for node in graph.nodes
        if node.phase is Phase.TRAINING and node.name in groups
    )


def _macs(node: Node, graph: Graph) -> int:
    return REGISTRY[node.operator].macs(node.attributes, graph.types(node.inputs))


def _best_peak(graph: Graph) -> int:
    """Bytes, in the order that ``Reorder`` would choose."""
    problem = schedule_problem(graph)
    return problem.peak(improve(problem, TRIES))


@dataclass(frozen=True)
class Candidate:
    """Nodes that may move behind copies of others.

    Attributes:
        moved: names of the training nodes that run late.
        copied: of the nodes whose results they read, and what those need, in order.
        before: name of the node that they run right before.
        macs: of the copies.
    """

    moved: tuple[str, ...]
    copied: tuple[str, ...]
    before: str
    macs: int

    def applied(self, graph: Graph) -> Graph:
        """The graph with the copies, and with the nodes moved behind them."""
        nodes = {node.name: node for node in graph.nodes}
        copies = [_copy(nodes[name]) for name in self.copied]
        renamed = {
            name: _recomputed(name) for original in self.copied for name in nodes[original].outputs
        }
        values = dict(graph.values)
        for name, new in renamed.items():
            values[new] = replace(values[name], name=new)
        moved = [nodes[name] for name in self.moved]
        late = [_reading(node, renamed) for node in (*copies, *moved)]
        prepared = [node for node in late if not _maps(node, values)]
        rows = _by_depth([node for node in late if _maps(node, values)])
        rest = [node for node in graph.nodes if node.name not in self.moved]
        place = next(i for i, node in enumerate(rest) if node.name == self.before)
        group = RowGroup(tuple(node.name for node in rows))
        return replace(graph, values=values, row_groups=(*graph.row_groups, group)).with_nodes(
            [*rest[:place], *prepared, *rows, *rest[place:]]
        )

    def scratch_bytes(self, graph: Graph) -> int:
        """Bytes that are live only while the copies run, and of what they make."""
        late = self.applied(graph)
        nodes = {node.name: node for node in late.nodes}
        plan = plan_rows(late, [nodes[name] for name in late.row_groups[-1].nodes])
        kept = [nodes[name] for name in (*self.moved, *map(_recomputed, self.copied))]
        whole = {name for node in kept for name in node.outputs} - {
            value.name for value in plan.values if not value.whole
        }
        return aligned(plan.total_bytes) + sum(aligned(late.type_of(n).nbytes) for n in whole)


def _recomputed(name: str) -> str:
    return f"{name}.recomputed"


def _copy(node: Node) -> Node:
    return replace(
        node,
        name=_recomputed(node.name),
        outputs=tuple(_recomputed(name) for name in node.outputs),
        phase=Phase.TRAINING,
    )


def _reading(node: Node, renamed: Mapping[str, str]) -> Node:
    return replace(node, inputs=tuple(renamed.get(name, name) for name in node.inputs))


def _maps(node: Node, values: Mapping[str, Value]) -> bool:
    """Whether a node reads anything but constants and states."""
    return any(values[name].kind in (Kind.ACTIVATION, Kind.INPUT) for name in node.inputs)


def _by_depth(nodes: Iterable[Node]) -> list[Node]:
    """Each right behind what it reads, as far as that is among them."""
    waiting, done = list(nodes), list[Node]()
    made = {name for node in waiting for name in node.outputs}
    while waiting:
        ready = [n for n in waiting if not made.intersection(n.inputs)]
        node = next((n for n in ready if done and set(done[-1].outputs) & set(n.inputs)), ready[0])
        waiting.remove(node)
        done.append(node)
        made.difference_update(node.outputs)
    return done


def candidates(graph: Graph) -> list[Candidate]:
    """One for each training node that reads only what inference makes, if it can run late."""
    search = _Search(graph)
    found = (search.candidate(node) for node in graph.nodes if search.may_move(node))
    return [candidate for candidate in found if candidate is not None]


class _Search:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._index = {node.name: i for i, node in enumerate(graph.nodes)}
        self._producer = graph.producer()
        self._readers = graph.readers()
        self._movable = [node for node in graph.nodes if self.may_move(node)]

    def may_move(self, node: Node) -> bool:
        """Whether a node derives something in rows from one map of the forward pass."""
        if node.phase is not Phase.TRAINING or row_rule(node, self._graph) is None:
            return False
        makers = [self._producer.get(name) for name in node.inputs]
        outputs = [self._readers[name] for name in node.outputs]
        return all(m is not None and m.phase is Phase.INFERENCE for m in makers) and all(outputs)

    def candidate(self, node: Node) -> Candidate | None:
        """The node late, with all others that are made on the way and used no earlier."""
        use = self._use(node)
        copied = self._needed(node, use)
        if not copied:
            return None
        names = {node.name for node in copied}
        moved = [
            other
            for other in self._movable
            if self._index[other.name] < use <= self._use(other)
            and self._producer[other.inputs[0]].name in names
        ]
        macs = sum(_macs(node, self._graph) for node in copied)
        return Candidate(
            tuple(other.name for other in moved),
            tuple(node.name for node in copied),
            self._graph.nodes[use].name,
            macs,
        )

    def _use(self, node: Node) -> int:
        """Where what a node makes is first read."""
        return min(self._index[r.name] for name in node.outputs for r in self._readers[name])

    def _needed(self, node: Node, use: int) -> list[Node]:
        """What must run again for a node to run at ``use``; empty if it cannot, or is near."""
        wanted, needed = list(node.inputs), dict[str, Node]()
        while wanted:
            name = wanted.pop()
            maker = self._producer.get(name)
            if maker is None or maker.name in needed:
                if self._graph.values[name].kind is Kind.INPUT:
                    return []
                continue
            if self._is_held(name, use):
                continue
            is_map = any(self._producer.get(n) or self._is_input(n) for n in maker.inputs)
            if maker.phase is Phase.TRAINING or is_map != bool(row_rule(maker, self._graph)):
                return []
            needed[maker.name] = maker
            if is_map and any(self._is_missing(n, use) for n in whole_reads(maker, self._graph)):
                return []
            wanted += maker.inputs
        return sorted(needed.values(), key=lambda n: self._index[n.name])

    def _is_input(self, name: str) -> bool:
        return self._graph.values[name].kind is Kind.INPUT

    def _is_missing(self, name: str, use: int) -> bool:
        """Whether what a node reads whole would have to be made in the same group."""
        maker = self._producer[name]
        return not (self._graph.makes_parameter(maker) or self._is_held(name, use))

    def _is_held(self, name: str, use: int) -> bool:
        """Whether something that does not move reads a value at ``use`` or later."""
        movable = {node.name for node in self._movable}
        return any(
            self._index[reader.name] >= use and reader.name not in movable
            for reader in self._readers[name]
        )


@dataclass(frozen=True)
class _Effect:
    """What a candidate does to the bytes that are live, by the items of the order.

    Attributes:
        candidate: it.
        freed: bytes of each thing that it makes late, and the item that made it.
        use: the item that it runs right before.
        scratch: bytes live while it runs, with what it makes.
    """

    candidate: Candidate
    freed: tuple[tuple[int, int], ...]
    use: int
    scratch: int

    def during(self, item: int) -> int:
        """Bytes less while an item runs."""
        return sum(size for size, made in self.freed if made <= item < self.use)

    def before(self, item: int) -> int:
        """Bytes less between an item and the one before it."""
        return sum(size for size, made in self.freed if made < item < self.use)

    @property
    def own(self) -> int:
        """Bytes less right before it runs."""
        return sum(size for size, _ in self.freed)

    def conflicts(self, other: _Effect) -> bool:
        """Whether both make the same again."""
        return bool(set(self.candidate.copied) & set(other.candidate.copied))

    def covers(self, other: _Effect) -> bool:
        """Whether this does all that the other does, and more."""
        return set(self.candidate.moved) > set(other.candidate.moved)


class _Choice:
    """Looks for candidates that together lower the peak, under a limit of their cost.

    Greedy: for one peak after the other, each lower than that reached before, what frees most
    bytes for its cost where too many are live.

    Args:
        graph: in an order of execution.
        total: multiply-accumulates of a step.
        limit: those that may be done twice.
        exponent: how much the cost of a candidate counts beside the bytes that it frees.
    """

    def __init__(self, graph: Graph, total: int, limit: int, exponent: float) -> None:
        self._total = total
        self._limit = limit
        self._exponent = exponent
        problem = schedule_problem(graph)
        items = range(len(problem.items))
        self._live = [live for item, live in problem.running(items) if item >= 0]
        self._between = [problem.live((1 << item) - 1) for item in items]
        item_of = {name: i for i, item in enumerate(problem.items) for name in item.nodes}
        nodes = {node.name: node for node in graph.nodes}
        self._effects = [
            _Effect(
                candidate,
                tuple(
                    (aligned(graph.type_of(name).nbytes), item_of[moved])
                    for moved in candidate.moved
                    for name in nodes[moved].outputs
                ),
                item_of[candidate.before],
                candidate.scratch_bytes(graph),
            )
            for candidate in candidates(graph)
        ]

    def best(self) -> list[Candidate]:
        """The candidates, in the order of the nodes that they run before."""
        best: list[_Effect] = []
        before = peak = self._peak(best)
        while (lower := self._under(peak)) is not None:
            lower, peak = self._without_idle(lower), self._peak(lower)
            if (before - peak) * self._total >= _cost(lower) * before:
                best = lower
        return [effect.candidate for effect in sorted(best, key=lambda e: e.use)]

    def _without_idle(self, chosen: list[_Effect]) -> list[_Effect]:
        """Without those that the peak does not need."""
        peak = self._peak(chosen)
        for effect in sorted(chosen, key=lambda e: -e.candidate.macs):
            rest = [other for other in chosen if other is not effect]
            if self._peak(rest) <= peak:
                chosen = rest
        return chosen

    def _peak(self, chosen: Sequence[_Effect]) -> int:
        alone = (self._alone(effect, chosen) for effect in chosen)
        return max(*(self._during(item, chosen) for item in range(len(self._live))), *alone, 0)

    def _during(self, item: int, chosen: Sequence[_Effect]) -> int:
        return self._live[item] - sum(effect.during(item) for effect in chosen)

    def _alone(self, effect: _Effect, chosen: Sequence[_Effect]) -> int:
        """Bytes live while a candidate's copies run."""
        less = sum(other.before(effect.use) for other in chosen if other is not effect)
        return self._between[effect.use] - less - effect.own + effect.scratch

    def _under(self, peak: int) -> list[_Effect] | None:
        """Candidates with a lower peak than this; None where none are found."""
        chosen: list[_Effect] = []
        while True:
            high = [u for u in range(len(self._live)) if self._during(u, chosen) >= peak]
            if not high:
                return chosen if self._peak(chosen) < peak else None
            item = high[0]
            options = [self._with(e, chosen, peak) for e in self._effects if e.during(item)]
            worth = [(self._worth(o, chosen, item), o) for o in options if o is not None]
            freed, option = max(worth, key=lambda pair: pair[0], default=(0.0, chosen))
            if freed <= 0:
                return None
            chosen = option

    def _with(self, effect: _Effect, chosen: Sequence[_Effect], peak: int) -> list[_Effect] | None:
        """The candidates with one more, if that may be."""
        kept = [other for other in chosen if not effect.covers(other)]
        option = [*kept, effect]
        if any(effect is other or effect.conflicts(other) for other in kept):
            return None
        if _cost(option) > self._limit or self._alone(effect, option) >= peak:
            return None
        return option

    def _worth(self, option: Sequence[_Effect], chosen: Sequence[_Effect], item: int) -> float:
        """Bytes freed while an item runs, for what that costs."""
        freed = self._during(item, chosen) - self._during(item, option)
        return freed / max(_cost(option) - _cost(chosen), 1) ** self._exponent


def _cost(chosen: Iterable[_Effect]) -> int:
    return sum(effect.candidate.macs for effect in chosen)
