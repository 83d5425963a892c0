"""What was learned survives: state files, and runs that go on."""

import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilograd.compiler import compile_model
from kilograd.data import Dataset, Samples
from kilograd.device.open import open_device
from kilograd.errors import DataError
from kilograd.frontend.open import load_model
from kilograd.scheme import load_scheme
from kilograd.training.divergence import DivergenceMonitor
from kilograd.training.loop import train
from kilograd.training.state_file import MAGIC, is_state_file, read_state_file
from networks import blobs, native_model
from state_cases import OPTIONS, WILD, interrupted, saved, tiny_program, whole


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def program(model):
    return tiny_program(model)


@pytest.fixture(scope="module")
def dataset(program):
    train_split, test_split = (Samples(*blobs(program.request.graph, n, seed=n)) for n in (40, 12))
    return Dataset("blobs", train_split, test_split, ("left", "right"))


def same(one, other):
    assert one.state_digest == other.state_digest
    assert one.after.confusion.tolist() == other.after.confusion.tolist()
    assert one.before.confusion.tolist() == other.before.confusion.tolist()
    assert list(one.online_accuracy) == list(other.online_accuracy)
    assert list(one.losses) == list(other.losses)
    assert list(one.divergences) == list(other.divergences)


@pytest.mark.parametrize("options", [OPTIONS, WILD], ids=["calm", "wild"])
@pytest.mark.parametrize("asked", [0, 5, 12, 13, 40, 70, 99, 131, 133, 140])
def test_a_run_goes_on_to_the_same_end(program, dataset, options, asked, tmp_path):
    expected = whole(program, dataset, options)
    error = interrupted(program, dataset, options, asked)
    assert error.steps == min(max(asked - 12, 0), error.total)
    file = tmp_path / "a.kgs"
    saved(program, error.state, error.unfinished).write(file)
    unfinished = read_state_file(file).unfinished
    assert unfinished.state == error.state
    same(whole(program, dataset, options, unfinished=unfinished), expected)


def test_wild_runs_do_diverge(program, dataset):
    assert whole(program, dataset, WILD).divergences


def test_a_run_goes_on_on_any_device_and_any_number_of_times(program, dataset):
    expected = whole(program, dataset, WILD)
    error = interrupted(program, dataset, WILD, 40, device="unicorn")
    for device, asked in (("reference", 25), ("host", 30)):
        error = interrupted(
            program, dataset, WILD, asked, unfinished=error.unfinished, device=device
        )
    same(whole(program, dataset, WILD, unfinished=error.unfinished, device="qemu"), expected)


def test_counters_are_those_of_the_whole_run(program, dataset):
    with open_device(program, "host") as device:
        train(device, dataset, OPTIONS)
        expected = device.counters().training
    error = interrupted(program, dataset, OPTIONS, 50)
    with open_device(program, "host") as device:
        train(device, dataset, OPTIONS, unfinished=error.unfinished)
        assert device.counters().training.plus(error.unfinished.counters) == expected


def test_a_monitor_tells_all_that_it_knows(program, dataset):
    with open_device(program, "host") as device:
        device.initialize(0)
        rate = OPTIONS.learning_rate(100)
        monitor = DivergenceMonitor(device, rate)
        for sample, label in zip(dataset.train.inputs[:30], dataset.train.labels, strict=False):
            device.train_step(sample, int(label), monitor.rate)
            monitor.after_step()
        other = DivergenceMonitor(device, rate)
        other.resume(monitor.watch)
        assert other.watch == monitor.watch


@pytest.fixture(scope="module")
def contents(program, dataset):
    error = interrupted(program, dataset, OPTIONS, 40)
    return saved(program, error.state, error.unfinished).encode()


def test_files_say_again_what_was_written(program, dataset, tmp_path):
    error = interrupted(program, dataset, WILD, 60)
    for unfinished in (None, error.unfinished):
        one = saved(program, error.state, unfinished)
        one.write(tmp_path / "a.kgs")
        other = read_state_file(tmp_path / "a.kgs")
        assert is_state_file(tmp_path / "a.kgs")
        assert (other.origin, other.history, other.state) == (one.origin, one.history, one.state)
        assert other.encode() == one.encode()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: b"", "this is no state file of kilograd"),
        (lambda c: b"JFIF" + c, "this is no state file of kilograd"),
        (lambda c: c.replace(b"\r\n", b"\n"), "this is no state file of kilograd"),
        (lambda c: c[:10], "the state file is cut off"),
        (lambda c: c[:-1], "the state file is damaged or cut off: its checksum is wrong"),
        (lambda c: c[:900] + bytes([c[900] ^ 1]) + c[901:], "its checksum is wrong"),
        (lambda c: MAGIC + c[8:12], "the state file is cut off"),
    ],
)
def test_damaged_files_are_refused(contents, tmp_path, damage, message):
    file = tmp_path / "a.kgs"
    file.write_bytes(damage(contents))
    with pytest.raises(DataError) as refusal:
        read_state_file(file)
    assert message in refusal.value.what
    assert refusal.value.where == str(file)


def rewritten(contents, change):
    """The same file with another header, and a checksum that fits."""
    length = int.from_bytes(contents[8:12], "little")
    header = json.loads(contents[12 : 12 + length])
    change(header)
    text = json.dumps(header).encode()
    body = MAGIC + len(text).to_bytes(4, "little") + text + contents[12 + length : -4]
    return body + zlib.crc32(body).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h.update(format=2), "this version reads format 3, arithmetic"),
        (lambda h: h.update(numerics=1), "(format 3, arithmetic 1)"),
        (lambda h: h.pop("origin"), "the state file is damaged: 'origin'"),
        (lambda h: h["parts"].update(state=5), "its parts have"),
        (lambda h: h["parts"].update(state=-5), "the state file is damaged"),
        (lambda h: h["history"]["options"].update(epochs=0), "epochs must be at least 1"),
        (lambda h: h["history"]["options"].update(colour=3), "the state file is damaged"),
        (lambda h: h["origin"].update(resolution=[1]), "the state file is damaged"),
        (
            lambda h: h["origin"].update(pixel_range=[0, 1, 2]),
            "its pixels stand for [0.0, 1.0, 2.0]",
        ),
        (lambda h: h["origin"].update(pixel_range=[1, 0]), "the state file is damaged"),
        (lambda h: h["origin"].update(label_kind="sets"), "'sets' is not a valid LabelKind"),
        (lambda h: h["origin"].update(value_range=[1, 1]), "its values are from 1.0 to 1.0"),
        (lambda h: h["unfinished"]["watch"].pop("rate"), "the state file is damaged"),
        (lambda h: h["unfinished"]["before"].update(estimates=[1]), "the state file is damaged"),
    ],
)
def test_headers_that_make_no_sense(contents, tmp_path, change, message):
    file = tmp_path / "a.kgs"
    file.write_bytes(rewritten(contents, change))
    with pytest.raises(DataError) as refusal:
        read_state_file(file)
    assert message in refusal.value.what


@settings(max_examples=60)
@given(st.data())
def test_any_damage_is_an_error_and_no_crash(contents, tmp_path_factory, data):
    mutable = bytearray(contents)
    for _ in range(data.draw(st.integers(1, 4))):
        mutable[data.draw(st.integers(0, len(mutable) - 1))] ^= data.draw(st.integers(1, 255))
    file = tmp_path_factory.getbasetemp() / "damaged.kgs"
    file.write_bytes(bytes(mutable[: data.draw(st.integers(0, len(mutable)))]))
    with pytest.raises(DataError):
        read_state_file(file)


def test_what_is_no_file(tmp_path):
    with pytest.raises(DataError, match="the state file cannot be read: No such file"):
        read_state_file(tmp_path / "nothing.kgs")
    with pytest.raises(DataError, match="the state file cannot be read: Is a directory"):
        read_state_file(tmp_path)
    assert not is_state_file(tmp_path)


@pytest.mark.parametrize("device", ["reference", "host", "unicorn"])
def test_a_program_can_start_with_what_was_learned(program, dataset, device):
    learned = whole(program, dataset, OPTIONS)
    started = program.starting_from(learned.state)
    assert started.model_id == program.model_id
    with open_device(started, device) as one, open_device(program, "host") as other:
        other.write_state(learned.state)
        for sample in dataset.test.inputs:
            assert np.array_equal(one.predict(sample), other.predict(sample))
        assert one.read_state()[12:] == learned.state[12:]
        assert one.read_state()[:8] == bytes(8)


def test_states_that_no_program_can_start_with(model, program, dataset):
    state = whole(program, dataset, OPTIONS).state
    with pytest.raises(DataError, match=f"has {len(state)} bytes, not 9"):
        program.starting_from(state[:9])
    graph = load_model(str(model), 3)
    three = compile_model(graph, load_scheme("head", graph))
    with open_device(three, "host") as device:
        device.set_active_classes(2)
        fewer = device.read_state()
    with pytest.raises(DataError, match="the state knows 2 of 3 classes"):
        three.starting_from(fewer)
