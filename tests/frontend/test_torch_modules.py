"""from_torch: a small network of PyTorch, trained a little, against its int8 graph."""

import sys

import numpy as np
import pytest
from runtime import compare

import kilograd
from kilograd.errors import DataError, ModelError
from kilograd.frontend.open import load_model
from kilograd.ir import LabelKind
from kilograd.measuring.equivalence import verify_devices

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
nn = torch.nn

from torch_modules import (  # noqa: E402 - once PyTorch is known to be there
    SHAPE,
    Compared,
    Mean,
    fitted,
    mobile_network,
    of_vectors,
    preactivated,
    samples,
    shuffled,
    trained,
)


@pytest.fixture(scope="module")
def module():
    return trained(nn.Sequential(nn.AvgPool2d(8), nn.Flatten()))


def agreement(module, graph, count=200):
    """Shares of the same class, and of the right class, in float and in int8."""
    inputs, labels = samples(count, 999)
    with torch.no_grad():
        theirs = module(torch.from_numpy(inputs)).numpy().argmax(1)
    int8 = kilograd.input_spec(graph).quantize(inputs.transpose(0, 2, 3, 1))
    program = kilograd.compile_model(graph, kilograd.load_scheme("head", graph))
    with kilograd.open_device(program, "host") as device:
        device.initialize(seed=1)
        ours = np.array([device.predict(sample).argmax() for sample in int8])
    return np.mean(ours == theirs), np.mean(theirs == labels), np.mean(ours == labels)


def assert_learned_and_trains(module, graph, least):
    """A graph keeps what its module learned, which is something, and trains whole."""
    same, float_accuracy, int8_accuracy = agreement(module, graph)
    assert same > 0.95
    assert float_accuracy > least
    assert int8_accuracy > float_accuracy - 0.04
    program = kilograd.compile_model(graph, kilograd.load_scheme("full", graph))
    assert verify_devices(program, ["reference", "host"], steps=2).identical


def test_a_module_becomes_a_graph(module, tmp_path):
    path = tmp_path / "int8.onnx"
    module.train()
    graph = kilograd.from_torch(module, torch.from_numpy(samples(100, 1)[0]), save=path)
    assert module.training
    module.eval()
    assert graph.name == "Network"
    assert [node.operator for node in graph.nodes] == [
        "conv",
        *("pointwise", "depthwise", "pointwise", "add") * 2,
        *("pointwise", "average_pool", "dense"),
    ]
    names = [node.layer for node in graph.nodes]
    assert names[:4] == ["stem.0", "blocks.0.body.0", "blocks.0.body.3", "blocks.0.body.6"]
    same, float_accuracy, int8_accuracy = agreement(module, graph)
    assert same > 0.97
    assert int8_accuracy > float_accuracy - 0.03
    assert float_accuracy > 0.9
    assert load_model(str(path)).nodes == graph.nodes


@pytest.mark.oracle
def test_the_figures_of_the_page_on_onnx_files(module, tmp_path):
    path = tmp_path / "int8.onnx"
    kilograd.from_torch(module, samples(100, 1)[0], save=path)
    found = compare(path.read_bytes(), list(samples(100, 999)[0][:, None]))
    assert found.alone.most == 1
    assert found.alone.share < 0.003
    assert found.chained.most <= 5
    assert found.chained.share < 0.02
    assert found.same_class >= 99


def test_it_is_trained_as_any_other(module):
    graph = kilograd.from_torch(module, samples(20, 1)[0], 5, name="mine")
    assert graph.name == "mine"
    assert graph.type_of(graph.outputs[0]).shape == (5,)
    program = kilograd.compile_model(graph, kilograd.load_scheme("last:2", graph))
    assert verify_devices(program, ["reference", "host"], steps=2).identical


@pytest.mark.parametrize("pool", [Mean(), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())])
def test_a_mean_over_the_map(pool):
    module = trained(pool)
    graph = kilograd.from_torch(module, samples(100, 1)[0])
    same, float_accuracy, int8_accuracy = agreement(module, graph)
    assert same > 0.97
    assert int8_accuracy > float_accuracy - 0.03


def test_activations_and_gates():
    module = fitted(mobile_network)
    graph = kilograd.from_torch(module, samples(100, 1)[0])
    lookups = [n.attributes.function.name for n in graph.nodes if n.operator == "lookup"]
    assert [name for name in lookups if name not in {"logistic", "hard_sigmoid"}] == [
        *("hard_swish", "swish", "leaky_relu", "elu", "tanh")
    ]
    assert sum(node.operator == "multiply" for node in graph.nodes) == 2  # of the gates
    assert_learned_and_trains(module, graph, least=0.9)


def test_maps_that_are_compared_and_repeated():
    module = fitted(Compared)
    graph = kilograd.from_torch(module, samples(100, 1)[0])
    operators = [node.operator for node in graph.nodes]
    assert {"maximum", "subtract", "add", "lookup"} < {*operators}
    # Resized, repeated in its rows, and a factor for each position; the factors of channels not.
    assert operators.count("upsample") == 2
    assert operators.count("multiply") == 2
    assert_learned_and_trains(module, graph, least=0.6)


@pytest.mark.parametrize(
    ("make", "operators"),
    [
        (
            preactivated,
            [
                *("depthwise", "conv", "lookup", "depthwise", "conv", "lookup", "depthwise"),
                *("average_pool", "dense"),
            ],
        ),
        (
            of_vectors,
            [
                *("conv", "lookup", "lookup", "multiply"),
                *("max_pool", "requantize", "depthwise", "dense"),
            ],
        ),
    ],
)
def test_normalizations_that_are_no_part_of_a_layer(make, operators):
    module = fitted(make)
    graph = kilograd.from_torch(module, samples(100, 1)[0])
    assert [node.operator for node in graph.nodes] == operators
    assert_learned_and_trains(module, graph, least=0.7)


def test_pictures_through_a_narrow_map_and_back():
    """A decoder of transposed convolutions: what PyTorch makes again, int8 makes again."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 6, 3, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 4, 3, 2, 1, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 1, 3, 1, 1),
        nn.Sigmoid(),
    )
    inputs = np.random.default_rng(1).uniform(0, 1, (64, 1, 12, 10)).astype(np.float32)
    graph = kilograd.from_torch(module, inputs)
    assert graph.label_kind is LabelKind.ANOMALY
    with torch.no_grad():
        made = module(torch.from_numpy(inputs)).numpy()
    errors = np.square(made - inputs).mean(axis=(1, 2, 3))
    program = kilograd.compile_model(graph, kilograd.load_scheme("full", graph))
    int8 = kilograd.input_spec(graph).quantize(inputs.transpose(0, 2, 3, 1))
    with kilograd.open_device(program, "host") as device:
        device.initialize(seed=1)
        found = np.array([int(device.predict(sample)[0]) for sample in int8]) * 2.0**-28
    assert np.abs(found / errors - 1).max() < 0.05
    assert verify_devices(program, ["reference", "host"], steps=2).identical


def test_channels_that_are_split_and_shuffled():
    module = fitted(shuffled)
    graph = kilograd.from_torch(module, samples(100, 1)[0])
    of_channels = [n.operator for n in graph.nodes if n.operator.startswith("channel_")]
    block = ("channel_slice", "channel_slice", "channel_shuffle")
    # Two shuffles that follow each other are one.
    assert of_channels == [*block * 2, "channel_slice"]
    assert_learned_and_trains(module, graph, least=0.6)


def test_pixels_may_stand_for_other_numbers(module, tmp_path):
    inputs = samples(100, 1)[0]
    graph = kilograd.from_torch(module, inputs, pixel_range=(0, 1), save=tmp_path / "int8.onnx")
    assert graph.pixel_range == (0, 1)
    assert load_model(str(tmp_path / "int8.onnx")).pixel_range == (0, 1)
    sample = graph.inputs[0].type
    ends = tuple((end - sample.zero_point) * sample.scale for end in (-128, 127))
    assert kilograd.from_torch(module, inputs).pixel_range == ends
    with pytest.raises(DataError, match="each channel needs two finite numbers"):
        kilograd.from_torch(module, inputs, pixel_range=(1.0, 1.0))


def refused(module, calibration):
    with pytest.raises(ModelError) as error:
        kilograd.from_torch(module, calibration)
    assert error.value.where == type(module).__name__
    return str(error.value)


def test_samples_that_do_not_suit(module):
    assert "are int64 of the shape [4], and must be float" in refused(module, np.arange(4))
    assert "the calibration samples hold NaN" in refused(module, np.full((1, *SHAPE), np.nan))
    assert "PyTorch cannot export this module: " in refused(module, np.ones((1, 5, 4, 4)))


def test_a_layer_that_cannot_be_carried_is_named():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(torch.sinh(self.conv(x)).mean((2, 3)))

    message = refused(Odd(), samples(4, 1)[0])
    assert "(Sinh, " in message
    assert "kilograd has no such operator" in message


@pytest.mark.parametrize("package", ["torch", "onnxscript"])
def test_a_missing_package_is_named(module, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    message = refused(module, np.ones((1, *SHAPE), np.float32))
    assert f"reading a PyTorch module needs the package {package}, which is not" in message
    assert "hint: pip install torch onnxscript 'kilograd[quantize]'" in message


def test_pytorch_is_imported_for_nothing_else():
    assert kilograd.from_torch.__module__ == "kilograd.quantization.pytorch"
    code = "import kilograd, sys; kilograd.from_torch; assert 'torch' not in sys.modules"
    import subprocess  # noqa: PLC0415 - for this test only

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
