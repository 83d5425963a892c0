"""kg_model.h: what is special to a model, as macros."""

from __future__ import annotations

import hashlib

from kilograd.codegen.boundary import boundary_bytes
from kilograd.codegen.templating import render
from kilograd.ir import Graph, LabelKind
from kilograd.ir.text import contents, print_graph
from kilograd.memory import MemoryPlan
from kilograd.memory.state_layout import StateHeader
from kilograd.ops.arithmetic import NUMERICS_VERSION
from kilograd.version import VERSION

#: Bytes of a model id and a checksum, which stand before a state that ``kg_save`` writes.
SAVED_HEADER_BYTES = 8


def model_id(forward: Graph, trained: Graph, plan: MemoryPlan) -> int:
    """Tells states of different models apart, on whatever target: 32 bits of a SHA-256.

    Args:
        forward: the model.
        trained: its training step; which states there are says what is trained.
        plan: where they lie.
    """
    digest = hashlib.sha256(f"numerics {NUMERICS_VERSION}\n{print_graph(forward)}".encode())
    for name, array in sorted(contents(forward).items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    for state in trained.states:
        digest.update(f"{state.name} {state.type} at {plan.states[state.name]}\n".encode())
    return int.from_bytes(digest.digest()[:4], "little")


def model_header(
    graph: Graph,
    plan: MemoryPlan,
    scheme: str,
    identity: int,
    deployment: object | None = None,
) -> str:
    """The text of kg_model.h.

    Args:
        graph: the training step.
        plan: where its tensors live.
        scheme: name of what is trained.
        identity: see ``model_id``.
        deployment: what is known besides: a ``kilograd.export.deployment.Deployment``.
    """
    sample, logits = graph.inputs[0], graph.outputs[0]
    row_input = has_row_input(graph)
    return render(
        "kilograd.codegen",
        "kg_model.h",
        version=VERSION,
        name=graph.name,
        scheme=scheme,
        model_id=identity,
        shape=sample.type.shape,
        row_bytes=sample.type.nbytes // sample.type.shape[0],
        input_bytes=sample.type.nbytes,
        scale=_c_float(sample.type.scale),
        zero_point=sample.type.zero_point,
        row_input=row_input,
        classes=graph.type_of(logits).size,
        label_sets=graph.label_kind is LabelKind.SET,
        value_range=_value_range(graph),
        learns_normal=graph.label_kind is LabelKind.ANOMALY,
        arena_bytes=plan.arena_bytes,
        state_bytes=plan.state_bytes,
        input_offset=None if row_input else plan.values[sample.name],
        logits_offset=plan.values[logits],
        state_offsets=StateHeader.OFFSETS,
        state_header=StateHeader.BYTES,
        saved_header=SAVED_HEADER_BYTES,
        boundary_bytes=boundary_bytes(graph, plan),
        deployment=deployment,
    )


def _value_range(graph: Graph) -> list[str] | None:
    """Lowest and highest value in C; None where labels are no values."""
    if graph.label_kind is not LabelKind.VALUE:
        return None
    return [
        f"({value})" if value.startswith("-") else value
        for value in map(_c_float, graph.value_range)
    ]


def _c_float(number: float) -> str:
    text = f"{number:.9g}"
    return f"{text}f" if set(text) & set(".e") else f"{text}.0f"


def has_row_input(graph: Graph) -> bool:
    """Whether the sample arrives a row at a time."""
    return any(group.row_input for group in graph.row_groups)
