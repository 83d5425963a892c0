"""Networks from files whose last layer makes one number: they estimate a value, and go on."""

from dataclasses import replace

import numpy as np
import onnx_drafts
import pytest
from tflite_files import regression

from experiments.common.paths import SHARED
from kilograd.compiler import compile_model
from kilograd.data import Dataset, Samples, with_value_range
from kilograd.data.samples import value_labels
from kilograd.device.open import open_device
from kilograd.errors import ModelError
from kilograd.frontend.open import input_spec, load_model
from kilograd.ir import LabelKind
from kilograd.measuring.firmware import measure
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.loop import TrainingOptions, train
from kilograd.training.rate import default_rate

HELLO_WORLD = SHARED / "models" / "zoo" / "tflite-micro__hello_world_int8.tflite"


def test_the_range_is_what_the_result_can_hold(load):
    draft = regression()
    result = draft.tensors[draft.outputs[0]]
    result.scales, result.zeros = (0.125,), (20,)
    graph = load(draft)
    assert graph.label_kind is LabelKind.VALUE
    assert graph.value_range == (-148 * 0.125, 148 * 0.125)
    assert graph.type_of(graph.outputs[0]).shape == (1,)


def test_the_range_of_an_onnx_file(tmp_path):
    path = str(onnx_drafts.regression().write(tmp_path / "net.onnx"))
    graph = load_model(path)
    low, high = graph.value_range
    assert (graph.label_kind, low) == (LabelKind.VALUE, -high)


def test_the_logit_is_in_units_of_half_the_range(load):
    """So that a rate suits all: the same file in other units learns the same."""
    logits = []
    for unit in (1, 1000):
        draft = regression()
        head = draft.operators[-1]
        for number in (head.inputs[1], head.outputs[0]):
            tensor = draft.tensors[number]
            tensor.scales = tuple(scale * unit for scale in tensor.scales)
        bias = draft.tensors[head.inputs[2]]
        bias.scales = tuple(scale * unit for scale in bias.scales)
        graph = load(draft)
        program = compile_model(graph, load_scheme("full", graph), get_target("host"))
        logits.append((default_rate(program), graph.value_range[1] / unit))
    assert logits[0][0] == logits[1][0]
    assert logits[0][1] == pytest.approx(logits[1][1])


def test_it_learns_alike_everywhere(load, learns_alike):
    learns_alike(load(regression()))


def test_classes_take_another_last_layer(load):
    assert load(regression(), 4).label_kind is LabelKind.CLASS


@pytest.mark.parametrize("kind", [LabelKind.CLASS, LabelKind.SET])
def test_its_own_last_layer_tells_no_classes_apart(kind, tmp_path):
    path = str(regression().write(tmp_path / "net.tflite"))
    with pytest.raises(ModelError, match="the last layer of this network estimates a value"):
        load_model(path, label_kind=kind)
    with pytest.raises(ModelError, match="the last layer of this network estimates values from"):
        load_model(path, label_kind=LabelKind.VALUE, value_range=(0, 1))


def test_hello_world_learns_the_cosine():
    if not HELLO_WORLD.is_file():
        pytest.skip(f"no models at {HELLO_WORLD.parent}")
    graph = load_model(str(HELLO_WORLD))
    program = compile_model(graph, load_scheme("full", graph), get_target("cortex-m7"))
    assert measure(program).sram_total_bytes <= 1392
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 1200)
    inputs = input_spec(graph).quantize(angles.reshape(-1, 1, 1, 1))
    labels = value_labels(0.9 * np.cos(angles), (-1, 1))
    parts = (Samples(inputs[part], labels[part]) for part in (slice(1000), slice(1000, None)))
    data = Dataset("cosine", *parts, ("cosine",), LabelKind.VALUE, (-1, 1))
    data = with_value_range(data, graph.value_range)
    with open_device(program, "host") as device:
        sine = replace(data, test=Samples(inputs, value_labels(np.sin(angles), graph.value_range)))
        options = TrainingOptions(10, default_rate(program))
        assert train(device, sine, replace(options, rate=0.0, epochs=1)).before.error < 0.03
        result = train(device, data, options)
    low, high = graph.value_range
    assert result.before.error * (high - low) > 0.8
    assert result.after.error * (high - low) < 0.03
    assert result.after.explained > 0.99
