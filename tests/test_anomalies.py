"""Networks that make their samples again: what they learn, what they find, and their C."""

import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from applications import needs, run_here
from autoencoders import RANGE, autoencoder, learned, program, wave_data
from kilograd import export_c
from kilograd.codegen.sources import RUNTIME
from kilograd.data import Samples, as_anomalies, folds, hold_back, normal_class
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.errors import DataError, ModelError, UserError
from kilograd.export import export_weights
from kilograd.frontend.open import load_model
from kilograd.ir import DType, LabelKind, Quantization, TensorType
from kilograd.ir.text import contents, parse_graph, print_graph
from kilograd.measuring.equivalence import verify_devices
from kilograd.measuring.firmware import measure
from kilograd.ops import REGISTRY
from kilograd.ops.loss.reconstruction import (
    SPIKE,
    ReconstructionAttributes,
    ReconstructionLossAttributes,
)
from kilograd.ops.spec import StepContext
from kilograd.scheme import load_scheme
from kilograd.search.tasks import make_task
from kilograd.training.anomalies import Detection, Reconstructions, threshold_of
from kilograd.training.epochs import FEW_SAMPLES_EPOCHS, default_epochs
from kilograd.training.loop import TrainingOptions, evaluate, train
from kilograd.training.rate import default_rate
from kilograd.training.state_file import read_state_file
from kilograd.training.stream import OnlineOptions, make_online
from networks import native_model
from operators import real
from state_cases import interrupted, saved, whole

ERROR, LOSS = REGISTRY["reconstruction_error"], REGISTRY["reconstruction_loss"]
int8s = st.integers(-128, 127)
scales = st.floats(2**-12, 1)


@given(
    st.lists(st.tuples(int8s, int8s), min_size=1, max_size=40),
    st.tuples(scales, int8s),
    st.tuples(scales, int8s),
    st.floats(1, 16),
)
def test_error_and_gradient_are_those_of_the_real_formula(pairs, made, given_, unit):
    arrays = [np.array(column, np.int8) for column in zip(*pairs, strict=True)]
    types = [
        TensorType((len(pairs),), DType.INT8, Quantization((scale,), zero))
        for scale, zero in (made, given_)
    ]
    x, sample = (real.dequantize(*one) for one in zip(arrays, types, strict=True))
    differences = x - sample / unit

    (error,) = ERROR.reference(ReconstructionAttributes(unit), types, arrays, StepContext())
    expected = np.square(np.clip(differences, -2, 2)).mean()
    assert int(error[0]) * 2.0**-28 == pytest.approx(expected, abs=2.0**-12 * (1 + expected))

    types.append(TensorType((1,), DType.INT32, Quantization((2.0**-28,), 0)))
    context = StepContext(7, 3)
    gradient, exponent = LOSS.reference(
        ReconstructionLossAttributes(unit, 1), types, [*arrays, error], context
    )
    step = 2.0 ** int(exponent[0])
    assert np.abs(gradient * step - np.clip(differences, -1, 1)).max() < step + 2.0**-20
    assert np.abs(gradient).max() >= 63 or np.abs(differences).max() < 2.0**-22
    assert context.counters.loss_spikes == (error[0] >= SPIKE)


def test_what_cannot_be_compared_is_refused():
    types = [TensorType((size,), DType.INT8, Quantization((0.1,), 0)) for size in (5, 6)]
    with pytest.raises(ValueError, match="5 elements are no sample of 6"):
        ERROR.infer(ReconstructionAttributes(1.0), types)
    wide = TensorType((5,), DType.INT32, Quantization((0.1,), 0))
    with pytest.raises(ValueError, match="must be int8"):
        ERROR.infer(ReconstructionAttributes(1.0), [types[0], wide])
    coarse = TensorType((5,), DType.INT8, Quantization((3.0,), 0))
    with pytest.raises(ValueError, match="a step of int8 must be between"):
        ERROR.infer(ReconstructionAttributes(1.0), [coarse, types[0]])
    with pytest.raises(ValueError, match="an error must be int32 with scale"):
        LOSS.infer(ReconstructionLossAttributes(1.0, 0), [types[0], types[0], wide])
    with pytest.raises(NotImplementedError, match="reconstruction_error is no loss"):
        ERROR.begin(autoencoder(), 0)


def test_graphs_are_printed_and_read():
    graph = autoencoder()
    assert "\nanomalies -2.0, 2.0\n" in print_graph(graph)
    read = parse_graph(print_graph(graph), contents(graph), REGISTRY)
    assert (read.label_kind, read.value_range) == (LabelKind.ANOMALY, RANGE)
    assert print_graph(read) == print_graph(graph)


def test_nothing_trained_in_front_of_the_result():
    """The error is the last node, and a scheme names none of it."""
    assert load_scheme("head", autoencoder()).biases == ("dense_3",)


def test_other_networks_cannot_learn_what_is_normal(tmp_path):
    path = native_model().write(tmp_path / "tiny.npz")
    with pytest.raises(ModelError, match="is learned by networks that make their samples again"):
        load_model(str(path), label_kind=LabelKind.ANOMALY)


@pytest.mark.parametrize("name", ["reference", "host", "unicorn", "qemu"])
def test_only_normal_samples_are_learned(name):
    sample, rate = learned(1, 0).train.inputs[0], LearningRate.from_float(0.5)
    with open_device(program("host" if name == "host" else "cortex-m7"), name) as device:
        assert (device.label_kind, device.class_count) == (LabelKind.ANOMALY, 1)
        device.initialize(0)
        before = device.predict(sample)
        assert device.train_step(sample, 0, rate).tolist() == before.tolist()
        assert device.predict(sample)[0] < before[0]
        with pytest.raises(DataError, match="label 1 is that of an anomaly: only normal samples"):
            device.train_step(sample, 1, rate)
        device.write_state(device.read_state())


@pytest.mark.parametrize("scheme", ["head", "full"])
def test_devices_agree(scheme):
    compiled = program(scheme=scheme)
    assert verify_devices(compiled, ["reference", "host", "unicorn", "qemu"], steps=6).identical


def test_the_error_is_that_of_the_sample_and_what_is_made_of_it():
    compiled = program("host")
    graph, sample = compiled.graph, learned().train.inputs[0]
    with open_device(compiled, "reference") as device:
        device.initialize(0)
        values = device.run_all(sample, StepContext())
    node = next(node for node in graph.nodes if node.operator == "reconstruction_error")
    made, given_ = (real.dequantize(values[n], graph.type_of(n)) for n in node.inputs)
    expected = np.square(made.ravel() - given_.ravel() / RANGE[1]).mean()
    assert int(values[node.outputs[0]][0]) * 2.0**-28 == pytest.approx(expected, rel=1e-3)


def test_normal_samples_come_first_and_alone():
    data = wave_data(50, 20)
    moved = as_anomalies(replace(data, class_names=("Fast", "Normal")), RANGE)
    assert (moved.class_names, moved.label_kind) == (("Normal", "Fast"), LabelKind.ANOMALY)
    assert (len(moved.train), set(moved.train.labels)) == (10, {0})
    assert np.bincount(moved.test.labels).tolist() == [4, 16 + 40]
    assert moved.notes == ("40 training samples are not Normal: they are tested on instead",)
    assert moved.name_of(1) == "Fast"
    assert np.array_equal(moved.train.inputs, data.train.inputs[data.train.labels == 1])
    assert [len(part.train) for part in folds(moved, 2, 0)] == [5, 5]
    assert len(hold_back(moved, 0.2, 0).test) == 2


def test_which_class_is_normal():
    data = wave_data(20, 10)
    alone = replace(data, class_names=("good", "bad"), train=data.train.chosen([0, 1]))
    assert normal_class(data) == "normal"
    assert normal_class(alone) == "good"
    assert normal_class(replace(alone, train=data.train)) is None
    assert normal_class(replace(alone, train=data.train.chosen([]), class_names=("x",))) == "x"
    assert normal_class(replace(data, label_kind=LabelKind.SET)) is None
    assert as_anomalies(replace(data, class_names=("a", "b")), RANGE, "b").class_names[0] == "b"
    with pytest.raises(DataError, match="nothing says which class is normal") as caught:
        as_anomalies(replace(data, class_names=("a", "b")), RANGE)
    assert caught.value.hint == 'call the class of normal ones "normal"'
    with pytest.raises(DataError, match="have sets of labels, and what is normal is a class"):
        as_anomalies(replace(data, label_kind=LabelKind.SET), RANGE)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=20),
    st.lists(st.integers(0, 9), min_size=1, max_size=20),
)
def test_auc_is_the_share_of_pairs_in_order(normal, others):
    rows = [(0, error) for error in normal] + [(2, error) for error in others]
    found = Detection(np.zeros((0, 0), np.int64), scores=np.array(rows), threshold=4)
    pairs = [(other > one) + (other == one) / 2 for one in normal for other in others]
    assert found.auc == pytest.approx(np.mean(pairs))
    assert found.auc_of(2) == found.auc
    assert found.auc_of(1) is None
    assert found.share_above(0) == pytest.approx(np.mean([one > 4 for one in normal]))
    assert found.share_above() == found.share_above(2)
    assert found.count == len(rows)


def test_thresholds_and_figures():
    errors = np.arange(1, 202)
    assert threshold_of(errors) == 199
    assert threshold_of(errors[:200]) == 199
    assert (errors <= 199).mean() >= 0.99
    assert threshold_of(errors[:3]) == 3
    assert threshold_of(errors[:0]) is None
    found = Reconstructions().evaluation([(np.array([1 << 26], np.int32), 0)])
    assert found.error == 0.25  # half a unit, of a range of two
    assert Reconstructions().score(np.array([1 << 26]), 0) == 0.25
    assert Reconstructions().loss(np.array([1 << 26]), 0) == 0.125
    figures = found.figures(RANGE)
    assert figures["error"] == 1
    assert figures["auc"] is figures["detection_rate"] is figures["threshold"] is None
    none = Reconstructions().evaluation([])
    assert (none.count, none.error, none.auc, none.share_above(0)) == (0, 0, None, None)
    assert none.has_errors
    with pytest.raises(ValueError, match="have errors, and no accuracy"):
        _ = found.accuracy


def test_what_is_normal_is_learned():
    records = []
    data = learned()
    compiled = program("host")
    with open_device(compiled, "host") as device:
        options = TrainingOptions(10, default_rate(compiled))
        result = train(device, data, options, on_record=records.append)
        judged = evaluate(device, data.test)
    before, after = result.before, result.after
    assert after.error < before.error / 4
    assert before.auc < 0.6
    assert after.auc > 0.99
    assert after.share_above() > 0.95
    assert after.share_above(0) < 0.05
    assert after.threshold < before.threshold
    assert np.array_equal(judged.scores, after.scores)
    assert (len(result.online_error), list(result.online_accuracy)) == (10 * 320, [])
    assert records[-1].test_error == after.error
    with open_device(compiled, "host") as device:
        device.initialize(0)
        device.write_state(result.state)
        errors = evaluate(device, data.train).of(0)
    assert after.threshold == threshold_of(errors)
    assert 0.985 <= (errors <= after.threshold).mean() < 1


def test_the_rate_does_the_same_from_frozen_layers():
    """Samples go once through the layers that are frozen; the sample itself is kept beside them."""
    data, digests = learned(60, 20), set()
    for name in ("reference", "host"):
        with open_device(program("host", "last:2"), name) as device:
            digests.add(train(device, data, TrainingOptions(2, 0.01)).state_digest)
    assert len(digests) == 1


def test_memory_is_planned_with_the_sample_in_it():
    found = measure(program())
    assert found.sram_total_bytes < 6000
    with pytest.raises(UserError, match="here labels are those of normal samples alone"):
        _ = program().memory_sample_bytes


@pytest.mark.parametrize("asked", [30, 100, 500, 900])
def test_a_run_goes_on_to_the_same_end(asked, tmp_path):
    data, options, compiled = learned(), TrainingOptions(2, 0.01), program()
    expected = whole(compiled, data, options)
    error = interrupted(compiled, data, options, asked)
    saved(compiled, error.state, error.unfinished).write(tmp_path / "a.kgs")
    kept = read_state_file(tmp_path / "a.kgs")
    assert (kept.origin.label_kind, kept.origin.value_range) == (LabelKind.ANOMALY, RANGE)
    assert kept.threshold is None
    resumed = whole(compiled, data, options, unfinished=kept.unfinished)
    assert resumed.state_digest == expected.state_digest
    for one, other in ((resumed.before, expected.before), (resumed.after, expected.after)):
        assert one.threshold == other.threshold
        assert one.scores.tolist() == other.scores.tolist()


def test_a_state_keeps_its_threshold(tmp_path):
    compiled = program()
    with open_device(compiled, "host") as device:
        device.initialize(0)
        state = device.read_state()
    replace(saved(compiled, state), threshold=12_345).write(tmp_path / "a.kgs")
    assert read_state_file(tmp_path / "a.kgs").threshold == 12_345


def test_what_needs_classes_says_so():
    data = learned(20, 10)
    with pytest.raises(DataError, match="a search compares by the right class, and these"):
        make_task(data)
    with pytest.raises(DataError, match="a stream learns one class a sample, and these"):
        make_online(data, None, OnlineOptions(0.01, 0))
    wrong = replace(data, train=Samples(data.train.inputs, data.train.labels + 1))
    with (
        open_device(program("host"), "host") as device,
        pytest.raises(DataError, match="that of an anomaly"),
    ):
        train(device, wrong, TrainingOptions())


def test_a_sample_that_is_compared_in_the_end_does_not_come_by_rows():
    with pytest.raises(UserError, match="cannot be streamed into dense_0, since error reads it"):
        program(scheme="head", row_input=True)


def test_weights_of_an_autoencoder(tmp_path):
    export_weights(program("host"), tmp_path / "w.npz")
    with np.load(tmp_path / "w.npz") as found:
        assert found["dense_3.weight"].shape == (24, 16, 1, 1)


@needs("gcc")
@pytest.mark.parametrize("threshold", [None, 4321])
def test_the_example_learns_what_is_normal(tmp_path, threshold):
    compiled = program("portable")
    export_c(compiled, tmp_path / "c", threshold=threshold)
    header = (tmp_path / "c" / "kg_model.h").read_text()
    assert "#define KG_ANOMALY 1" in header
    assert ("#define KG_THRESHOLD 4321" in header) == (threshold is not None)
    readme = (tmp_path / "c" / "README.md").read_text()
    assert "int32_t how_unusual(void)" in readme
    assert ("`KG_THRESHOLD`, 4,321, was exceeded by" in readme) == (threshold is not None)
    assert "kg_classify" not in readme
    sources = sorted((tmp_path / "c").rglob("*.c"))
    flags = "-O1 -Wall -Wextra -Wpedantic -Wconversion -Werror"
    output = run_here("gcc", f"{flags} -I{tmp_path / 'c'}", sources, tmp_path)
    assert "self-test: passed" in output
    told = re.search(r"samples: (\d+) before learning, (\d+) after, (\d+) restored; of", output)
    before, after, restored = map(int, told.groups())
    assert after == restored < before / 2
    assert int(re.search(r"what is above (\d+) may be taken", output)[1]) > after


@needs("gcc")
@given(st.lists(st.integers(0, 2**30), max_size=400) | st.lists(st.integers(0, 3), max_size=1700))
@settings(max_examples=10, deadline=None)
def test_thresholds_in_c_are_those_of_python(threshold_program, errors):
    given_ = "".join(f"{error}\n" for error in errors)
    done = subprocess.run(
        [threshold_program], input=given_, check=True, capture_output=True, text=True
    )
    found = [int(line) for line in done.stdout.split()]
    assert found[0] == 2**31 - 1
    for count in {1, 2, 100, 101, 102, len(errors)} & {*range(1, 1601)} & {*range(len(errors) + 1)}:
        assert found[count] == threshold_of(np.array(errors[:count]))
    assert len(found) == len(errors) + 1


@pytest.fixture(scope="module")
def threshold_program(tmp_path_factory):
    """Prints the threshold before anything, and after each error that it reads."""
    folder = tmp_path_factory.mktemp("threshold")
    (folder / "main.c").write_text(
        '#include <stdio.h>\n#include "kg_threshold.h"\nint main(void)\n{\n'
        "    kg_threshold t;\n    int error;\n    kg_threshold_begin(&t);\n"
        '    printf("%d\\n", (int)kg_threshold_get(&t));\n'
        '    while (scanf("%d", &error) == 1) {\n        kg_threshold_add(&t, error);\n'
        '        printf("%d\\n", (int)kg_threshold_get(&t));\n    }\n    return 0;\n}\n'
    )
    flags = [
        "-O1",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Wconversion",
        "-Werror",
        "-fsanitize=undefined,address",
    ]
    program = folder / "threshold"
    subprocess.run(["gcc", *flags, f"-I{RUNTIME}", folder / "main.c", "-o", program], check=True)
    return program


def test_few_normal_samples_are_seen_many_times():
    assert default_epochs(learned(20, 5)) == FEW_SAMPLES_EPOCHS
    assert default_epochs(learned(400, 5)) == 1
