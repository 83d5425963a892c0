"""onnxruntime, whose numbers networks from .onnx files must nearly have."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.importing.micro import int8_logits, known_tensors, run
from kilograd.frontend.lowering import Lowering
from kilograd.frontend.lowering.autoencoders import as_autoencoder
from kilograd.frontend.lowering.dimensions import order_in_memory
from kilograd.frontend.lowering.ends import find_ends
from kilograd.frontend.lowering.refusals import Refuser
from kilograd.frontend.onnx.graph import OnnxGraph
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.reader import Reader, read_graph
from kilograd.ir import Graph
from kilograd.ops import REGISTRY

Array = NDArray[Any]

#: Operators that compute nothing, and of which a layer of the file may need one more.
_MOVING = {
    *("insert_zeros", "reshape", "transpose", "concatenate", "channel_shuffle", "channel_slice"),
}


@dataclass
class Difference:
    """How far elements are apart, in steps of int8."""

    elements: int = 0
    differing: int = 0
    most: int = 0

    def add(self, a: Array, b: Array) -> None:
        """Count the elements of two arrays in the same order."""
        gap = np.abs(a.astype(int).ravel() - b.astype(int).ravel())
        self.elements += gap.size
        self.differing += int(np.count_nonzero(gap))
        self.most = max(self.most, int(gap.max(initial=0)))

    @property
    def share(self) -> float:
        """Of the elements that differ."""
        return self.differing / self.elements


@dataclass
class Comparison:
    """A network against onnxruntime.

    Attributes:
        alone: each layer, given what onnxruntime gave to it.
        chained: each layer behind kilograd's own layers.
        same_class: samples whose largest logit is the same; none are counted where the last layer
            makes logits for each position.
    """

    alone: Difference
    chained: Difference
    same_class: int


def session(model: Any, outputs: Iterable[tuple[str, int]] = (), *, optimized: bool = False) -> Any:
    """Onnxruntime with int8 tensors as further outputs; float between quantizations by default."""
    onnx: Any = importlib.import_module("onnx")
    ort: Any = importlib.import_module("onnxruntime")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for name, kind in outputs:
        copy.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))
    options = ort.SessionOptions()
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    )
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(copy.SerializeToString(), options)


def stored(array: Array, map_: Map, shape: Sequence[int]) -> Array:
    """A tensor of the file as kilograd stores it."""
    return np.ascontiguousarray(map_.lies.in_memory(array.ravel())).reshape(shape)


def _in_graph(
    graph: Graph, lowering: Lowering, reader: Reader, arrays: Mapping[str, Array]
) -> dict[str, Array]:
    """Tensors of a file, by their names, as the values of its graph."""
    result: dict[str, Array] = {}
    for name, array in arrays.items():
        number = reader.stored[name].number
        value = lowering.values.get(number, "input")
        height, width, channels = shape = graph.type_of(value).shape
        # A map is less before it is padded, and as much where it is cropped at once.
        if np.size(array) == np.prod(shape) and number not in lowering.pads:
            lies = order_in_memory((height, width, channels), lowering.dimensions.get(number))
            put = stored(_signed(array), reader.stored[name].map, shape)
            result[value] = lies.in_memory(put.ravel()).reshape(shape)
    return result


def _signed(array: Array) -> Array:
    return (array.astype(np.int16) - 128).astype(np.int8) if array.dtype == np.uint8 else array


def _zero_points(graph: OnnxGraph) -> tuple[dict[str, tuple[str, ...]], set[str]]:
    """Names of the zero points of quantized values, by theirs, and those of constants in int8."""
    zeros = {n.outputs[0]: n.inputs[2:] for n in graph.nodes if n.operator == "QuantizeLinear"}
    return zeros, {name for name, data in graph.constants.items() if data.dtype == np.int8}


def compare(
    content: bytes,
    samples: Iterable[Array],
    *,
    optimized: bool = False,
) -> Comparison:
    """Run a network on float samples, here and there.

    Args:
        content: bytes of the file.
        samples: float32, in the shape of the file's input.
        optimized: whether onnxruntime uses its integer kernels.
    """
    onnx: Any = importlib.import_module("onnx")
    model: Any = onnx.load_from_string(content)
    reader = Reader()
    network = reader.network(content, "net")
    zeros, signed = _zero_points(read_graph(content))
    autoencoder = as_autoencoder(network)
    is_averaged, head = False, None
    if autoencoder is not None:
        lowering = Lowering(autoencoder.network, "net")
        graph = lowering.autoencoder(autoencoder)
    else:
        ends = find_ends(network, Refuser(network, "net"))
        lowering = Lowering(network, "net")
        graph = lowering.graph(None)
        is_averaged, (head,) = ends.average is not None, network.layers[ends.head].outputs
        if not ends.makes_logits:
            head = ends.result  # whose numbers the head takes over
    quantized = {n: value.number for n, value in reader.stored.items() if n in zeros}
    sample = next(iter(quantized))  # which the first layer may read in another shape
    numbers = {sample: quantized[sample]} | {
        name: number
        for name, number in quantized.items()
        if number in lowering.values or number == head
    }
    kinds = onnx.TensorProto
    outputs = [(n, kinds.INT8 if signed.intersection(zeros[n]) else kinds.UINT8) for n in numbers]
    runtime = session(model, outputs, optimized=optimized)
    result = Comparison(Difference(), Difference(), 0)
    (given, *_) = model.graph.input
    for inputs in samples:
        found = runtime.run([*numbers], {given.name: inputs})
        read = {n: array for n, array in zip(numbers, found, strict=True) if numbers[n] != head}
        theirs = _in_graph(graph, lowering, reader, read)
        known = known_tensors(graph, theirs["input"])
        _add_layers(result, graph, known, theirs)
        if head is None or is_averaged:  # of what the head makes of each position
            continue
        best = known[graph.nodes[-1].outputs[0]].argmax()
        if head not in numbers.values():  # its result is of real numbers
            (real,) = runtime.run(None, {given.name: inputs})[:1]
            result.same_class += int(best == (real.argmax() if real.size > 1 else real > 0))
            continue
        logits = _signed(found[list(numbers.values()).index(head)])
        ours = int8_logits(graph, known, network.tensors[head])
        values = logits.ravel()
        if values.size < ours.size:  # a sigmoid's, which is that of the second class of two
            values = np.array([network.tensors[head].zero_point, values[0]])
        result.chained.add(ours, values)
        # Logits of onnxruntime are int8, of which several can be the largest.
        result.same_class += int(values[best] == values.max())
    return result


def _add_layers(
    result: Comparison, graph: Graph, known: Mapping[str, Array], theirs: dict[str, Array]
) -> None:
    """Add every layer's elements to a comparison.

    Args:
        result: the comparison.
        graph: whose last layer is not compared.
        known: values that kilograd computed, each from others of its own.
        theirs: those that onnxruntime computed.
    """
    constants = {n: v.data for n, v in graph.values.items() if v.data is not None}
    clamped = {n.inputs[0] for n in graph.nodes if n.operator == "lookup"}
    for node in graph.nodes[:-1]:
        (made,) = node.outputs
        if node.layer.endswith("_copies") and node.inputs[0] in theirs:
            each = graph.type_of(made).shape[2] // theirs[node.inputs[0]].shape[2]
            theirs[made] = theirs[node.inputs[0]].repeat(each, axis=2)
        is_moved = node.operator in _MOVING or node.layer.endswith("_border")
        is_known = all(name in theirs or name in constants for name in node.inputs)
        if made not in theirs and is_moved and is_known:
            given = [theirs[n] if n in theirs else constants[n] for n in node.inputs]
            spec = REGISTRY[node.operator]
            theirs[made] = run(spec, node.attributes, graph.types(node.inputs), given)
            continue
        is_first_step = made not in theirs and made in clamped  # of a layer with a clamp
        if made not in theirs and not is_first_step:
            continue
        if not is_first_step:
            result.chained.add(known[made], theirs[made])
        if all(name in theirs or name in constants for name in node.inputs):
            reads = [theirs[n] if n in theirs else constants[n] for n in node.inputs]
            spec, kinds = REGISTRY[node.operator], graph.types(node.inputs)
            alone = run(spec, node.attributes, kinds, reads)
            if is_first_step:
                theirs[made] = alone
            else:
                result.alone.add(alone, theirs[made])


def samples(shape: Sequence[int], count: int, seed: int = 1) -> Iterator[NDArray[np.float32]]:
    """Noise, and maps that are smooth enough to leave the zero point, by turns."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        values = rng.uniform(-2.5, 2.5, shape)
        if number % 2:
            values = rng.normal(rng.uniform(-1, 1), rng.uniform(0.1, 1), shape)
        yield values.astype(np.float32)
