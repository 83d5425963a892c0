"""The boundary between the frozen prefix, which training cannot change, and the rest."""

from __future__ import annotations

from kilograd.codegen.sources import RUNTIME
from kilograd.errors import UserError
from kilograd.ir import Graph, LabelKind
from kilograd.memory import MemoryPlan
from kilograd.ops.spec import c_constant


def frozen_prefix(graph: Graph) -> int:
    """Number of leading nodes that read nothing trained; no group is split."""
    tainted = {state.name for state in graph.states}
    names = [node.name for node in graph.nodes]
    reads_state = (i for i, node in enumerate(graph.nodes) if tainted.intersection(node.inputs))
    boundary = next(reads_state, None)
    if boundary is None:
        return len(names)
    groups = [group.nodes for group in graph.row_groups if names[boundary] in group.nodes]
    return min([boundary, *(names.index(nodes[0]) for nodes in groups)])


def first_of_row_input(graph: Graph) -> int:
    """Index of the node that a streamed sample's rows go to; 0 where the sample is held."""
    names = [node.name for node in graph.nodes]
    groups = (group for group in graph.row_groups if group.row_input)
    return next((names.index(group.nodes[0]) for group in groups), 0)


def boundary_of(graph: Graph) -> int:
    """Index of the first node behind the boundary; rows that arrive are before it."""
    return max(first_of_row_input(graph), frozen_prefix(graph))


def learns_in_streamed_rows(graph: Graph) -> bool:
    """Whether training changes anything that runs while the rows of a streamed sample arrive."""
    frozen = {node.name for node in graph.nodes[: frozen_prefix(graph)]}
    groups = (group for group in graph.row_groups if group.row_input)
    return any(group.nodes[0] not in frozen for group in groups)


def boundary_regions(graph: Graph, plan: MemoryPlan) -> list[tuple[int, int]] | None:
    """Offset and bytes of what the frozen prefix leaves in the arena for the nodes behind it.

    Args:
        graph: a training step, in execution order.
        plan: where its tensors live.

    Returns:
        None where training changes what runs while rows arrive: then nothing that is left of a
        sample stays true, and a sample cannot be learned from again.
    """
    if learns_in_streamed_rows(graph):
        return None
    boundary = boundary_of(graph)
    kept = [buffer for buffer in plan.buffers if buffer.first < boundary <= buffer.last]
    return sorted((plan.offsets[buffer.name], buffer.size) for buffer in kept)


def boundary_bytes(graph: Graph, plan: MemoryPlan) -> int | None:
    """Bytes that are kept of a sample to learn from it again; see `boundary_regions`."""
    regions = boundary_regions(graph, plan)
    return None if regions is None else sum(size for _, size in regions)


#: Of what stands before each sample in memory.
_HEADER_BYTES = c_constant(RUNTIME / "kg_memory.h", "KG_MEMORY_HEADER_BYTES")
_ALIGNMENT = 4


def has_sample_memory(graph: Graph) -> bool:
    """Whether samples can be kept to be learned from again: of one class each, and frozen rows."""
    return graph.label_kind is LabelKind.CLASS and not learns_in_streamed_rows(graph)


def memory_sample_bytes(graph: Graph, plan: MemoryPlan) -> int:
    """Bytes of RAM that a sample takes which is kept to be learned from again.

    Raises:
        UserError: samples of this training step cannot be kept.
    """
    kept = boundary_bytes(graph, plan)
    if graph.label_kind is not LabelKind.CLASS:
        known = {LabelKind.SET: "sets of them", LabelKind.VALUE: "values"}
        labels = known.get(graph.label_kind, "those of normal samples alone")
        raise UserError(
            f"a memory of samples is balanced over classes, and here labels are {labels}",
            where=graph.name,
        )
    if kept is None:
        raise UserError(
            "no samples can be kept: training changes what runs while their rows arrive",
            where=graph.name,
            hint="freeze the first layers, or let the sample be whole",
        )
    return _HEADER_BYTES + (kept + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT
