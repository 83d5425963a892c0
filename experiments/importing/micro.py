"""TensorFlow Lite Micro, whose bytes networks from .tflite files must have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from kilograd.frontend.lowering import Lowering
from kilograd.frontend.lowering.autoencoders import as_autoencoder
from kilograd.frontend.lowering.dimensions import in_place
from kilograd.frontend.lowering.ends import find_ends
from kilograd.frontend.lowering.refusals import Refuser
from kilograd.frontend.lowering.samples import sample_dimensions
from kilograd.frontend.network import Network, Tensor
from kilograd.frontend.tflite import read_tflite
from kilograd.ir import Graph, Quantization, TensorType
from kilograd.ops import REGISTRY
from kilograd.ops.pointwise.op import PointwiseAttributes
from kilograd.ops.spec import OpSpec, StepContext

Array = NDArray[Any]

#: For every tensor of a small file, which the interpreter keeps.
_ARENA_BYTES = 1 << 20

#: Operators that compute nothing: what they make tells of what they read.
_MOVES = {"reshape", "transpose"}

#: Operators that may be a step within a layer of the file.
_STEPS = {*_MOVES, "concatenate"}

#: How layers end that are a part of a layer of the file; what they make is in what follows them.
_PARTS = ("_copies", "_spread", "_above", "_below", "_sloped", "_border")

#: How layers end whose result is that of the file's layer in front of them: clamps and borders.
_COMPLETED = ("_relu", "_relu6", "_relu_n1_to_1", "_border")


@dataclass
class Compared:
    """Tensors that layers made, here and there.

    Attributes:
        tensors: that were compared; the logits are one of them if the file's own head is.
        bytes: of all samples.
        different: what a tensor is called here -> bytes of it that differ.
        missing: layers of whose results nothing was compared.
    """

    tensors: int
    bytes: int
    different: dict[str, int]
    missing: set[str]


def compare_with_micro(
    runtime: Any, path: Path, count: int, classes: int | None = None
) -> Compared:
    """Compare every tensor that layers make with TensorFlow Lite Micro's.

    Args:
        runtime: the module ``tflite_micro.python.tflite_micro.runtime``.
        path: of the file.
        count: of samples.
        classes: of another head, which is not compared; None for the file's own.
    """
    config = runtime.InterpreterConfig.kPreserveAllTensors
    content = path.read_bytes()
    micro = runtime.Interpreter.from_bytes(
        content, arena_size=_ARENA_BYTES + 10 * len(content), intrepreter_config=config
    )
    network = stated = read_tflite(path)
    autoencoder = None if classes is not None else as_autoencoder(network)
    if autoencoder is not None:
        network, begin, head = autoencoder.network, autoencoder.body.sample, None
        lowering = Lowering(network, path.name)
        graph = lowering.autoencoder(autoencoder)
    else:
        ends = find_ends(network, Refuser(network, path.name))
        begin, (head,) = ends.sample, network.layers[ends.head].outputs
        if not ends.makes_logits:
            head = ends.result  # whose numbers the head takes over
        lowering = Lowering(network, path.name)
        graph = lowering.graph(classes)
    computed = {number for layer in network.layers for number in layer.outputs}
    numbers = computed.intersection(lowering.values) - set(lowering.pads)
    numbers -= _taken_apart(stated, content)
    result = Compared(
        len(numbers) + (classes is None and head is not None),
        0,
        {},
        _uncovered(graph, {lowering.values[number] for number in numbers}),
    )
    for sample in _samples(network.tensors[network.inputs[0]], count):
        micro.set_input(sample, 0)
        micro.invoke()
        expected = {
            number: np.array(micro.GetTensor(number, 0)["tensor_data"]).ravel()
            for number in numbers | ({head} - {None})
        }
        given = expected.get(begin, sample).reshape(network.tensors[begin].shape)
        order = sample_dimensions(network, begin)
        known = known_tensors(graph, in_place(given, order))
        pairs = {
            lowering.values[number]: (_as_stored(lowering, known, number), expected[number])
            for number in numbers
        }
        if classes is None and head is not None:
            logits = int8_logits(graph, known, network.tensors[head]).ravel()
            # One value for a sigmoid is the second of two, and the first is 0.
            pairs["logits"] = logits[-expected[head].size :], expected[head]
        for name, (ours, theirs) in pairs.items():
            result.bytes += theirs.size
            differing = int(np.count_nonzero(ours != theirs))
            if differing:
                result.different[name] = result.different.get(name, 0) + differing
    return result


def _uncovered(graph: Graph, compared: set[str]) -> set[str]:
    """Layers that none of these values tells anything of."""
    covered = {graph.nodes[-1].layer, *compared}
    steps = {node.layer for node in graph.nodes if node.operator in _STEPS}
    parts = {node.layer for node in graph.nodes if node.layer.endswith(_PARTS)}
    parts |= {
        node.inputs[0]
        for node in graph.nodes
        if node.layer.endswith(_COMPLETED) or (node.operator in _MOVES and node.layer in compared)
    }
    return {node.layer for node in graph.nodes} - covered - steps - parts


def _as_stored(lowering: Lowering, known: dict[str, Array], number: int) -> Array:
    """A tensor's elements in the order of the file."""
    found = known[lowering.values[number]]
    if number in lowering.dimensions:
        dimensions = (*dict.fromkeys(lowering.dimensions[number]),)
        left = (axis for axis in range(3) if axis not in dimensions)
        found = found.transpose(*dimensions, *left)
    return found.ravel()


def _taken_apart(network: Network, content: bytes) -> set[int]:
    """Numbers of the tensors that the file has in another order, several maps in place of one."""
    graph = tflite.Model.GetRootAs(content, 0).Subgraphs(0)
    return {
        number
        for number, tensor in enumerate(network.tensors)
        if tensor.shape and (*graph.Tensors(number).ShapeAsNumpy(),) != tensor.shape
    }


def _samples(tensor: Tensor, count: int) -> Iterator[Array]:
    """Noise, and maps that are smooth enough to leave the zero point, by turns."""
    rng = np.random.default_rng(1)
    for number in range(count):
        if tensor.dtype == "float32":
            yield rng.uniform(-1, 1, tensor.shape).astype(np.float32)
            continue
        kind = np.iinfo(tensor.dtype)
        values = rng.integers(kind.min, kind.max + 1, tensor.shape)
        if number % 2:
            noise = rng.normal(rng.uniform(-60, 60), rng.uniform(5, 60), tensor.shape)
            values = np.clip(noise + tensor.zero_point, kind.min, kind.max)
        yield values.astype(tensor.dtype)


def run(spec: OpSpec[Any], attributes: Any, types: list[TensorType], arrays: list[Array]) -> Array:
    """What an operator makes, by its reference arithmetic."""
    (result,) = spec.reference(attributes, types, arrays, StepContext())
    return result


def known_tensors(graph: Graph, sample: Array) -> dict[str, Array]:
    """Every value of a run of the reference arithmetic, node by node."""
    known = {name: value.data for name, value in graph.values.items() if value.data is not None}
    known[graph.inputs[0].name] = sample
    for node in graph.nodes:
        reads = [known[name] for name in node.inputs]
        types = graph.types(node.inputs)
        known[node.outputs[0]] = run(REGISTRY[node.operator], node.attributes, types, reads)
    return known


def int8_logits(graph: Graph, known: dict[str, Array], tensor: Tensor) -> Array:
    """What the head would make if its result were the file's."""
    (head,) = (node for node in graph.nodes if node.layer == "head")
    _, unit = graph.value_range  # 1 where classes are told apart
    scales = tuple(scale / unit for scale in tensor.scales)
    attributes = PointwiseAttributes(Quantization(scales, tensor.zero_point))
    reads = [known[name] for name in head.inputs]
    return run(REGISTRY["pointwise"], attributes, graph.types(head.inputs), reads)
