"""The float32 baseline computes kilograd's network, and trains what the scheme trains."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.data import Dataset, Samples, load_dataset
from kilograd.device.host import HostDevice
from kilograd.errors import ModelError
from kilograd.frontend.builder import GraphBuilder
from kilograd.frontend.constant_channels import Parameters
from kilograd.frontend.open import input_spec, load_model
from kilograd.ir import Quantization
from kilograd.ops import REGISTRY
from kilograd.ops.spaced import SpacedWindow
from kilograd.scheme import Scheme, load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_host_library
from networks import blobs, native_model, tiny_graph

torch = pytest.importorskip("torch")
from kilograd.baselines import float32  # noqa: E402 - where torch is not, this line is not reached

F = torch.nn.functional

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"

#: Every way of training a layer: whole and in part, weight without bias and bias without weight.
PARTIAL = Scheme(
    "partial",
    ("stem", "blocks.0.pointwise2", "blocks.1.depthwise", "head"),
    {
        "stem": 0.4,
        "blocks.0.pointwise1": 0.5,
        "blocks.0.depthwise": 0.3,
        "blocks.1.pointwise1": 1.0,
        "head": 1.0,
    },
)


def device_logits(graph, inputs):
    program = compile_model(graph, load_scheme("bias:1", graph), get_target("host"))
    with HostDevice(
        build_host_library(program.for_target(get_target("host")).sources).path
    ) as device:
        device.initialize(0)
        return np.stack([device.predict(x) for x in inputs]) / 65536


def float_logits(network, inputs):
    with torch.no_grad():
        return network(*network.prefix(inputs)).numpy()


def correlation(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_forward_agrees_with_the_integers_on_photographs(published):
    if not (DATA / "imagenette128.npz").is_file():
        pytest.skip(f"no data packs at {DATA}")
    graph = load_model(str(published("mcunet-5fps")))
    samples = load_dataset(DATA / "imagenette128.npz", input_spec(graph), limit=0, test_limit=60)
    network = float32.Float32Network(graph, load_scheme("head", graph))
    integers = device_logits(graph, samples.test.inputs)
    real = float_logits(network, samples.test.inputs)
    assert np.mean(integers.argmax(1) == real.argmax(1)) > 0.8
    assert correlation(integers, real) > 0.98


def test_forward_agrees_with_the_integers_of_a_small_network(tmp_path):
    graph = tiny_graph(tmp_path)
    inputs, _ = blobs(graph, 40)
    network = float32.Float32Network(graph, load_scheme("head", graph))
    assert correlation(device_logits(graph, inputs), float_logits(network, inputs)) > 0.99


def test_forward_agrees_where_windows_are_dilated_and_strides_differ():
    rng = np.random.default_rng(5)

    def parameters(*shape, outputs):
        weight = rng.integers(-127, 128, shape).astype(np.int8)
        return Parameters(weight, np.zeros(outputs, np.int32), np.full(outputs, 3e-3))

    builder = GraphBuilder("spaced", 10, 9, 3, Quantization((0.03,), 0))
    output = Quantization((0.05,), -100)
    dilated = SpacedWindow(3, 3, 1, 2, 1, 2, 2, 1, 2, 2)
    x = builder.conv("dilated", "input", parameters(8, 3, 3, 3, outputs=8), dilated, output)
    strides = SpacedWindow(3, 2, 2, 1, 1, 0, 1, column_stride=1)
    x = builder.depthwise("strides", x, parameters(3, 2, 8, outputs=8), strides, output)
    x = builder.average_pool("pool", x)
    graph = builder.finish(builder.dense("head", x, parameters(4, 8, outputs=4)))
    inputs = rng.integers(-128, 128, (40, 10, 9, 3)).astype(np.int8)
    network = float32.Float32Network(graph, load_scheme("full", graph))
    assert correlation(device_logits(graph, inputs), float_logits(network, inputs)) > 0.98


@pytest.mark.parametrize("scheme", ["head", "bias:3", "last:5", "full"])
def test_the_cut_changes_no_logit(tmp_path, scheme):
    graph = tiny_graph(tmp_path)
    inputs, _ = blobs(graph, 7)
    whole = float32.Float32Network(graph, load_scheme("full", graph))
    cut = float32.Float32Network(graph, load_scheme(scheme, graph))
    np.testing.assert_array_equal(float_logits(cut, inputs), float_logits(whole, inputs))


def test_what_is_trained_is_what_the_compiler_trains(published):
    for scheme in ("mcunet-5fps/99kb", "mcunet-5fps/49kb"):
        graph = load_model(str(published("mcunet-5fps")), 10)
        network = float32.Float32Network(graph, load_scheme(scheme, graph))
        compiled = compile_model(graph, load_scheme(scheme, graph), get_target("host")).graph
        states = [s for s in compiled.states if s.name.endswith((".bias.delta", ".weight.delta"))]
        assert set(network.trained) == {s.name.removesuffix(".delta") for s in states}
        for state in states:
            name = state.name.removesuffix(".delta")
            start = compiled.values.get(f"{name}.base", state)  # a fresh head's base is zero
            real = start.array * np.reshape(start.type.scales, (-1, *[1] * (start.array.ndim - 1)))
            np.testing.assert_allclose(network.parameter(name).detach(), real, rtol=1e-6)


def naive_gradients(graph, inputs, labels):
    """Of the mean loss for every bias and weight, in double precision and PyTorch's own layout."""
    leaves, values = {}, {}
    (entry,) = graph.inputs
    x = torch.tensor(inputs.astype(np.float64)).permute(0, 3, 1, 2)
    values[entry.name] = (x - entry.type.zero_point) * entry.type.scale

    def leaf(name, order):
        value = graph.values[name]
        scales = np.reshape(value.type.scales, [-1, *[1] * (len(order) - 1)])
        array = value.array[:, :, None] if value.array.ndim == 3 else value.array
        real = torch.tensor(np.ascontiguousarray(np.transpose(array, order)) * scales)
        leaves[name] = real.requires_grad_()
        return leaves[name]

    for node in graph.nodes:
        x = values[node.inputs[0]]
        if node.operator == "add":
            y = x + values[node.inputs[1]]
        elif node.operator == "average_pool":
            y = x.mean((2, 3), keepdim=True)
        else:
            reads = REGISTRY[node.operator].inputs_of(node)
            bias = leaf(reads.bias, (0,))
            order = {"conv": (0, 3, 1, 2), "depthwise": (3, 2, 0, 1)}.get(node.operator, (0, 1))
            weight = leaf(reads.weight, order)
            if node.operator in ("pointwise", "dense"):
                y = torch.einsum("nchw,oc->nohw", x, weight) + bias[:, None, None]
            else:
                window = node.attributes.window
                groups = x.shape[1] if node.operator == "depthwise" else 1
                y = F.conv2d(x, weight, bias, window.stride, window.top, groups=groups)
        if node.operator not in ("dense", "average_pool"):
            quantization = node.attributes.output
            low, high = (quantization.scale * (q - quantization.zero_point) for q in (-128, 127))
            inside = (y > low) & (y < high)
            y = torch.where(inside, y, y.detach().clamp(low, high))
        values[node.outputs[0]] = y
    logits = values[graph.outputs[0]].flatten(1)
    F.cross_entropy(logits, torch.tensor(labels.astype(np.int64))).backward()
    return {name: tensor.grad for name, tensor in leaves.items()}


@pytest.mark.parametrize("scheme", [PARTIAL, "full", "last:4"])
def test_gradients_are_those_of_a_naive_model(tmp_path, scheme):
    graph = tiny_graph(tmp_path)
    scheme = load_scheme(scheme, graph) if isinstance(scheme, str) else scheme
    inputs, labels = blobs(graph, 12, classes=4)
    network = float32.Float32Network(graph, scheme)
    logits = network(*network.prefix(inputs))
    F.cross_entropy(logits, torch.tensor(labels.astype(np.int64))).backward()
    expected = naive_gradients(graph, inputs, labels)
    names = {f"{layer}.bias" for layer in scheme.biases}
    names |= {f"{layer}.weight" for layer in scheme.weights}
    assert set(network.trained) == names
    for name in names:
        whole = expected[name]
        part = network.trained[name].part(whole).numpy()
        gradient = network.parameter(name).grad.numpy()
        np.testing.assert_allclose(gradient, part, rtol=1e-3, atol=1e-5 * np.abs(part).max())
        assert np.abs(gradient).max() > 0


def test_channels_that_are_not_trained_stay(tmp_path):
    graph = tiny_graph(tmp_path)
    network = float32.Float32Network(graph, PARTIAL)
    name = "blocks.0.pointwise1.weight"
    before = network.whole(name).detach().clone()
    with torch.no_grad():
        network.parameter(name).add_(1.0)
    moved = (network.whole(name).detach() - before).numpy()
    channels = network.trained[name].channels.numpy()
    assert len(channels) == round(0.5 * moved.shape[1])
    expected = np.zeros_like(moved)
    expected[:, channels] = 1
    np.testing.assert_allclose(moved, expected, atol=1e-6)


@pytest.fixture
def easy(tmp_path):
    """A model file and two easily told classes."""
    path = native_model(classes=2).write(tmp_path / "tiny.npz")
    inputs, labels = blobs(load_model(str(path)), 93)
    train, test = Samples(inputs[:61], labels[:61]), Samples(inputs[61:], labels[61:])
    return str(path), Dataset("blobs", train, test, ("left", "right"))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_training_learns_and_repeats_itself(easy, optimizer):
    path, dataset = easy
    rate = {"sgd": 0.03, "momentum": 0.005, "adam": 0.003}[optimizer]
    options = {"epochs": 4, "rate": rate, "seed": 3, "optimizer": optimizer}
    accuracy = float32.train_float32(path, dataset, "last:3", **options)
    assert accuracy > 0.9
    assert float32.train_float32(path, dataset, "last:3", **options) == accuracy


def test_the_schedule_is_kilograds():
    options = float32.TrainingOptions(epochs=1, rate=0.5)
    rates = [float32.rate_at(options, step, 200) for step in range(200)]
    assert rates[:10] == pytest.approx([0.05 * (1 + step) for step in range(10)])
    assert rates[10] == pytest.approx(0.5)
    assert rates[105] == pytest.approx(0.25)
    assert 0 < rates[199] < 1e-4
    constant = replace(options, schedule="constant")
    assert float32.rate_at(constant, 0, 200) == 0.5


def test_an_unknown_operator_is_refused(tmp_path):
    graph = tiny_graph(tmp_path)
    nodes = tuple(
        replace(node, operator="maximum") if node.operator == "add" else node
        for node in graph.nodes
    )
    with pytest.raises(ModelError, match=r"blocks\.0\.add: maximum has no float32 counterpart"):
        float32.Float32Network(graph.with_nodes(nodes), load_scheme("head", graph))
