"""The memory plan: offsets of all tensors and states, the peak, and the bound it is held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kilograd import liveness
from kilograd.ir import Graph
from kilograd.liveness import Buffer, arena_buffers, row_plans, schedule_problem, scratch_buffer
from kilograd.memory.place import lower_bound, peak, place
from kilograd.memory.state_layout import StateHeader
from kilograd.rowwise import RowPlan, aligned


@dataclass(frozen=True)
class MemoryPlan:
    """Where everything lives.

    Attributes:
        buffers: of the arena.
        offsets: buffer name -> bytes from the start of the arena.
        values: value name -> bytes from the start of the arena.
        states: state name -> bytes from the start of the state.
        arena_bytes: size of the arena.
        state_bytes: size of the state, with its header.
        placement_bound_bytes: no placement of these lifetimes needs a smaller arena.
        lower_bound_bytes: no order of the nodes, with the same groups, and no placement needs a
            smaller arena; where it equals the arena's size, that is proven optimal.
        groups: of each group that runs a row at a time, by its first node: its rows.
    """

    buffers: tuple[Buffer, ...]
    offsets: Mapping[str, int]
    values: Mapping[str, int]
    states: Mapping[str, int]
    arena_bytes: int
    state_bytes: int
    placement_bound_bytes: int
    lower_bound_bytes: int
    groups: Mapping[str, RowPlan]

    def scratch(self, node: str) -> int:
        """Offset of a node's scratch, or of that of the "input"."""
        return next(self.offsets[b.name] for b in self.buffers if b.scratch_of == node)

    def needs_scratch(self, node: str) -> bool:
        """Whether a node has scratch."""
        return any(b.scratch_of == node for b in self.buffers)

    def live_at(self, index: int) -> tuple[Buffer, ...]:
        """Buffers live while node ``index`` runs, largest first."""
        live = [b for b in self.buffers if b.first <= index <= b.last]
        return tuple(sorted(live, key=lambda b: (-b.size, b.name)))

    @property
    def peak_index(self) -> int:
        """Index of the node during which most bytes are live."""
        times = sorted({max(b.first, 0) for b in self.buffers})
        return max(times, key=lambda t: sum(b.size for b in self.live_at(t)))


def plan_memory(graph: Graph, input_scratch: int = 0, *, in_place: bool = True) -> MemoryPlan:
    """Lifetimes, placement and the layout of the state.

    Args:
        graph: in execution order.
        input_scratch: bytes that are needed beside the sample while that is being made; at
            ``scratch("input")`` of the plan.
        in_place: whether results may take over the memory of what they are made of; the lower
            bound is that of a plan where they may.
    """
    buffers = arena_buffers(graph, in_place=in_place)
    if input_scratch:
        made = scratch_buffer("input", input_scratch, -1, -1)
        buffers = (made, *buffers)
    offsets = place(buffers)
    problem = schedule_problem(graph)
    at_start = problem.start_bytes + aligned(input_scratch)
    states: dict[str, int] = {}
    end = StateHeader.BYTES
    for state in graph.states:
        states[state.name] = end
        end += aligned(state.type.nbytes)
    return MemoryPlan(
        buffers=buffers,
        offsets=offsets,
        values={value: offsets[b.name] for b in buffers for value in b.values},
        states=states,
        arena_bytes=peak(buffers, offsets),
        state_bytes=end,
        placement_bound_bytes=lower_bound(buffers),
        lower_bound_bytes=max(at_start, liveness.lower_bound(problem, range(len(problem.items)))),
        groups={group.nodes[0]: plan for group, plan in row_plans(graph)},
    )
