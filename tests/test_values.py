"""Values that a network estimates: data, loss, devices, C, command and report."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from applications import needs, run_here
from data_packs import SPEC, refused
from kilograd import export_c
from kilograd.compiler import compile_model
from kilograd.data import folds, hold_back, load_dataset, value_of
from kilograd.data.samples import value_labels, with_value_range
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.errors import DataError, ModelError, UserError
from kilograd.frontend.open import load_model
from kilograd.ir import DType, LabelKind, Quantization, TensorType
from kilograd.ir.text import contents, parse_graph, print_graph
from kilograd.measuring.equivalence import verify_devices
from kilograd.ops import REGISTRY
from kilograd.ops.spec import RngAttributes, StepContext
from kilograd.report.estimates import estimates
from kilograd.scheme import load_scheme
from kilograd.search.tasks import make_task
from kilograd.targets import get_target
from kilograd.training.answers import Evaluation, Values
from kilograd.training.loop import TrainingOptions, train
from kilograd.training.rate import default_rate
from kilograd.training.state_file import read_state_file
from kilograd.training.stream import OnlineOptions, make_online
from networks import native_model
from state_cases import interrupted, saved, whole

LOSS = REGISTRY["huber_loss"]
RANGE = (10.0, 40.5)
NARROW = "values from 4294967296.0 to 4294967299.0 are no range in float32, as firmware needs it"
int32s = st.integers(-(2**31), 2**31 - 1) | st.integers(-(2**17), 2**17)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def program(model):
    graph = load_model(str(model), 1, label_kind=LabelKind.VALUE, value_range=RANGE)
    return compile_model(graph, load_scheme("last:3", graph), get_target("cortex-m7"))


def bars(count, seed=0):
    """Samples whose left columns are bright, as many as their value says, and the values."""
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, 17, count)
    inputs = rng.integers(-30, 31, (count, 16, 16, 3))
    for index, bright in enumerate(columns):
        inputs[index, :, :bright] += 80
    return inputs.clip(-128, 127).astype(np.int8), 20 + 0.5 * columns


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "bars.npz"
    inputs, values = bars(300)
    np.savez(path, inputs=inputs, values=values, value_name="width")
    return path


@pytest.fixture(scope="module")
def data(pack):
    return load_dataset(pack, replace(SPEC, height=16, width=16))


def test_values_become_labels(data):
    assert (data.label_kind, data.class_names) == (LabelKind.VALUE, ("width",))
    assert data.value_range == (20, 28)
    inputs, values = bars(300)
    known = {x.tobytes(): value for x, value in zip(inputs, values, strict=True)}
    for samples in (data.train, data.test):
        found = [value_of(label, data.value_range) for label in samples.labels.tolist()]
        assert found == [known[x.tobytes()] for x in samples.inputs]
    assert (len(data.train), len(data.test)) == (225, 75)
    assert data.name_of(65_536) == "28"
    assert [len(part.test) for part in folds(data, 3, 0)] == [75, 75, 75]
    assert len(hold_back(data, 0.2, 0).test) == 45


def test_the_range_is_that_of_training_samples(tmp_path):
    inputs, split = np.zeros((4, 4, 4, 3), np.int8), np.array([0, 0, 1, 1])
    np.savez(tmp_path / "few.npz", inputs=inputs, values=[2, 4, -100, 100], split=split)
    spec = replace(SPEC, height=4, width=4)
    data = load_dataset(tmp_path / "few.npz", spec)
    assert (data.value_range, data.class_names) == ((2, 4), ("value",))
    assert data.test.labels.tolist() == [-103 * 65_536, 97 * 65_536]
    assert len(load_dataset(tmp_path / "few.npz", spec, limit=1).train) == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"values": np.zeros((4, 1))}, "values is float64 [4, 1] instead of numbers [n]"),
        ({"values": np.array(list("abcd"))}, "values is <U1 [4] instead of numbers [n]"),
        ({"values": np.array([0, 1, np.nan, 2])}, "sample 2 has the value nan"),
        ({"values": np.array([0, np.inf, 1, 2])}, "sample 1 has the value inf"),
        ({"values": np.full(4, 3.5)}, "all training samples have the value 3.5"),
        (
            {"values": 2.0**32 + np.arange(4)},
            NARROW,
        ),
        ({"values": np.zeros(0)}, "the pack has no samples"),
        ({"values": np.arange(4), "labels": np.arange(4)}, "the pack has labels and values"),
        ({"values": np.arange(3)}, "inputs has 4 samples for 3 labels"),
        (
            {"values": np.arange(4), "value_name": np.array(["a", "b"])},
            "value_name is <U1 [2] instead of one str",
        ),
    ],
)
def test_arrays_that_are_no_values(tmp_path, arrays, message):
    np.savez(tmp_path / "wrong.npz", inputs=np.zeros((4, 4, 4, 3), np.int8), **arrays)
    assert refused(tmp_path / "wrong.npz").what == message


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e6),
    st.lists(st.floats(-1, 2), min_size=1, max_size=8),
)
def test_a_label_is_its_value_to_the_last_bit_but_one(low, span, shares):
    value_range = (low, low + span)
    labels = value_labels(np.array([low + share * span for share in shares]), value_range)
    for share, label in zip(shares, labels.tolist(), strict=True):
        assert abs(value_of(label, value_range) - (low + share * span)) <= span / 2**17 * 1.001


def test_values_in_another_range(data):
    moved = with_value_range(data, (0, 100))
    assert moved.value_range == (0, 100)
    for samples, others in ((data.train, moved.train), (data.test, moved.test)):
        before = [value_of(label, (20, 28)) for label in samples.labels.tolist()]
        after = [value_of(label, (0, 100)) for label in others.labels.tolist()]
        assert np.abs(np.subtract(before, after)).max() <= 100 / 2**17
    assert with_value_range(data, (20, 28)) is data


@given(int32s, int32s)
def test_the_loss_is_hubers(logit, label):
    context = StepContext(3, 1, label)
    type_ = TensorType((1,), DType.INT32, Quantization((2.0**-16,)))
    array = np.array([logit], np.int32)
    gradient, exponent = LOSS.reference(RngAttributes(0), [type_], [array], context)
    error = (logit - label) / 2**16
    unit = 2.0 ** int(exponent[0])
    assert abs(int(gradient[0]) * unit - np.clip(error, -1, 1)) < unit
    assert abs(int(gradient[0])) >= 63 or error == 0
    assert context.counters.loss_spikes == (abs(error) >= 8)
    size = abs(error)
    expected = size**2 / 2 if size <= 1 else size - 0.5
    assert Values().loss(array, label) == pytest.approx(expected)
    assert Values().score(array, label) == pytest.approx(size / 2)


@pytest.mark.parametrize("classes", [2, 10])
def test_a_value_has_one_logit(model, classes):
    with pytest.raises(ModelError, match=f"a value has one logit, not {classes}"):
        load_model(str(model), classes, label_kind=LabelKind.VALUE)
    with pytest.raises(ModelError, match="a network needs 2 to 65536 classes, not 1"):
        load_model(str(model), 1)
    with pytest.raises(ModelError, match="the last layer of this network tells 4 classes apart"):
        load_model(str(model), label_kind=LabelKind.VALUE)
    with pytest.raises(ModelError, match="the range of values must rise"):
        load_model(str(model), 1, label_kind=LabelKind.VALUE, value_range=(1, 1))


def test_graphs_with_values_are_printed_and_read(program):
    graph = program.request.graph
    assert "\nvalues 10.0, 40.5\n" in print_graph(graph)
    read = parse_graph(print_graph(graph), contents(graph), REGISTRY)
    assert (read.label_kind, read.value_range) == (LabelKind.VALUE, RANGE)
    assert print_graph(read) == print_graph(graph)


@pytest.mark.parametrize("device", ["reference", "host", "unicorn", "qemu"])
def test_every_int32_is_a_label(program, device):
    with open_device(program, device) as opened:
        assert (opened.label_kind, opened.class_count) == (LabelKind.VALUE, 1)
        opened.initialize(0)
        opened.set_active_classes(1)
        sample, rate = np.zeros((16, 16, 3), np.int8), LearningRate.from_float(0.1)
        for label in (-(2**31), -1, 2**31 - 1):
            opened.train_step(sample, label, rate)
        opened.write_state(opened.read_state())
        assert opened.counters().training.loss_spikes == 2
        with pytest.raises(DataError, match=f"label {2**31} is no value"):
            opened.train_step(sample, 2**31, rate)


def test_devices_agree(program):
    assert verify_devices(program, ["reference", "host", "unicorn", "qemu"], steps=6).identical


def test_values_are_learned(program, data):
    records = []
    data = with_value_range(data, RANGE)
    with open_device(program, "host") as device:
        options = TrainingOptions(30, 0.03)
        result = train(device, data, options, on_record=records.append)
    assert result.after.count == len(data.test)
    assert result.before.error > 0.05
    assert result.after.error < 0.03
    assert result.after.explained > 0.85
    assert result.after.error == pytest.approx(
        np.abs(np.diff(result.after.estimates)).mean() / 2**17
    )
    assert (len(result.online_error), list(result.online_accuracy)) == (30 * 225, [])
    assert np.mean(result.losses[-225:]) < np.mean(result.losses[:225]) / 10
    assert records[0].test_error == result.before.error
    assert records[-2].running_error == pytest.approx(result.online_error[-1])
    assert all(record.running_accuracy is record.test_accuracy is None for record in records)
    with pytest.raises(ValueError, match="have errors, and no accuracy"):
        _ = result.after.accuracy

    drawn = estimates(result, "width", RANGE)
    assert [scatter.when for scatter in drawn.scatters] == ["before training", "after training"]
    assert drawn.shown == len(data.test)
    assert drawn.scatters[1].drawing.count("<circle") == len(data.test)
    assert float(drawn.scatters[1].error) == pytest.approx(30.5 * result.after.error, rel=0.01)


def test_evaluations_without_samples_and_of_classes():
    none = Evaluation(np.zeros((0, 0), np.int64), np.zeros((0, 2), np.int64))
    assert (none.count, none.error, none.explained) == (0, 0, None)
    same = Values().evaluation([(np.array([5], np.int32), 3), (np.array([1], np.int32), 3)])
    assert (same.error, same.explained) == (2 / 2**17, None)
    assert same.figures((0, 2**17)) == {"error": 2, "r2": None}
    with pytest.raises(ValueError, match="classes have an accuracy"):
        _ = Evaluation(np.eye(2, dtype=np.int64)).error


def test_the_default_rate_of_a_fresh_value_is_that_of_classes(program, model):
    graph = load_model(str(model), 3)
    classes = compile_model(graph, load_scheme("last:3", graph), get_target("cortex-m7"))
    assert default_rate(program) == default_rate(classes)


def test_what_needs_one_class_a_sample_says_so(data, program):
    with pytest.raises(DataError, match="a search compares by the right class, and these"):
        make_task(data)
    with pytest.raises(DataError, match="a stream learns one class a sample, and these"):
        make_online(data, SPEC, OnlineOptions(0.01, 0))
    with pytest.raises(UserError, match="balanced over classes, and here labels are values"):
        _ = program.memory_sample_bytes


@needs("gcc")
@pytest.mark.parametrize("rows", [False, True])
def test_the_example_learns_values(tmp_path, rows):
    graph = load_model("kilograd-48", 1, label_kind=LabelKind.VALUE, value_range=(-5, 1e3))
    scheme = load_scheme("last:3", graph)
    program = compile_model(graph, scheme, get_target("portable"), row_input=rows)
    export_c(program, tmp_path / "c", class_names=["load"])
    header = (tmp_path / "c" / "kg_model.h").read_text()
    assert "#define KG_VALUE_LOW (-5.0f)\n#define KG_VALUE_HIGH 1000.0f\n" in header
    assert "the load that is estimated" in (tmp_path / "c" / "README.md").read_text()
    sources = sorted((tmp_path / "c").rglob("*.c"))
    flags = "-O1 -Wall -Wextra -Wpedantic -Wconversion -Werror"
    output = run_here("gcc", f"{flags} -I{tmp_path / 'c'}", sources, tmp_path)
    assert "self-test: passed" in output
    told = re.search(r"range of 20 samples: (\d+) before learning, (\d+) after, (\d+) rest", output)
    before, after, restored = map(int, told.groups())
    assert before == 4  # the middle of the range is estimated
    assert after == restored > before
    assert "a sample of 246 is estimated at " in output


@needs("gcc")
def test_labels_in_c_are_those_of_python(tmp_path):
    graph = load_model("kilograd-48", 1, label_kind=LabelKind.VALUE, value_range=RANGE)
    program = compile_model(graph, load_scheme("head", graph), get_target("portable"))
    export_c(program, tmp_path / "c")
    values = [10, 25.25, 40.5, 0, 1e6, -1e6, 1e30, -1e30]
    written = ", ".join(f"{value!r}f" if "." in repr(value) else f"{value}.0f" for value in values)
    written = written.replace("1e+30.0f", "1e30f")
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "kilograd.h"\nint main(void)\n{\n'
        f"    const float values[] = {{{written}}};\n"
        "    for (int i = 0; i < 8; i++) {\n"
        "        const int32_t label = kg_value_label(values[i]);\n"
        '        printf("%d %.6f\\n", (int)label, (double)kg_value(&label));\n'
        "    }\n    return 0;\n}\n"
    )
    output = run_here("gcc", f"-O1 -I{tmp_path / 'c'}", [tmp_path / "main.c"], tmp_path)
    rows = [line.split() for line in output.splitlines()]
    labels = value_labels(np.array(values), RANGE).tolist()
    for (label, value), expected in zip(rows, labels, strict=True):
        assert int(label) == pytest.approx(expected, rel=1e-6, abs=1)
        assert float(value) == pytest.approx(value_of(int(label), RANGE), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("asked", [50, 200, 700])
def test_a_run_goes_on_to_the_same_end(program, data, asked, tmp_path):
    options = TrainingOptions(3, 0.03)
    expected = whole(program, data, options)
    error = interrupted(program, data, options, asked)
    saved(program, error.state, error.unfinished).write(tmp_path / "a.kgs")
    kept = read_state_file(tmp_path / "a.kgs")
    assert (kept.origin.label_kind, kept.origin.value_range) == (LabelKind.VALUE, RANGE)
    resumed = whole(program, data, options, unfinished=kept.unfinished)
    assert resumed.state_digest == expected.state_digest
    assert list(resumed.online_error) == list(expected.online_error)
    for one, other in ((resumed.before, expected.before), (resumed.after, expected.after)):
        assert one.estimates.tolist() == other.estimates.tolist()


def test_the_command_learns_and_evaluates(command, kilograd, model, pack, tmp_path):
    state, log, report = (tmp_path / name for name in ("v.kgs", "v.jsonl", "v.html"))
    options = ["--scheme", "last:3", "--epochs", 20, "--lr", 0.03, "--json"]
    kept = ["--save", state, "--log", log, "--report", report]
    code, result, said = command("train", model, "--data", pack, *options, *kept)
    assert code == 0, said
    assert result["value_range"] == [20, 28]
    assert result["error_after"] < 0.5 < result["error_before"]
    assert result["r2_after"] > 0.9
    assert "accuracy_after" not in result
    assert "mean error on 75 test samples: " in said
    assert "what was estimated, by fifths of the samples" in said
    last = json.loads(log.read_text().splitlines()[-1])
    assert last["test_error"] * 8 == pytest.approx(result["error_after"])
    page = report.read_text()
    assert "<h2>Estimates</h2>" in page
    assert "<h2>Confusion</h2>" not in page

    _, told, _ = command("evaluate", model, "--data", pack, "--state", state, "--json")
    assert told["error"] == pytest.approx(result["error_after"])
    assert "recall" not in told
    shown = kilograd("evaluate", model, "--data", pack, "--state", state)
    assert "mean error on 75 samples of bars: " in shown.out

    _, many, _ = command("train", model, "--data", pack, *options, "--folds", 2)
    assert many["error_mean"] < 1
    assert [set(fold) & {"error_after", "accuracy_after"} for fold in many["folds"]] == [
        {"error_after"}
    ] * 2

    out = tmp_path / "c"
    assert command("compile", model, "--state", state, "-o", out)[0] == 0
    assert "#define KG_VALUE_LOW 20.0f" in (out / "kg_model.h").read_text()


def test_options_that_contradict(kilograd, model, tmp_path):
    out = tmp_path / "c"
    for options, message in [
        (["--values", "1,0"], "--values: '1,0' is not a range of two numbers that rises"),
        (["--values", "1,2,3,4"], "--values: '1,2,3,4' is not a range of two numbers"),
        (["--values", "1e9,1000000001"], "--values: '1e9,1000000001' is no range in float32"),
        (["--values", "0,1e39"], "--values: '0,1e39' is no range in float32"),
        (["--values", "0,1", "--label-sets"], "a label is either a value or a set of classes"),
        (["--values", "0,1", "--keep-head"], "own last layer has a range of its own"),
        (["--values", "0,1", "--class-names", "a,b"], "2 class names for 1 classes"),
    ]:
        said = kilograd("compile", model, "-o", out, *options).refused().err
        assert message in " ".join(said.split())
        assert not out.exists()
