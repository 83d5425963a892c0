"""kg_model.h: what is special to a model, as macros."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from kilograd.codegen.templating import render
from kilograd.ir import Graph
from kilograd.ir.text import contents, print_graph
from kilograd.memory import MemoryPlan
from kilograd.memory.state_layout import StateHeader
from kilograd.ops.arithmetic import NUMERICS_VERSION
from kilograd.version import VERSION


@dataclass(frozen=True)
class Rate:
    """A learning rate that stays: ``mantissa * 2**exponent``."""

    mantissa: int
    exponent: int


@dataclass(frozen=True)
class Pixels:
    """What an 8-bit pixel becomes as an element of a sample.

    Attributes:
        table: the element of each of the 256 pixel values.
    """

    table: tuple[int, ...]

    @property
    def offset(self) -> int | None:
        """What is added to a pixel, before the sum is cut to int8; None where that is not all."""
        for offset in range(-383, 129):
            if self.table == tuple(min(max(pixel + offset, -128), 127) for pixel in range(256)):
                return offset
        return None


@dataclass(frozen=True)
class Deployment:
    """What a folder of C says of a model beyond what compiling it needs.

    Attributes:
        class_names: one for each logit.
        rate: what it is trained with unless another is named.
        stack_bytes: what a call was seen to use; None where it was not measured.
        measured_with: how that was seen.
        selftest_crc: CRC-32 of logits and state after the step of ``kg_selftest``.
        pixels: of images; None for other samples.
    """

    class_names: tuple[str, ...]
    rate: Rate
    stack_bytes: int | None
    measured_with: str
    selftest_crc: int
    pixels: Pixels | None


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
    deployment: Deployment | None = None,
) -> str:
    """The text of kg_model.h.

    Args:
        graph: the training step.
        plan: where its tensors live.
        scheme: name of what is trained.
        identity: see ``model_id``.
        deployment: what is known besides.
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
        scale=f"{sample.type.scale:.9g}" if sample.type.scale % 1 else f"{sample.type.scale:.1f}",
        zero_point=sample.type.zero_point,
        row_input=row_input,
        classes=graph.type_of(logits).size,
        arena_bytes=plan.arena_bytes,
        state_bytes=plan.state_bytes,
        input_offset=None if row_input else plan.values[sample.name],
        logits_offset=plan.values[logits],
        state_offsets=StateHeader.OFFSETS,
        state_header=StateHeader.BYTES,
        deployment=deployment,
        pixels=deployment.pixels if deployment else None,
    )


def has_row_input(graph: Graph) -> bool:
    """Whether the sample arrives a row at a time."""
    return any(group.row_input for group in graph.row_groups)
