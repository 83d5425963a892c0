"""Files that import, against TensorFlow Lite Micro: every byte of every activation."""

from contextlib import suppress

import numpy as np
import pytest

from conftest import MODELS
from kilograd.errors import ModelError
from kilograd.frontend.lowering import Lowering
from kilograd.frontend.lowering.ends import find_ends
from kilograd.frontend.lowering.refusals import Refuser
from kilograd.frontend.open import load_model
from kilograd.frontend.tflite import read_tflite
from kilograd.ir import Quantization
from kilograd.ops import REGISTRY
from kilograd.ops.pointwise.op import PointwiseAttributes
from kilograd.ops.spec import StepContext

pytestmark = pytest.mark.oracle

SAMPLES = 4

IMPORTED = (
    "mlperftiny_kws_ref_model",
    "mlperftiny_pretrainedResnet_quant",
    "mlperftiny_vww_96_int8",
    "tflm_person_detect",
    "zoo/mltk__autoencoder_example",
    "zoo/mltk__keyword_spotting_alexa",
    "zoo/tflite-micro__hello_world_int8",
    "zoo/tiny__model_ToyCar_quant_fullint_micro_intio",
    "zoo/tiny__str_ww_ref_model",
)


def interpreter(path):
    """TensorFlow Lite Micro with its reference kernels, which keeps every tensor."""
    micro = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    config = micro.InterpreterConfig.kPreserveAllTensors
    content = path.read_bytes()
    return micro.Interpreter.from_bytes(content, intrepreter_config=config)


def samples(tensor):
    """Noise, and maps that are smooth enough to leave the zero point, by turns."""
    rng = np.random.default_rng(1)
    for number in range(SAMPLES):
        if tensor.dtype == "float32":
            yield rng.uniform(-1, 1, tensor.shape).astype(np.float32)
        elif number % 2:
            noise = rng.normal(rng.uniform(-60, 60), rng.uniform(5, 60), tensor.shape)
            yield np.clip(noise, -128, 127).astype(np.int8)
        else:
            yield rng.integers(-128, 128, tensor.shape).astype(np.int8)


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


@pytest.mark.parametrize("name", IMPORTED)
def test_every_tensor_has_the_bytes_of_tensorflow_lite_micro(name):
    path = MODELS / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"no models at {MODELS}")
    micro = interpreter(path)
    network = read_tflite(path)
    ends = find_ends(network, Refuser(network, name))
    lowering = Lowering(network, name)
    graph = lowering.graph(None)
    computed = {number for layer in network.layers for number in layer.outputs}
    compared = computed.intersection(lowering.values) - set(lowering.pads)
    assert {graph.nodes[-1].layer, *(lowering.values[n] for n in compared)} >= {
        node.layer for node in graph.nodes
    }
    (head,) = network.layers[ends.head].outputs
    for sample in samples(network.tensors[network.inputs[0]]):
        micro.set_input(sample, 0)
        micro.invoke()
        expected = {
            number: np.array(micro.GetTensor(number, 0)["tensor_data"]).ravel()
            for number in compared | {head}
        }
        given = expected.get(ends.sample, sample).reshape(graph.inputs[0].type.shape)
        known = known_tensors(graph, given)
        for number in compared:
            value = lowering.values[number]
            assert np.array_equal(known[value].ravel(), expected[number]), (number, value)
        logits = int8_logits(graph, known, network.tensors[head])
        assert np.array_equal(logits.ravel(), expected[head])


def test_no_other_file_imports():
    files = sorted(MODELS.rglob("*.tflite"))
    if not files:
        pytest.skip(f"no models at {MODELS}")
    imported = set()
    for path in files:
        with suppress(ModelError):
            load_model(str(path))
            imported.add(path.relative_to(MODELS).with_suffix("").as_posix())
    assert imported == set(IMPORTED)
