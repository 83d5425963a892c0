"""Read what the figures show from a compiled program: kinds of buffers, layers, SRAM."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilograd.ir import DType, Graph, Kind, Node, Phase, RowGroup
from kilograd.ops import REGISTRY, Role
from kilograd.report.units import shape_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.compiler import Program
    from kilograd.liveness import Buffer
    from kilograd.measuring.firmware import Measurement


class BufferKind(str, enum.Enum):
    """The reason why a buffer is in the arena."""

    SAMPLE = "sample"
    ACTIVATION = "activation"
    SAVED = "saved"
    GRADIENT = "gradient"
    MASK = "mask"
    ROWS = "rows"
    SCRATCH = "scratch"


#: The name of each kind and its meaning, for legends.
KIND_TEXT = {
    BufferKind.SAMPLE: ("sample", "the input as int8"),
    BufferKind.ACTIVATION: ("activation", "a result that only the forward pass needs"),
    BufferKind.SAVED: ("saved for backward", "an activation that the backward pass reads again"),
    BufferKind.GRADIENT: ("gradient", "the gradient of an activation, or its exponent"),
    BufferKind.MASK: ("clamp mask", "one bit per element that tells whether the gradient passes"),
    BufferKind.ROWS: ("rows", "parts of maps between layers that run together, row by row"),
    BufferKind.SCRATCH: ("scratch", "working memory, or a weight that is summed for one kernel"),
}


@dataclass(frozen=True)
class PlacedBuffer:
    """A buffer at its place in the arena.

    Attributes:
        buffer: The planned buffer: size in bytes, lifetime in indices of nodes.
        offset: Bytes from the start of the arena.
        kind: The reason why it is there.
        layer: The layer whose node makes its first tensor; empty for the sample.
    """

    buffer: Buffer
    offset: int
    kind: BufferKind
    layer: str


@dataclass(frozen=True)
class Layer:
    """A forward node and what training it costs.

    Attributes:
        name: Name of the node.
        operator: Name of its operator.
        shape: Shape of its result.
        inputs: Indices of the layers that it reads.
        macs_forward: Multiply-accumulates of its forward node.
        macs_backward: Multiply-accumulates that a training step adds for it.
        parameter_bytes: Bytes of its weights and biases.
        weight_bytes: Bytes of its weights.
        trained_bytes: Bytes of its trained parameters.
        saved_bytes: Bytes of its results that are kept for the backward pass.
        mask_bytes: Bytes of its clamp masks.
        has_weights: True if a scheme can name it.
        bias_trained: True if its bias is trained.
        weight_share: Share of its input channels that have trained weights, in [0, 1].
        frozen_prefix: True if no training changes its result.
    """

    name: str
    operator: str
    shape: tuple[int, ...]
    inputs: tuple[int, ...]
    macs_forward: int
    macs_backward: int
    parameter_bytes: int
    weight_bytes: int
    trained_bytes: int
    saved_bytes: int
    mask_bytes: int
    has_weights: bool
    bias_trained: bool
    weight_share: float
    frozen_prefix: bool


@dataclass(frozen=True)
class SramPart:
    """A part of the whole SRAM.

    Attributes:
        key: Name for style sheets.
        name: Name for readers.
        size: Bytes.
    """

    key: str
    name: str
    size: int


def loss_index(graph: Graph) -> int:
    """Return the index of the node that starts the backward pass, or the number of nodes."""
    roles = [REGISTRY[node.operator].role for node in graph.nodes]
    return roles.index(Role.LOSS) if Role.LOSS in roles else len(roles)


def peak_index(program: Program) -> int:
    """Return the index of the node during which most bytes are live."""
    return min(program.plan.peak_index, len(program.graph.nodes) - 1)


def placed_buffers(program: Program) -> tuple[PlacedBuffer, ...]:
    """Return every buffer of the plan, in the plan's order."""
    graph, plan = program.graph, program.plan
    producer = graph.producer()
    by_name = {node.name: node for node in graph.nodes}
    loss = loss_index(graph)
    saved = {name for node in graph.nodes[loss + 1 :] for name in node.inputs}
    placed: list[PlacedBuffer] = []
    for buffer in plan.buffers:
        node = producer.get(buffer.name) or by_name.get(buffer.scratch_of or "")
        in_rows = row_group(buffer, graph) is not None
        kind = BufferKind.ROWS if in_rows else _kind(buffer, graph, producer, saved)
        placed.append(
            PlacedBuffer(buffer, plan.offsets[buffer.name], kind, node.layer if node else "")
        )
    return tuple(placed)


def row_group(buffer: Buffer, graph: Graph) -> RowGroup | None:
    """Return the group of nodes whose rows a buffer holds, or None for any other buffer."""
    groups = (group for group in graph.row_groups if group.nodes[0] == buffer.scratch_of)
    return next(groups, None)


def shown_name(buffer: Buffer, graph: Graph) -> str:
    """Return a buffer's name for readers."""
    group = row_group(buffer, graph)
    if group is None:
        return buffer.name
    first, last = group.nodes[0], group.nodes[-1]
    return f"rows of {first}" if first == last else f"rows of {first} … {last}"


def buffer_type(buffer: Buffer, graph: Graph) -> str:
    """Return shape and data type of a buffer's first tensor; scratch has none."""
    if not buffer.values:
        return ""
    type_ = graph.type_of(buffer.values[0])
    return f"{shape_text(type_.shape)} {type_.dtype.value}"


def live_bytes(buffers: Sequence[PlacedBuffer], nodes: int) -> dict[BufferKind, list[int]]:
    """Count the bytes that are live during every node, by kind.

    Args:
        buffers: The placed buffers.
        nodes: Number of nodes.
    """
    live = {kind: [0] * nodes for kind in BufferKind}
    for placed in buffers:
        first, last = max(placed.buffer.first, 0), min(placed.buffer.last, nodes - 1)
        for index in range(first, last + 1):
            live[placed.kind][index] += placed.buffer.size
    return live


def layers(program: Program) -> tuple[Layer, ...]:
    """Return the forward nodes in order; what training adds is charged to their layers."""
    graph, scheme = program.graph, program.scheme
    forward = [n for n in graph.nodes if n.phase is Phase.INFERENCE and n.name == n.layer]
    producer = graph.producer()
    samples = {value.name for value in graph.inputs}
    row = {node.outputs[0]: index for index, node in enumerate(forward)}
    backward: Counter[str] = Counter()
    for node in graph.nodes:
        if node.phase is Phase.TRAINING:
            backward[node.layer] += _macs(node, graph)
    saved: Counter[str] = Counter()
    masks: Counter[str] = Counter()
    for placed in placed_buffers(program):
        if placed.kind is BufferKind.SAVED:
            saved[placed.layer] += placed.buffer.size
        elif placed.kind is BufferKind.MASK:
            masks[placed.layer] += placed.buffer.size
    prefix = {node.name for node in graph.nodes[: program.frozen_prefix]}
    result: list[Layer] = []
    for node in forward:
        parameters = [
            name
            for name in node.inputs
            if (producer[name].layer == node.layer if name in producer else name not in samples)
        ]
        # A delta changes a weight that is counted already.
        whole = (name for name in parameters if not name.endswith(".delta"))
        total = sum(graph.type_of(name).nbytes for name in whole)
        sources = [
            source
            for name in parameters
            for source in (producer[name].inputs if name in producer else (name,))
        ]
        states = [graph.values[source] for source in sources]
        trained = sum(v.type.nbytes for v in states if v.kind is Kind.STATE)
        spec = REGISTRY[node.operator]
        bias = graph.type_of(spec.inputs_of(node).bias).nbytes if spec.has_weights else 0
        result.append(
            Layer(
                name=node.name,
                operator=node.operator,
                shape=graph.type_of(node.outputs[0]).shape,
                inputs=tuple(row[name] for name in node.inputs if name in row),
                macs_forward=_macs(node, graph),
                macs_backward=backward.pop(node.layer, 0),
                parameter_bytes=total,
                weight_bytes=total - bias,
                trained_bytes=trained,
                saved_bytes=saved.pop(node.layer, 0),
                mask_bytes=masks.pop(node.layer, 0),
                has_weights=spec.has_weights,
                bias_trained=node.layer in scheme.biases,
                weight_share=scheme.weights.get(node.layer, 0.0),
                frozen_prefix=node.name in prefix,
            )
        )
    return tuple(result)


def sram_parts(program: Program, measurement: Measurement | None) -> tuple[SramPart, ...]:
    """Return the parts of the SRAM, measured or, without a measurement, planned."""
    if measurement is None:
        return (
            SramPart("arena", "arena", program.plan.arena_bytes),
            SramPart("trainable", "trainable", program.plan.state_bytes),
        )
    return (
        SramPart("arena", "arena", measurement.arena),
        SramPart("trainable", "trainable", measurement.trainable),
        SramPart("data", "data + bss", measurement.data_bss),
        SramPart("stack", "stack", measurement.stack),
    )


def _macs(node: Node, graph: Graph) -> int:
    return REGISTRY[node.operator].macs(node.attributes, graph.types(node.inputs))


def _kind(buffer: Buffer, graph: Graph, producer: dict[str, Node], saved: set[str]) -> BufferKind:
    if not buffer.values:
        return BufferKind.SCRATCH
    first = buffer.values[0]
    if graph.values[first].kind is Kind.INPUT:
        return BufferKind.SAMPLE
    node = producer[first]
    if all(graph.values[n].kind in (Kind.CONSTANT, Kind.STATE) for n in node.inputs):
        return BufferKind.SCRATCH  # It is a weight that is summed for one call.
    if node.phase is Phase.TRAINING:
        is_mask = graph.type_of(first).dtype is DType.UINT8
        return BufferKind.MASK if is_mask else BufferKind.GRADIENT
    made_forward = (v for v in buffer.values if producer[v].phase is Phase.INFERENCE)
    return BufferKind.SAVED if saved.intersection(made_forward) else BufferKind.ACTIVATION
