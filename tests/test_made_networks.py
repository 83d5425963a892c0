"""Autoencoders that come from no file, and learn from nothing."""

import hashlib

import numpy as np
import pytest

from autoencoders import waves
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.errors import ModelError
from kilograd.frontend.open import input_spec, load_model
from kilograd.ir import DType
from kilograd.ir.text import contents
from kilograd.ops.spec import StepContext
from kilograd.scheme import load_scheme
from kilograd.targets import get_target


def test_an_untrained_autoencoder_is_the_same_everywhere():
    graph = load_model("autoencoder-24-16-8")
    shapes = [value.type.shape for value in graph.constants if value.type.dtype is DType.INT8]
    assert shapes == [(16, 24), (8, 16), (16, 8), (24, 16)]
    weights = np.concatenate([contents(graph)[f"dense_{k}.weight"].ravel() for k in range(4)])
    assert (weights.min(), weights.max()) == (-63, 63)
    assert abs(weights.mean()) < 3
    assert hashlib.sha256(weights.tobytes()).hexdigest().startswith("ba1cb1a3b37f89fb")
    assert (graph.name, graph.value_range) == ("autoencoder-24-16-8", (-4, 4))
    spec = input_spec(graph)
    assert spec.quantize(np.array([-4.0, 0, 1, 9])).tolist() == [-128, 0, 32, 127]


def test_an_untrained_autoencoder_begins_with_results_of_some_size():
    """So that gradients flow: hidden layers and results are neither dead nor at their ends."""
    compiled = compile_model(
        load_model("autoencoder-64-32-8"),
        load_scheme("full", load_model("autoencoder-64-32-8")),
        get_target("host"),
    )
    rng = np.random.default_rng(1)
    with open_device(compiled, "reference") as device:
        device.initialize(0)
        for sample in input_spec(compiled.graph).quantize(rng.normal(0, 1, (5, 1, 1, 64))):
            values = device.run_all(sample, StepContext())
            for layer in ("dense_0", "dense_2"):
                assert 0.15 < (values[layer] > -128).mean() < 0.9
            assert 5 < values["dense_1"].astype(int).std() < 60
            assert 3 < values["dense_3"].astype(int).std() < 60
            assert np.abs(values["dense_3"].astype(int)).max() < 127


@pytest.mark.parametrize("name", ["autoencoder", "autoencoder-9", "autoencoder-1-4"])
def test_widths_that_cannot_be(name):
    with pytest.raises(ModelError, match="has 2 to 8 widths of 1 to 4096, and at least 2 for its"):
        load_model(name)
    with pytest.raises(ModelError, match="has 2 to 8 widths"):
        load_model("autoencoder-99999-4")
    with pytest.raises(ModelError, match="tells no classes apart"):
        load_model("autoencoder-24-8", 3)
    with pytest.raises(ModelError, match="neither a model file nor a known model"):
        load_model("autoencoder-24-x")


def test_the_command_needs_no_network(kilograd, tmp_path):
    """Vectors of real numbers, and a network that nobody has trained before."""
    samples, pack, state = waves(400), tmp_path / "waves.npz", tmp_path / "w.kgs"
    inputs = samples.inputs.reshape(400, 24) / 32.0
    names = np.array(["normal", "fast"])
    np.savez(pack, inputs=inputs.astype(np.float32), labels=samples.labels, class_names=names)
    options = ["--epochs", 10, "--save", state, "--json"]
    result = kilograd("train", "autoencoder-24-16-8", "--data", pack, *options).json
    assert result["auc_after"] > 0.99 > result["auc_before"]
    assert result["error_after"] < result["error_before"] / 2
    options = ["--data", pack, "--state", state, "--json"]
    told = kilograd("evaluate", "autoencoder-24-16-8", *options).json
    assert told["auc"] == result["auc_after"]
    measured = kilograd("measure", "autoencoder-24-16-8", "--json").json
    assert measured["scheme"] == result["scheme"] == "full"
    assert measured["sram_total_bytes"] < 5000

    np.savez(pack, inputs=inputs, labels=samples.labels, class_names=np.array(["a", "b"]))
    said = kilograd("train", "autoencoder-24-16-8", "--data", pack, "--json").refused().err
    assert "an untrained autoencoder learns what is normal, and tells no classes apart" in said
    assert 'call the class of normal samples "normal"' in said
    np.savez(pack, inputs=inputs[:, :20], labels=samples.labels, class_names=names)
    said = kilograd("train", "autoencoder-24-16-8", "--data", pack, "--json").refused().err
    assert "inputs has shape (400, 1, 1, 20) instead of (n, 1, 1, 24)" in said
