"""What was learned survives: state files, resumed runs, and what is done with them."""

import json
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from applications import needs, run_here
from kilograd.compiler import compile_model
from kilograd.data import Dataset, Samples, load_dataset, pack_digest
from kilograd.device.open import open_device
from kilograd.errors import DataError
from kilograd.frontend.open import input_spec, load_model
from kilograd.ops.spec import TrainingCounters
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.divergence import DivergenceMonitor
from kilograd.training.loop import Interrupted, TrainingOptions, train
from kilograd.training.state_file import (
    MAGIC,
    History,
    Origin,
    SavedState,
    is_state_file,
    read_state_file,
)
from networks import blobs, native_model

OPTIONS = TrainingOptions(3, 0.05, seed=7)
#: So high that runs diverge, and monitors have something to remember.
WILD = TrainingOptions(4, 8.0, seed=3)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def program(model):
    graph = load_model(str(model), 2)
    return compile_model(graph, load_scheme("last:3", graph), get_target("cortex-m7"))


@pytest.fixture(scope="module")
def dataset(program):
    train_split, test_split = (Samples(*blobs(program.request.graph, n, seed=n)) for n in (40, 12))
    return Dataset("blobs", train_split, test_split, ("left", "right"))


def stop_after(asked):
    """Stops a run when it has asked so often."""
    left = iter(range(asked))
    return lambda: next(left, None) is None


def interrupted(program, dataset, options, asked, *, unfinished=None, device="host"):
    with open_device(program, device) as opened, pytest.raises(Interrupted) as caught:
        train(opened, dataset, options, unfinished=unfinished, should_stop=stop_after(asked))
    return caught.value


def whole(program, dataset, options, *, unfinished=None, device="host"):
    with open_device(program, device) as opened:
        return train(opened, dataset, options, unfinished=unfinished)


def saved(program, state, unfinished=None):
    graph = program.request.graph
    origin = Origin(
        graph.name, program.model_id, False, ("left", "right"), False, program.scheme,
        (16, 16), graph.pixel_range,
    )  # fmt: skip
    history = History(
        "blobs", "0" * 64, (None, 5), OPTIONS, False, "host", 40, 120, TrainingCounters(40, 3)
    )
    return SavedState(origin, state, history, unfinished)


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
        (lambda h: h.update(format=2), "this version reads format 1, arithmetic"),
        (lambda h: h.update(numerics=1), "(format 1, arithmetic 1)"),
        (lambda h: h.pop("origin"), "the state file is damaged: 'origin'"),
        (lambda h: h["parts"].update(state=5), "its parts have"),
        (lambda h: h["parts"].update(state=-5), "the state file is damaged"),
        (lambda h: h["history"]["options"].update(epochs=0), "epochs must be at least 1"),
        (lambda h: h["history"]["options"].update(colour=3), "the state file is damaged"),
        (lambda h: h["origin"].update(resolution=[1]), "the state file is damaged"),
        (lambda h: h["unfinished"]["watch"].pop("rate"), "the state file is damaged"),
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


@pytest.fixture(scope="module")
def pack(program, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "blobs.npz"
    inputs, labels = blobs(program.request.graph, 400)
    split = np.arange(400) % 4 == 3
    names = np.array(["left", "right"])
    np.savez(path, inputs=inputs, labels=labels, split=split.astype(np.int8), class_names=names)
    return path


def kilograd(*arguments):
    return [sys.executable, "-c", "from kilograd.cli import main; main()", *map(str, arguments)]


def command(*arguments):
    done = subprocess.run(kilograd(*arguments), check=False, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def refused(*arguments):
    code, result, errors = command(*arguments)
    assert (code, result) == (2, None)
    return errors


@pytest.fixture(scope="module")
def learned(model, pack, tmp_path_factory):
    file = tmp_path_factory.mktemp("learned") / "learned.kgs"
    options = ["--scheme", "last:3", "--epochs", 2, "--lr", 0.05]
    code, result, errors = command(
        "train", model, "--data", pack, *options, "--save", file, "--json"
    )
    assert code == 0, errors
    return file, result


def test_the_command_goes_on_after_ctrl_c(model, pack, tmp_path):
    options = ["train", model, "--data", pack, "--device", "unicorn"]
    asked = ["--scheme", "last:3", "--epochs", 3]
    code, expected, _ = command(*options, *asked, "--json")
    assert code == 0
    file = tmp_path / "run.kgs"
    for waited in (4, 8, 16):  # for imports, before which nothing can be kept
        run = subprocess.Popen(
            kilograd(*options, *asked, "--save", file),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        time.sleep(waited)
        asked_at = time.monotonic()
        run.send_signal(signal.SIGINT)
        output, errors = run.communicate(timeout=60)
        if "The training was interrupted" in errors or run.returncode == 0:
            break
    if run.returncode == 0:
        pytest.skip("this computer was faster than Ctrl-C")
    assert run.returncode == 130, errors
    assert time.monotonic() - asked_at < 10
    assert output == ""
    assert "Exception ignored" not in errors
    assert "The training was interrupted after" in errors
    assert f"the same command with --resume {file} goes on" in errors
    code, result, errors = command(*options, "--resume", file, "--json")
    assert code == 0, errors
    for key in ("state_digest", "counters", "confusion_before", "confusion_after", "steps"):
        assert result[key] == expected[key], key
    assert read_state_file(file).unfinished is None
    assert "cannot be gone on with: it has all of its" in refused(*options, "--resume", file)


def test_what_was_learned_predicts_and_is_tested(model, pack, learned):
    file, result = learned
    code, tested, errors = command("evaluate", model, "--data", pack, "--state", file, "--json")
    assert code == 0, errors
    assert tested["accuracy"] == result["accuracy_after"]
    assert tested["confusion"] == result["confusion_after"]
    code, every, _ = command("evaluate", model, "--data", pack, "--state", file, "--all", "--json")
    assert (tested["samples"], every["samples"]) == (100, 400)


def test_images_are_predicted(model, learned, tmp_path):
    folder = tmp_path / "photos" / "deeper"
    folder.mkdir(parents=True)
    for name, columns in (("a", slice(0, 8)), ("b", slice(8, 16))):
        picture = np.full((16, 16, 3), 90, np.uint8)
        picture[:, columns] = 200
        Image.fromarray(picture).save(folder / f"{name}.png")
    file, _ = learned
    code, found, errors = command(
        "predict", model, folder.parent, folder / "a.png", "--state", file, "--json"
    )
    assert code == 0, errors
    names = [Path(one["file"]).name for one in found["predictions"]]
    assert names == ["a.png", "b.png", "a.png"]
    for one in found["predictions"]:
        shares = one["probabilities"]
        assert sum(shares.values()) == pytest.approx(1)
        assert one["class"] == max(shares, key=shares.get)
    shown = subprocess.run(
        kilograd("predict", model, folder, "--state", file),
        check=True,
        capture_output=True,
        text=True,
    )
    assert "likeliest" in shown.stdout
    assert shown.stderr == ""
    code, _, errors = command("predict", model, tmp_path / "photos" / "none.png", "--state", file)
    assert code == 2
    assert "there is no such file or folder" in errors


@needs("gcc")
def test_compiled_c_knows_what_was_learned(model, pack, learned, tmp_path):
    file, _ = learned
    code, _, errors = command(
        "compile", model, "--state", file, "--target", "portable", "-o", tmp_path / "c", "--json"
    )
    assert code == 0, errors
    data = load_dataset(pack, input_spec(load_model(str(model), 2)))
    samples = ", ".join(map(str, data.test.inputs.ravel().tolist()))
    (tmp_path / "main.c").write_text(
        f"""#include <stdio.h>
#include <string.h>
#include "kilograd.h"
static const int8_t samples[] = {{{samples}}};
int main(void)
{{
    printf("%d\\n", (int)kg_selftest());
    kg_init(0);
    for (uint32_t i = 0; i < sizeof samples / KG_INPUT_BYTES; i++) {{
        memcpy(kg_input(), samples + i * KG_INPUT_BYTES, KG_INPUT_BYTES);
        const int32_t *logits = kg_predict();
        printf("%d %d\\n", (int)logits[0], (int)logits[1]);
    }}
    return 0;
}}
"""
    )
    sources = sorted((tmp_path / "c").glob("*.c"))
    output = run_here("gcc", f"-O1 -I{tmp_path / 'c'}", [*sources, tmp_path / "main.c"], tmp_path)
    status, *lines = output.splitlines()
    assert status == "0"
    found = np.array([line.split() for line in lines], np.int32)
    saved_state = read_state_file(file)
    graph = load_model(str(model), 2)
    program = compile_model(graph, saved_state.origin.scheme)
    with open_device(program, "host") as device:
        device.write_state(saved_state.state)
        assert np.array_equal(found, [device.predict(sample) for sample in data.test.inputs])
    assert "left" in (tmp_path / "c" / "kg_model.h").read_text()


def test_states_of_something_else_are_refused(model, pack, learned, tmp_path):
    file, _ = learned
    other = native_model(seed=2).write(tmp_path / "other.npz")
    asked = ["--data", pack, "--state", file]
    assert "this state is of another tiny than this one" in refused("evaluate", other, *asked)
    assert "this state is of tiny, not of kilograd-48" in refused("evaluate", "kilograd-48", *asked)
    renamed = tmp_path / "renamed.npz"
    arrays = dict(np.load(pack))
    np.savez(renamed, **{**arrays, "class_names": np.array(["left", "middle"])})
    assert "are of the classes left, middle, and the state in" in refused(
        "evaluate", model, "--data", renamed, "--state", file
    )
    assert "is no state file" in refused("evaluate", model, "--data", pack, "--state", pack)


def test_no_other_file_is_overwritten(model, pack, tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"a photo")
    asked = ["train", model, "--data", pack, "--save", photo]
    assert "this file exists and is no state file of kilograd" in refused(*asked)
    assert photo.read_bytes() == b"a photo"
    code, _, errors = command(*asked, "--force")
    assert code == 0, errors
    assert is_state_file(photo)
    code, _, errors = command(*asked)
    assert code == 0, errors


def test_a_run_goes_on_as_it_began(model, program, pack, tmp_path):
    data = load_dataset(pack, input_spec(program.request.graph))
    error = interrupted(program, data, OPTIONS, 150)
    origin = saved(program, b"").origin
    history = History(
        "blobs", pack_digest(data), (None, None), OPTIONS, False, "host", error.steps, error.total,
        TrainingCounters(),
    )  # fmt: skip
    file = tmp_path / "run.kgs"
    SavedState(origin, error.state, history, error.unfinished).write(file)
    asked = ["train", model, "--data", pack, "--resume", file]
    for option, value, began in (
        ("--epochs", 9, 3), ("--lr", 0.1, 0.05), ("--seed", 1, 7), ("--scheme", "head", "last:3"),
    ):  # fmt: skip
        errors = refused(*asked, option, value)
        assert f"{option}: the run began with {began}, and goes on so, not with {value}" in errors
    assert "--stream: only runs of epochs can be gone on with" in refused(*asked, "--stream")
    other = tmp_path / "other.npz"
    arrays = dict(np.load(pack))
    np.savez(other, **{**arrays, "labels": 1 - arrays["labels"]})
    errors = refused("train", model, "--data", other, "--resume", file)
    assert "these are not the samples that the run in" in errors


def test_a_stream_keeps_what_it_learned_but_does_not_go_on(model, pack, tmp_path):
    file = tmp_path / "stream.kgs"
    code, _, errors = command("train", model, "--data", pack, "--stream", "--save", file)
    assert code == 0, errors
    assert read_state_file(file).history.is_stream
    errors = refused("train", model, "--data", pack, "--resume", file)
    assert "cannot be gone on with: it was a stream" in errors
