"""TensorFlow Lite Micro, whose bytes networks from .tflite files must have."""

import numpy as np
import pytest
import tflite

from kilograd.frontend.lowering import Lowering
from kilograd.frontend.lowering.dimensions import in_place, usual
from kilograd.frontend.lowering.ends import find_ends
from kilograd.frontend.lowering.refusals import Refuser
from kilograd.frontend.tflite import read_tflite
from kilograd.ir import Quantization
from kilograd.ops import REGISTRY
from kilograd.ops.pointwise.op import PointwiseAttributes
from kilograd.ops.spec import StepContext

#: For every tensor of a small file, which the interpreter keeps.
_ARENA_BYTES = 1 << 20

#: Operators that may be a step within a layer of the file.
STEPS = {"reshape", "concatenate"}

#: How layers end that are a part of a layer of the file.
PARTS = ("_copies", "_above", "_below", "_sloped")

#: How layers end whose result is that of the file's layer in front of them: clamps and borders.
COMPLETED = ("_relu", "_relu6", "_relu_n1_to_1", "_border")


def assert_same_bytes(path, count=4, classes=None):
    """Compare every tensor that layers make with TensorFlow Lite Micro's.

    With classes given, the head is another, and is not compared.
    """
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    config = runtime.InterpreterConfig.kPreserveAllTensors
    content = path.read_bytes()
    micro = runtime.Interpreter.from_bytes(
        content, arena_size=_ARENA_BYTES + 10 * len(content), intrepreter_config=config
    )
    network = read_tflite(path)
    ends = find_ends(network, Refuser(network, path.name))
    lowering = Lowering(network, path.name)
    graph = lowering.graph(classes)
    computed = {number for layer in network.layers for number in layer.outputs}
    compared = computed.intersection(lowering.values) - set(lowering.pads)
    compared -= taken_apart(network, content)
    covered = {graph.nodes[-1].layer, *(lowering.values[number] for number in compared)}
    steps = {node.layer for node in graph.nodes if node.operator in STEPS}
    parts = {node.layer for node in graph.nodes if node.layer.endswith(PARTS)}
    parts |= {node.inputs[0] for node in graph.nodes if node.layer.endswith(COMPLETED)}
    assert covered >= {node.layer for node in graph.nodes} - steps - parts
    (head,) = network.layers[ends.head].outputs
    for sample in samples(network.tensors[network.inputs[0]], count):
        micro.set_input(sample, 0)
        micro.invoke()
        expected = {
            number: np.array(micro.GetTensor(number, 0)["tensor_data"]).ravel()
            for number in compared | {head}
        }
        given = expected.get(ends.sample, sample).reshape(network.tensors[ends.sample].shape)
        usually = usual(given.ndim)
        given = in_place(given, lowering.dimensions.get(ends.sample, usually))
        known = known_tensors(graph, given)
        for number in compared:
            value = lowering.values[number]
            found = known[value]
            if number in lowering.dimensions:
                dimensions = (*dict.fromkeys(lowering.dimensions[number]),)
                left = (axis for axis in range(3) if axis not in dimensions)
                found = found.transpose(*dimensions, *left)
            assert np.array_equal(found.ravel(), expected[number]), (number, value)
        if classes is None:
            logits = int8_logits(graph, known, network.tensors[head])
            # One value for a sigmoid is the second of two, and the first is 0.
            assert np.array_equal(logits.ravel()[-expected[head].size :], expected[head])


def taken_apart(network, content):
    """Numbers of the tensors that the file has in another order, several maps in place of one."""
    graph = tflite.Model.GetRootAs(content, 0).Subgraphs(0)
    return {
        number
        for number, tensor in enumerate(network.tensors)
        if tensor.shape and (*graph.Tensors(number).ShapeAsNumpy(),) != tensor.shape
    }


def samples(tensor, count):
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


def run(spec, attributes, types, arrays):
    (result,) = spec.reference(attributes, types, arrays, StepContext())
    return result


def known_tensors(graph, sample):
    """Every value of a run of the reference arithmetic, node by node."""
    known = {name: value.data for name, value in graph.values.items() if value.data is not None}
    known[graph.inputs[0].name] = sample
    for node in graph.nodes:
        reads = [known[name] for name in node.inputs]
        types = graph.types(node.inputs)
        known[node.outputs[0]] = run(REGISTRY[node.operator], node.attributes, types, reads)
    return known


def int8_logits(graph, known, tensor):
    """What the head would make if its result were the file's."""
    (head,) = (node for node in graph.nodes if node.layer == "head")
    attributes = PointwiseAttributes(Quantization(tensor.scales, tensor.zero_point))
    reads = [known[name] for name in head.inputs]
    return run(REGISTRY["pointwise"], attributes, graph.types(head.inputs), reads)
