"""Networks from files that make their samples again: they learn what is normal."""

import json

import numpy as np
import onnx_drafts
import pytest
from micro import assert_same_bytes
from onnx_files import Draft as OnnxDraft
from PIL import Image
from runtime import compare
from tflite_drafts import ended
from tflite_files import RELU, Draft

from autoencoders import waves
from experiments.common.paths import SHARED
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.frontend.open import input_spec, load_model
from kilograd.ir import LabelKind, Quantization
from kilograd.passes.verify import verify
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.rate import default_rate

ECG = SHARED / "data" / "ecg5000.npz"
ECG_MODEL = SHARED / "models" / "zoo" / "mltk__autoencoder_example.tflite"


def numbers(scale=0.015, zero=4, width=24, **last):
    """Dense layers, as of a sensor's samples."""
    draft = Draft((1, width), scale=0.015, zero=-4)
    x = draft.dense(0, 16, FusedActivationFunction=RELU, scale=0.03, zero=-128)
    x = draft.dense(x, 8, FusedActivationFunction=RELU, scale=0.03, zero=-128)
    draft.dense(x, width, scale=scale, zero=zero, **last)
    for operator in draft.operators:  # room for what is learned
        weight = draft.tensors[operator.inputs[1]]
        weight.data, weight.scales = weight.data // 2, tuple(0.01 for _ in weight.scales)
    return draft


def shares():
    """The same with a sigmoid at its end."""
    draft = numbers(scale=0.05)
    draft.append("LOGISTIC", draft.outputs, (1, 24), scale=1 / 256, zero=-128)
    return draft


def picture():
    """A map that is halved, doubled, and made again."""
    draft = Draft((1, 6, 8, 3))
    x = draft.conv(0, (1, 3, 4), 6, (3, 3), (2, 2), FusedActivationFunction=RELU)
    size = draft.constant("size", np.array([6, 8], np.int32))
    table = "ResizeNearestNeighborOptions"
    x = draft.append("RESIZE_NEAREST_NEIGHBOR", [x, size], (1, 6, 8, 6), table=table)
    draft.conv(x, (1, 6, 8), 3)
    return draft


def behind_a_reshape():
    """A sample of one dimension, put into another shape at both ends."""
    draft = Draft((1, 6, 4, 1))
    x = draft.dense(draft.reshape(0, (1, 24)), 5)
    draft.reshape(draft.dense(x, 24), (1, 6, 4, 1))
    return draft


DRAFTS = {
    "numbers": numbers,
    "shares": shares,
    "picture": picture,
    "behind a reshape": behind_a_reshape,
    "clamped": lambda: numbers(zero=-128, FusedActivationFunction=RELU),
}


@pytest.mark.parametrize("what", DRAFTS)
def test_a_network_that_makes_its_sample_again(load, learns_alike, what):
    graph = load(DRAFTS[what]())
    assert graph.label_kind is LabelKind.ANOMALY
    assert graph.nodes[-1].operator == "reconstruction_error"
    assert graph.type_of(graph.outputs[0]).shape == (1,)
    assert graph.nodes[-1].inputs[1] == "input"
    low, high = graph.value_range
    assert low == -high
    assert np.log2(high) == int(np.log2(high))
    assert learns_alike(graph)


@pytest.mark.oracle
@pytest.mark.parametrize("what", DRAFTS)
def test_it_has_the_bytes_of_tensorflow_lite_micro(what, tmp_path):
    assert_same_bytes(DRAFTS[what]().write(tmp_path / "net.tflite"), 6)


def test_the_unit_is_a_power_of_two_that_holds_the_result(load):
    graph = load(numbers(scale=0.015, zero=4))
    assert graph.value_range == (-2, 2)  # at most 132 · 0.015 = 1.98
    made = graph.type_of(graph.nodes[-1].inputs[0])
    assert (made.scale, made.zero_point) == (np.float32(0.015) / 2, 4)
    assert load(shares()).value_range == (-1, 1)


def test_a_file_in_other_units_learns_the_same(tmp_path):
    """Decibels or millivolts: the same int8 numbers, rate and state."""
    found = []
    for unit in (1, 8):
        draft = numbers()
        for tensor in draft.tensors:
            is_last = tensor in (draft.tensors[draft.outputs[0]], draft.tensors[0])
            if is_last or tensor is draft.tensors[draft.operators[-1].inputs[1]]:
                tensor.scales = tuple(scale * unit for scale in tensor.scales)
        first = draft.tensors[draft.operators[0].inputs[1]]
        first.scales = tuple(scale / unit for scale in first.scales)
        graph = load_model(str(draft.write(tmp_path / "net.tflite")))
        program = compile_model(graph, load_scheme("head", graph), get_target("host"))
        with open_device(program, "host") as device:
            device.initialize(0)
            rate = LearningRate.from_float(0.01)
            steps = [int(device.train_step(x, 0, rate)[0]) for x in waves(20).inputs]
            found.append((default_rate(program), steps, device.read_state()))
        assert graph.value_range[1] == 2 * unit
    assert found[0] == found[1]


def test_what_else_a_network_may_be(load):
    classifier = numbers()
    classifier.softmax(classifier.outputs[0])
    assert load(classifier).label_kind is LabelKind.CLASS
    assert load(numbers(width=24), 3).label_kind is LabelKind.CLASS
    draft = Draft((1, 24))
    draft.dense(draft.dense(0, 8), 23)
    assert load(draft).label_kind is LabelKind.CLASS
    one = Draft((1, 1))
    one.dense(one.dense(0, 4), 1)
    assert load(one).label_kind is LabelKind.VALUE
    assert load(ended(Draft((1, 6, 8, 3)), 0)).label_kind is LabelKind.CLASS


def onnx_draft():
    draft = OnnxDraft((1, 24))
    x = draft.relu(draft.gemm("sample_q", 12))
    return draft.finish(draft.gemm(x, 24))


def test_an_onnx_file(tmp_path, learns_alike):
    graph = load_model(str(onnx_draft().write(tmp_path / "net.onnx")))
    verify(graph, "reading")
    assert graph.label_kind is LabelKind.ANOMALY
    assert learns_alike(graph)
    assert load_model(str(tmp_path / "net.onnx"), 5).label_kind is LabelKind.CLASS
    regression = onnx_drafts.regression().write(tmp_path / "value.onnx")
    assert load_model(str(regression)).label_kind is LabelKind.VALUE


@pytest.mark.oracle
def test_an_onnx_file_against_onnxruntime():
    rng = np.random.default_rng(0)
    found = compare(onnx_draft().content(), [rng.uniform(-2, 2, (1, 24)).astype(np.float32)] * 20)
    assert found.alone.elements > 0
    assert found.alone.most <= 1
    assert found.alone.share < 0.01


@pytest.fixture
def model(tmp_path):
    return numbers().write(tmp_path / "again.tflite")


@pytest.fixture
def pack(tmp_path):
    samples, path = waves(400), tmp_path / "waves.npz"
    names = np.array(["Normal", "fast"])
    split = (np.arange(400) % 4 == 0).astype(int)
    arrays = {"inputs": samples.inputs, "labels": samples.labels, "split": split}
    np.savez(path, class_names=names, **arrays)
    return path


def test_the_command_learns_what_is_normal(command, model, pack, tmp_path):
    state, log, report = (tmp_path / name for name in ("a.kgs", "a.jsonl", "a.html"))
    options = ["--scheme", "full", "--epochs", 10, "--lr", 0.05, "--json"]
    kept = ["--save", state, "--log", log, "--report", report]
    code, result, said = command("train", model, "--data", pack, *options, *kept)
    assert code == 0, said
    assert "makes its samples again: it learns what is Normal" in said
    moved = "60 training samples are not Normal: they are tested on instead"
    assert result["samples"]["notes"] == [moved]
    assert result["classes"] == ["Normal", "fast"]
    assert (result["train_samples"], result["test_samples"]) == (240, 160)
    assert result["error_after"] < result["error_before"] / 2
    assert result["auc_after"] > 0.99 > result["auc_before"]
    assert result["auc_by_class_after"] == [None, result["auc_after"]]
    assert result["detection_rate_after"] > 0.9
    assert result["above_by_class_after"][0] == result["false_alarm_rate_after"]
    assert "mean error on 160 test samples: " in said
    assert "(AUC " in said
    assert "how badly samples are made again" in said
    last = json.loads(log.read_text().splitlines()[-1])
    assert last["test_error"] * 4 == pytest.approx(result["error_after"])
    assert "<h2>Normal and unusual samples</h2>" in report.read_text()

    _, told, _ = command("evaluate", model, "--data", pack, "--state", state, "--all", "--json")
    assert told["threshold"] == result["threshold_after"]
    assert told["samples"] == 400
    assert "recall" not in told

    out = tmp_path / "c"
    assert command("compile", model, "--state", state, "-o", out)[0] == 0
    header = (out / "kg_model.h").read_text()
    assert f"#define KG_THRESHOLD {result['threshold_after']}\n" in header
    assert '#define KG_CLASS_NAMES {"Normal"}' in header

    _, many, _ = command("train", model, "--data", pack, *options, "--folds", 2)
    assert many["error_mean"] < result["error_before"]
    assert "confusion" not in many


def test_other_anomalies_than_were_known(command, kilograd, model, pack, tmp_path):
    state, other = tmp_path / "a.kgs", tmp_path / "other.npz"
    assert command("train", model, "--data", pack, "--save", state, "--json")[0] == 0
    inputs = waves(40).inputs
    labels, split = np.arange(40) % 3, np.ones(40, int)
    np.savez(
        other, inputs=inputs, labels=labels, split=split, class_names=["dull", "normal", "odd"]
    )
    _, told, said = command("evaluate", model, "--data", other, "--state", state, "--json")
    assert told["classes"] == ["normal", "dull", "odd"], said
    assert len(told["above_by_class"]) == 3
    np.savez(other, inputs=inputs, labels=labels, split=split, class_names=["a", "b", "c"])
    said = kilograd("evaluate", model, "--data", other, "--state", state, "--json").refused().err
    assert "nothing says which class is normal" in said
    assert 'call the class of normal ones "normal"' in said


def test_normal_samples_alone_and_classes(command, kilograd, model, tmp_path):
    path, samples = tmp_path / "one.npz", waves(40)
    np.savez(path, inputs=samples.inputs, labels=np.zeros(40, int), class_names=np.array(["good"]))
    code, result, said = command("train", model, "--data", path, "--json")
    assert code == 0, said
    assert result["auc_after"] is result["detection_rate_after"] is None
    assert result["false_alarm_rate_after"] is not None
    said = kilograd("train", model, "--data", path, "--fresh-head", "--json").refused().err
    assert "the pack has 1 classes; at least two are needed" in said

    np.savez(path, inputs=samples.inputs, labels=np.arange(40) % 2, class_names=["a", "b"])
    code, result, said = command("train", model, "--data", path, "--json")
    assert 'could learn what is normal, if a class were called "normal"' in said
    assert "accuracy_after" in result


def test_inspect_says_what_it_is(command, kilograd, model):
    _, told, _ = command("inspect", model, "--json")
    assert told["label_kind"] == "anomaly"
    shown = kilograd("inspect", model)
    said = " ".join((shown.out + shown.err).split())
    assert "samples are made again, in -2 to 2, to learn what is normal" in said


def test_pictures_are_predicted(command, kilograd, tmp_path):
    """A network that makes pictures again says of each file how unusual it is."""
    model = picture().write(tmp_path / "picture.tflite")
    for name, level in (("normal", 90), ("other", 200)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(8):
            pixels = np.full((6, 8, 3), level + 5 * number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    data, state = tmp_path / "data", tmp_path / "p.kgs"
    options = ["--scheme", "full", "--epochs", 30, "--save", state, "--json"]
    code, result, said = command("train", model, "--data", data, *options)
    assert code == 0, said
    code, told, said = command("predict", model, data, "--state", state, "--json")
    assert code == 0, said
    assert len(told["predictions"]) == 16
    for prediction in told["predictions"]:
        is_above = prediction["logits"][0] > result["threshold_after"]
        assert prediction["is_anomaly"] == is_above
        assert prediction["error"] > 0
    _, told, _ = command("predict", model, data, "--json")
    assert {one["is_anomaly"] for one in told["predictions"]} == {None}
    shown = kilograd("predict", model, data, "--state", state)
    assert "(normal)" in shown.out


def test_heart_beats():
    """A published network, and beats of one heart; needs ../shared."""
    if not ECG_MODEL.is_file() or not ECG.is_file():
        pytest.skip("no heart beats here")
    graph = load_model(str(ECG_MODEL))
    assert input_spec(graph).shape == (1, 1, 140)
    program = compile_model(graph, load_scheme("last:3", graph), get_target("host"))
    assert default_rate(program) == 0.015
    assert graph.type_of(graph.nodes[-1].inputs[0]).quantized() == Quantization((1 / 256,), -128)
