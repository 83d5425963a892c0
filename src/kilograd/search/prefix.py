"""The layers that no run trains, run once: what is behind them is a smaller network.

Many short runs on the same samples share their first layers. Those are computed once a sample up
to a boundary where a single tensor is live, and every run trains the rest of the network on that
tensor. The bits are those of training the whole network.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from kilograd.compiler import Optimization, compile_model
from kilograd.device.host import HostDevice
from kilograd.ir import DType, Graph, Kind
from kilograd.ops import REGISTRY
from kilograd.scheme import Scheme
from kilograd.toolchain import build_host_library


@dataclass(frozen=True)
class Boundary:
    """A place where one tensor is all that the rest of a network needs.

    Attributes:
        index: number of nodes before it.
        value: name of the tensor.
    """

    index: int
    value: str


def boundaries(graph: Graph) -> tuple[Boundary, ...]:
    """Every place of a forward graph at which a single int8 map is live.

    Only those right before a layer that can learn; the input is the first.
    """
    last_read = {
        name: max(i for i, node in enumerate(graph.nodes) if name in node.inputs)
        for name, readers in graph.readers().items()
        if readers and graph.values[name].kind in (Kind.INPUT, Kind.ACTIVATION)
    }
    made = {output: i for i, node in enumerate(graph.nodes) for output in node.outputs}
    found: list[Boundary] = []
    for index, node in enumerate(graph.nodes):
        if index and not REGISTRY[node.operator].has_weights:
            continue
        live = [n for n, last in last_read.items() if made.get(n, -1) < index <= last]
        if len(live) == 1 and graph.type_of(live[0]).dtype is DType.INT8:
            found.append(Boundary(index, live[0]))
    return tuple(found)


def suffix(graph: Graph, boundary: Boundary) -> Graph:
    """The network behind a boundary: its input is the tensor there."""
    if boundary.index == 0:
        return graph
    nodes = graph.nodes[boundary.index :]
    read = {name for node in nodes for name in (*node.inputs, *node.outputs)}
    values = {name: value for name, value in graph.values.items() if name in read}
    values[boundary.value] = replace(values[boundary.value], kind=Kind.INPUT)
    return replace(graph, nodes=nodes, values=values, features=None)


@dataclass(frozen=True)
class Stage:
    """The layers between two boundaries, built for this computer.

    Attributes:
        end: where they end.
        library: of a network that begins where they do.
    """

    end: Boundary
    library: Path


def build_stages(
    graph: Graph, wanted: Collection[Boundary], workers: int | None = None
) -> list[Stage]:
    """Build what runs samples from boundary to boundary.

    Args:
        graph: the forward graph.
        wanted: boundaries.
        workers: processes; None for one a core.
    """
    ends = sorted(wanted, key=lambda boundary: boundary.index)
    starts = [Boundary(0, graph.inputs[0].name), *ends]
    pairs = [pair for pair in zip(starts, ends, strict=False) if pair[0] != pair[1]]
    parallel: Any = joblib.Parallel(n_jobs=workers or -1)
    return list(parallel(joblib.delayed(_build_stage)(graph, *pair) for pair in pairs))


def run_stages(
    graph: Graph, stages: Sequence[Stage], samples: NDArray[np.int8]
) -> dict[Boundary, NDArray[np.int8]]:
    """The tensors at boundaries.

    Args:
        graph: the forward graph.
        stages: from the input on, each from the end of the one before.
        samples: int8 [n, height, width, channels].

    Returns:
        For the input and for the end of each stage int8 [n, height, width, channels].
    """
    found = {Boundary(0, graph.inputs[0].name): samples}
    tensors = samples
    for stage in stages:
        type_ = graph.type_of(stage.end.value)
        made = np.empty((len(tensors), *type_.shape), np.int8)
        with HostDevice(stage.library) as device:
            for number, tensor in enumerate(tensors):
                kept = device.prefix_snapshot(tensor)[: type_.nbytes]
                made[number] = kept.view(np.int8).reshape(type_.shape)
        found[stage.end] = tensors = made
    return found


def _build_stage(graph: Graph, start: Boundary, end: Boundary) -> Stage:
    """A network in which the first layer behind the end learns.

    It keeps exactly what is live there once its frozen layers have run.
    """
    behind = [node for node in graph.nodes[end.index :] if REGISTRY[node.operator].has_weights]
    scheme = Scheme("prefix", (behind[0].layer,), {})
    program = compile_model(suffix(graph, start), scheme, without=[Optimization.ROWS])
    return Stage(end, build_host_library(program.sources).path)
