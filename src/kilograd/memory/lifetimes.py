"""When each tensor is live, and which share memory in place."""

from __future__ import annotations

from dataclasses import dataclass

from kilograd.ir import Graph, Node
from kilograd.ops import REGISTRY

#: Arena offsets are multiples of this many bytes, so that int32 tensors are aligned.
ALIGNMENT = 4


@dataclass(frozen=True)
class Buffer:
    """Arena memory of one tensor, of several that follow each other in place, or of scratch.

    Attributes:
        name: of the first tensor, or of the node whose scratch it is.
        values: names of the tensors; empty for scratch.
        size: bytes, rounded up to the alignment.
        first: index of the first node that needs it; −1 for the sample.
        last: index of the last node that needs it.
    """

    name: str
    values: tuple[str, ...]
    size: int
    first: int
    last: int

    def overlaps(self, other: Buffer) -> bool:
        """Whether both are live at once."""
        return self.first <= other.last and other.first <= self.last


def aligned(size: int) -> int:
    """Bytes rounded up to the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def arena_buffers(graph: Graph) -> tuple[Buffer, ...]:
    """Lifetimes of everything in the arena, in the graph's order of execution.

    The result of a node may take over the memory of an input that nobody reads later, where its
    operator allows it. Values that update a state live in the state and are left out.
    """
    last_use = dict.fromkeys(graph.values, -1)
    for index, node in enumerate(graph.nodes):
        for name in node.inputs:
            last_use[name] = index
    for name in graph.outputs:
        last_use[name] = len(graph.nodes)

    owner = {value.name: value.name for value in graph.inputs}
    chains = {value.name: [value.name] for value in graph.inputs}
    first = dict.fromkeys(owner, -1)
    buffers: list[Buffer] = []
    for index, node in enumerate(graph.nodes):
        spec = REGISTRY[node.operator]
        free = {name for name in node.inputs if name in owner and last_use[name] == index}
        for position, output in enumerate(node.outputs):
            if position in spec.updates:
                continue
            source = _reused(node, position, graph, free)
            if source is None:
                owner[output] = output
                chains[output] = [output]
                first[output] = index
            else:
                free.remove(source)
                owner[output] = owner[source]
                chains[owner[source]].append(output)
        call = spec.kernel(node.attributes, graph.types(node.inputs))
        if call.scratch_bytes:
            name = scratch_name(node.name)
            buffers.append(Buffer(name, (), aligned(call.scratch_bytes), index, index))
    for name, values in chains.items():
        size = aligned(max(graph.type_of(value).nbytes for value in values))
        end = max(first[name], *(last_use[value] for value in values))
        buffers.append(Buffer(name, tuple(values), size, first[name], end))
    return tuple(buffers)


def _reused(node: Node, position: int, graph: Graph, free: set[str]) -> str | None:
    """The input whose memory an output takes over: allowed, of the same size, not read later."""
    size = graph.type_of(node.outputs[position]).nbytes
    for candidate in REGISTRY[node.operator].reuses.get(position, ()):
        source = node.inputs[candidate]
        once = node.inputs.count(source) == 1
        if source in free and once and graph.type_of(source).nbytes == size:
            return source
    return None


def scratch_name(node: str) -> str:
    """Name of a node's scratch buffer."""
    return f"{node}#scratch"
