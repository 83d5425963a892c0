"""Samples with several labels at once, or none: data, loss, devices, C, command and report."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from applications import needs, run_here
from data_packs import SPEC, refused
from kilograd import export_c
from kilograd.compiler import compile_model
from kilograd.data import Dataset, Samples, load_dataset
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.errors import DataError, ModelError
from kilograd.frontend.open import load_model
from kilograd.ir import DType, LabelKind, Quantization, TensorType
from kilograd.ir.text import contents, parse_graph, print_graph
from kilograd.measuring.equivalence import verify_devices
from kilograd.ops import REGISTRY
from kilograd.ops.loss.label_sets import sigmoid
from kilograd.ops.spec import RngAttributes, StepContext
from kilograd.report.confusion import confusion
from kilograd.scheme import load_scheme
from kilograd.search.tasks import make_task
from kilograd.targets import get_target
from kilograd.training.answers import LabelSets
from kilograd.training.loop import TrainingOptions, train
from kilograd.training.stream import OnlineOptions, make_online
from networks import native_model

LABELS = ("left", "middle", "right")
LOSS = REGISTRY["sigmoid_cross_entropy"]
int32s = st.integers(-(2**31), 2**31 - 1) | st.integers(-(2**20), 2**20)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def program(model):
    graph = load_model(str(model), 3, label_kind=LabelKind.SET)
    return compile_model(graph, load_scheme("last:3", graph), get_target("cortex-m7"))


def stripes(count, seed=0):
    """Samples with a bright stripe for each label that applies. With rows of 0 and 1."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 2, (count, 3))
    inputs = rng.integers(-30, 31, (count, 16, 16, 3))
    for k in range(3):
        inputs[rows[:, k] == 1, :, 5 * k : 5 * k + 5] += 80
    return inputs.clip(-128, 127).astype(np.int8), rows


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "stripes.npz"
    inputs, rows = stripes(200)
    np.savez(path, inputs=inputs, labels=rows, class_names=np.array(LABELS))
    return path


def as_sets(rows):
    return (rows << np.arange(3)).sum(axis=1)


def test_rows_of_labels_become_sets(pack, model):
    spec = replace(SPEC, height=16, width=16)
    data = load_dataset(pack, spec)
    assert data.label_kind is LabelKind.SET
    assert data.class_names == LABELS
    inputs, rows = stripes(200)
    known = {x.tobytes(): label for x, label in zip(inputs, as_sets(rows), strict=True)}
    for samples in (data.train, data.test):
        assert [known[x.tobytes()] for x in samples.inputs] == samples.labels.tolist()
    assert (len(data.train), len(data.test)) == (150, 50)
    assert (data.name_of(0), data.name_of(5)) == ("none", "left, right")


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        (np.full((4, 3), 2), LABELS, "labels is int64 [4, 3], and not all of it is 0 or 1"),
        (np.zeros((4, 3)), LABELS, "labels is float64 [4, 3], and not all of it is 0 or 1"),
        (np.zeros((4, 32), np.int8), None, "labels has 32 classes, and sets have at most 31"),
        (np.zeros((4, 3), bool), LABELS[:2], "class_names has 2 names for 3 columns of labels"),
        (np.zeros((0, 3), bool), LABELS, "the pack has no samples"),
        (np.zeros((4, 1), bool), None, "the pack has 1 classes; at least two are needed"),
        (np.zeros((4, 3, 1), bool), LABELS, "labels is bool [4, 3, 1] instead of integers [n]"),
    ],
)
def test_rows_that_are_no_sets(tmp_path, labels, names, message):
    named = {} if names is None else {"class_names": np.array(names)}
    inputs = np.zeros((len(labels), 4, 4, 3), np.int8)
    np.savez(tmp_path / "wrong.npz", inputs=inputs, labels=labels, **named)
    assert refused(tmp_path / "wrong.npz").what == message


@given(st.lists(int32s, min_size=2, max_size=31), st.data())
def test_the_loss_is_that_of_each_label(logits, data):
    array = np.array(logits, np.int32)
    probabilities = sigmoid(array)
    real = array / 2.0**16
    exact = np.exp(-np.logaddexp(0, -real))
    assert np.abs(probabilities / 2**30 - exact).max() < 2.0**-18
    label = data.draw(st.integers(0, 2 ** len(logits) - 1))
    context = StepContext(3, 1, label)
    type_ = TensorType(array.shape, DType.INT32, Quantization((2.0**-16,)))
    gradient, exponent = LOSS.reference(RngAttributes(0), [type_], [array], context)
    applies = np.array([label >> k & 1 for k in range(len(logits))])
    expected = exact - applies
    unit = 2.0 ** int(exponent[0])
    assert np.abs(gradient * unit - expected).max() < unit + 2.0**-18
    assert np.all(gradient[applies == 1] <= 0)
    assert np.all(gradient[applies == 0] >= 0)


def test_more_labels_than_a_set_has(model):
    load_model(str(model), 31, label_kind=LabelKind.SET)
    with pytest.raises(ModelError, match="a set has at most 31 labels, and this network has 32"):
        load_model(str(model), 32, label_kind=LabelKind.SET)


def test_graphs_with_sets_are_printed_and_read(model):
    graph = load_model(str(model), 3, label_kind=LabelKind.SET)
    assert "\nlabel_sets\n" in print_graph(graph)
    read = parse_graph(print_graph(graph), contents(graph), REGISTRY)
    assert read.label_kind is LabelKind.SET
    assert print_graph(read) == print_graph(graph)
    assert "label_sets" not in print_graph(load_model(str(model), 3))


@pytest.mark.parametrize("device", ["reference", "host", "unicorn", "qemu"])
def test_labels_that_are_no_sets_are_refused(program, device):
    with open_device(program, device) as opened:
        assert opened.label_kind is LabelKind.SET
        opened.initialize(0)
        sample, rate = np.zeros((16, 16, 3), np.int8), LearningRate.from_float(0.1)
        opened.train_step(sample, 7, rate)
        for label in (-1, 8):
            with pytest.raises(DataError, match=f"label {label} is no set of classes: .* 0 to 7"):
                opened.train_step(sample, label, rate)


def test_devices_agree(program):
    found = verify_devices(program, ["reference", "host", "unicorn", "qemu"], steps=6)
    assert found.identical


@pytest.mark.parametrize("device", ["reference", "unicorn"])
def test_with_fewer_labels_the_others_stay(program, device):
    with open_device(program, "host") as host, open_device(program, device) as opened:
        sample, rate = stripes(1)[0][0], LearningRate.from_float(0.1)
        for each in (host, opened):
            each.initialize(0)
            each.set_active_classes(2)
            logits = each.train_step(sample, 3, rate)
            assert logits[2] == np.iinfo(np.int32).min
            with pytest.raises(DataError, match="0 to 3"):
                each.train_step(sample, 4, rate)
        assert host.read_state() == opened.read_state()


def test_every_label_is_learned(program, pack):
    data = load_dataset(pack, replace(SPEC, height=16, width=16))
    with open_device(program, "host") as device:
        result = train(device, data, TrainingOptions(12, 0.03))
    assert result.after.are_sets
    assert result.after.count == len(data.test)
    assert result.before.accuracy < 0.75
    assert result.after.accuracy > 0.95
    assert min(result.after.recall) > 0.9
    assert result.losses[0] == pytest.approx(3 * np.log(2), abs=0.01)
    assert np.mean(result.losses[-50:]) < 0.8

    rows = confusion(result, LABELS).labels
    assert [row.name for row in rows] == list(LABELS)
    for k, row in enumerate(rows):
        has = sum(int(label) >> k & 1 for label in data.test.labels)
        assert row.found + row.missed == has
        assert row.mistaken + row.absent == len(data.test) - has
        assert row.after == pytest.approx((row.found + row.absent) / len(data.test))


def test_answers_count_what_is_right():
    answers = LabelSets(3)
    logits = np.array([1, -1, np.iinfo(np.int32).min], np.int32)
    assert answers.score(logits, 0b001) == 1
    assert answers.score(logits, 0b110) == 0
    assert answers.score(logits, 0b011) == pytest.approx(2 / 3)
    assert answers.loss(np.array([0, 0, 0], np.int32), 5) == pytest.approx(3 * np.log(2))
    counts = answers.evaluation([(logits, 0b011)]).confusion
    assert counts.tolist() == [[[0, 0], [0, 1]], [[0, 0], [1, 0]], [[1, 0], [0, 0]]]


def test_what_needs_one_class_a_sample_says_so():
    inputs, rows = stripes(8)
    samples = Samples(inputs, as_sets(rows).astype(np.int32))
    data = Dataset("stripes", samples, samples, LABELS, label_kind=LabelKind.SET)
    with pytest.raises(DataError, match="a search compares by the right class") as refusal:
        make_task(data)
    assert refusal.value.where == "stripes"
    with pytest.raises(DataError, match="a stream learns one class a sample"):
        make_online(data, SPEC, OnlineOptions(0.01, 0))


@pytest.mark.thorough
@needs("gcc")
def test_the_example_learns_and_names_what_it_finds(tmp_path):
    graph = load_model("kilograd-48", 3, label_kind=LabelKind.SET)
    program = compile_model(graph, load_scheme("head", graph), get_target("portable"))
    export_c(program, tmp_path / "c", class_names=LABELS)
    assert "#define KG_LABEL_SETS 1" in (tmp_path / "c" / "kg_model.h").read_text()
    sources = sorted((tmp_path / "c").rglob("*.c"))
    output = run_here("gcc", f"-O1 -I{tmp_path / 'c'}", sources, tmp_path)
    assert "self-test: passed" in output
    told = re.search(r"of 36 labels: (\d+) before learning, (\d+) after, (\d+) restored", output)
    before, after, restored = map(int, told.groups())
    assert before == 24  # nothing is said to be there
    assert after > before
    assert restored == after


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-c", "from kilograd.cli import main; main()", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.thorough
def test_the_command_learns_them(model, pack, tmp_path):
    options = ["--scheme", "last:3", "--epochs", 12, "--lr", 0.03]
    run = command("train", model, "--data", pack, *options, "--json")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["accuracy_after"] > 0.95
    assert np.array(result["confusion_after"]).shape == (3, 2, 2)
    assert "found by mistake" in run.stderr

    wrong = command("train", model, "--data", pack, "--stream")
    assert wrong.returncode == 2
    assert "a stream learns one class a sample" in wrong.stderr

    out = tmp_path / "c"
    names = ["--class-names", ",".join(LABELS)]
    run = command("compile", model, *names, "--label-sets", "-o", out, "--scheme", "last:3")
    assert run.returncode == 0, run.stderr
    assert "KG_LABEL_SETS" in (out / "kg_model.h").read_text()

    many = command("measure", model, "--classes", 40, "--label-sets")
    assert many.returncode == 2
    assert "a set has at most 31 labels, and this network has 40 classes" in many.stderr
