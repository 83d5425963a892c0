"""A run's log, what a run says of how it was made, held-back samples and folds."""

import json
import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from command_line import command, kilograd, refused
from kilograd.cli.keeping import HOW_TO_KEEP, say_interrupted
from kilograd.data import Augmentation, load_dataset, pack_digest
from kilograd.device.open import open_device
from kilograd.errors import UserError
from kilograd.frontend.open import input_spec
from kilograd.ops.spec import TrainingCounters
from kilograd.training.loop import TrainingOptions, train
from kilograd.training.online import train_online
from kilograd.training.records import Record
from kilograd.training.run_log import COLUMNS, is_run_log, run_log
from kilograd.training.stream import OnlineOptions, make_online
from kilograd.training.unfinished import Interrupted
from kilograd.version import VERSION
from networks import native_model
from state_cases import blobs_pack, interrupted, tiny_program

OPTIONS = TrainingOptions(2, 0.01, seed=5)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def program(model):
    return tiny_program(model)


@pytest.fixture(scope="module")
def pack(program, tmp_path_factory):
    return blobs_pack(tmp_path_factory.mktemp("data") / "blobs.npz", program, 120)


@pytest.fixture(scope="module")
def dataset(program, pack):
    return load_dataset(pack, input_spec(program.request.graph))


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("device", ["host", "unicorn"])
def test_a_record_a_step(program, dataset, device):
    records = []
    with open_device(program, device) as opened:
        result = train(opened, dataset, OPTIONS, on_record=records.append)
        counters = opened.counters().training
    first, *steps, last = records
    assert (first.step, first.test_accuracy) == (0, result.before.accuracy)
    assert (last.step, last.test_accuracy) == (180, result.after.accuracy)
    assert last.counters == counters
    assert [record.step for record in steps] == list(range(1, 181))
    assert [record.loss for record in steps] == list(result.losses)
    assert [record.running_accuracy for record in steps] == list(result.online_accuracy)
    rate = OPTIONS.learning_rate(180)
    assert [record.learning_rate for record in steps] == [rate.value_at(k) for k in range(180)]
    assert max(record.learning_rate for record in steps) == rate.value
    assert [record.counters.steps for record in steps] == list(range(1, 181))


def test_a_stream_is_recorded_by_samples(program, dataset):
    spec, records = input_spec(program.request.graph), []
    stream = make_online(dataset, spec, OnlineOptions(rate=0.01, repeats=2))
    with open_device(program, "host") as device:
        result = train_online(device, stream, on_record=records.append)
    assert [record.step for record in records] == [0, *range(2, 181, 2), 180]
    assert [record.loss for record in records[1:-1]] == list(result.losses)
    rate = stream.options.rate
    assert all(record.learning_rate == pytest.approx(rate, rel=1e-4) for record in records[1:-1])


@pytest.mark.parametrize("device", ["host", "unicorn"])
def test_augmented_runs_are_the_same_on_every_device_and_can_be_gone_on_with(
    program, dataset, device
):
    spec = input_spec(program.request.graph)
    augment = Augmentation(flip=False, shift=1, brightness=20).of(spec, 5)

    def run(**options):
        with open_device(program, device) as opened:
            return train(opened, dataset, OPTIONS, **options).state_digest

    whole = run(augment=augment)
    assert whole != run()
    with open_device(program, "reference" if device == "unicorn" else "host") as opened:
        seen = []

        def watched(sample, step):
            seen.append(step)
            return augment(sample, step)

        assert train(opened, dataset, OPTIONS, augment=watched).state_digest == whole
    assert seen == list(range(180))
    left = interrupted(program, dataset, OPTIONS, 100, device=device).unfinished
    assert run(augment=augment, unfinished=left) != whole  # it began without
    left = interrupted(program, dataset, OPTIONS, 100, device=device, augment=augment).unfinished
    assert run(augment=augment, unfinished=left) == whole


@pytest.mark.thorough
def test_a_log_has_a_line_a_step(model, pack, tmp_path):
    log = tmp_path / "deep" / "run.jsonl"
    options = ("train", model, "--data", pack, "--epochs", 2, "--log", log)
    code, result, errors = command(*options, "--json")
    assert code == 0, errors
    found = lines(log)
    counters = set(vars(TrainingCounters())) - {"steps"}
    assert all(set(line) == {*COLUMNS, *counters} for line in found)
    assert [line["step"] for line in found] == [0, *range(1, 181), 180]
    assert found[0]["test_accuracy"] == result["accuracy_before"]
    assert found[-1]["test_accuracy"] == result["accuracy_after"]
    assert {name: found[-1][name] for name in counters} == {
        name: result["counters"][name] for name in counters
    }
    assert result["log"] == str(log)
    assert command(*options, "--json")[0] == 0  # a log is replaced
    other = tmp_path / "notes.txt"
    other.write_text("buy milk\n")
    assert "this file exists and is no run log of kilograd" in refused(*options[:-1], other)
    assert other.read_text() == "buy milk\n"
    assert command(*options[:-1], other, "--force", "--json")[0] == 0
    assert is_run_log(other)


@pytest.mark.thorough
def test_an_interrupted_run_goes_on_in_its_log(model, pack, tmp_path):
    log, state, whole = (tmp_path / name for name in ("run.jsonl", "a.kgs", "whole.jsonl"))
    options = ("train", model, "--data", pack, "--epochs", 60, "--augment", "flip,shift:2")
    with subprocess.Popen(
        kilograd(*options, "--save", state, "--log", log, "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        until = time.monotonic() + 60
        while not (log.exists() and log.stat().st_size > 30_000) and time.monotonic() < until:
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate()
        assert running.returncode == 130, errors
    done = lines(log)[-1]["step"]
    assert 0 < done < 5400
    with log.open("a") as file:
        file.write('{"step": 99')  # as when a computer stops
    asked = ("--resume", state, "--log", log, "--json")
    assert "the run began with flip,shift:2" in refused(*options[:-2], "--augment", "flip", *asked)
    code, resumed, errors = command(*options, *asked)
    assert code == 0, errors
    code, result, errors = command(*options, "--log", whole, "--json")
    assert code == 0, errors
    assert resumed["state_digest"] == result["state_digest"]
    assert resumed["augmentation"] == result["augmentation"] == "flip,shift:2"
    assert log.read_text() == whole.read_text()


def test_a_log_that_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match="the log cannot be written"), run_log(tmp_path):
        pytest.fail("a folder was opened")
    record = Record(1, TrainingCounters())
    with run_log(tmp_path / "a.jsonl") as log:
        log(record)
    assert is_run_log(tmp_path / "a.jsonl")
    assert not is_run_log(tmp_path)
    with (
        pytest.raises(UserError, match="the log cannot be written"),
        run_log(Path("/dev/full")) as log,
    ):
        log(record)


def test_a_run_says_how_it_was_made(model, program, pack, tmp_path):
    report = tmp_path / "report.html"
    code, result, errors = command(
        "train", model, "--data", pack, "--seed", 3, "--report", report, "--json"
    )
    assert code == 0, errors
    assert result["version"] == VERSION
    assert result["data_digest"] == pack_digest(
        load_dataset(pack, input_spec(program.request.graph), seed=3)
    )
    assert (result["epochs"], result["schedule"], result["seed"]) == (1, "cosine", 3)
    assert result["compiler"].startswith("zig ")
    assert abs(datetime.now().astimezone() - datetime.fromisoformat(result["date"])).days == 0
    assert result["command"].startswith(f"kilograd train {model} --data {pack} --seed 3")
    page = report.read_text()
    for fact in ("model_id", "data_digest", "version", "date", "command", "compiler"):
        assert str(result[fact]) in page, fact
    code, reference, _ = command("train", model, "--data", pack, "--device", "reference", "--json")
    assert (code, reference["compiler"], reference["model_id"]) == (0, None, result["model_id"])


def test_held_back_samples_judge(model, pack, tmp_path):
    log = tmp_path / "a.kgs"
    options = ("train", model, "--data", pack)
    code, result, errors = command(*options, "--validation", 0.2, "--save", log, "--json")
    assert code == 0, errors
    assert (result["train_samples"], result["test_samples"]) == (72, 18)
    assert result["validation"] == 0.2
    assert "held back of the training samples" in result["samples"]["notes"][-1]
    with np.load(pack) as contents:  # without its test samples, all is the same
        kept = {name: contents[name] for name in ("inputs", "labels", "split", "class_names")}
    kept["inputs"][kept["split"] == 1] = 0
    np.savez(tmp_path / "other.npz", **kept)
    other = ("train", model, "--data", tmp_path / "other.npz", "--validation", 0.2, "--json")
    code, same, _ = command(*other)
    assert code == 0
    for name in ("state_digest", "data_digest", "confusion_after"):
        assert same[name] == result[name], name


def test_folds(model, pack):
    code, result, errors = command("train", model, "--data", pack, "--folds", 3, "--json")
    assert code == 0, errors
    accuracies = [fold["accuracy_after"] for fold in result["folds"]]
    assert [fold["test_samples"] for fold in result["folds"]] == [30, 30, 30]
    assert result["accuracy_mean"] == pytest.approx(np.mean(accuracies))
    assert result["accuracy_deviation"] == pytest.approx(np.std(accuracies, ddof=1))
    assert np.sum(result["confusion"]) == 90
    assert len({fold["state_digest"] for fold in result["folds"]}) == 3
    assert len({fold["data_digest"] for fold in result["folds"]}) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--folds", 3, "--save", "a.kgs"), "error: --save: folds are several runs"),
        (("--folds", 3, "--stream"), "error: --stream: folds are several runs"),
        (("--folds", 3, "--validation", 0.1), "error: --validation: folds are several runs"),
        (("--folds", 99), "training samples for 99 folds"),
        (("--folds", 2, "--sram", "1KB"), "bytes of SRAM, budget 1,024"),
        (("--validation", 1.5), "error: --validation: a part between 0 and 1"),
        (("--validation", 0.1, "--test-limit", 4), "with --validation no test sample is looked"),
        (("--augment", "rotate"), "error: --augment: there is no augmentation 'rotate'"),
        (("--augment", "flip", "--stream"), "a stream's samples are learned as they come"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(model, pack, options, message):
    assert message in refused("train", model, "--data", pack, *options)


def test_features_are_not_augmented(tmp_path):
    errors = refused("train", "kilograd-kws", "--data", tmp_path, "--augment", "flip")
    assert "error: --augment: only images can be augmented" in errors


def page_code(language="python"):
    page = (Path(__file__).parent.parent / "docs" / "training-runs.md").read_text()
    return [block.split("```")[0] for block in page.split(f"```{language}\n")[1:]]


def test_the_page_reads_a_log(model, pack, tmp_path, monkeypatch):
    pytest.importorskip("pandas")
    assert command("train", model, "--data", pack, "--log", tmp_path / "run.jsonl")[0] == 0
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(page_code()[0], names)
    assert len(names["steps"]) == 90
    assert names["accuracy"] == lines(tmp_path / "run.jsonl")[-1]["test_accuracy"]


def test_the_page_feeds_tensorboard(model, pack, tmp_path, monkeypatch):
    pytest.importorskip("tensorboardX")
    assert command("train", model, "--data", pack, "--log", tmp_path / "run.jsonl")[0] == 0
    monkeypatch.chdir(tmp_path)
    exec(page_code()[1], {})
    assert any((tmp_path / "runs" / "first").iterdir())


class Recorder:
    def __init__(self):
        self.text = ""

    def print(self, text, **_style):
        self.text += text


def test_only_what_can_be_kept_says_how():
    stopped = Interrupted(b"", 3, 9)
    for how, end in (("", "Nothing of it was kept."), (HOW_TO_KEEP, "--save FILE keeps it.")):
        console = Recorder()
        say_interrupted(console, stopped, None, how)
        assert "interrupted after 3 of 9 steps" in console.text
        assert console.text.endswith(end)
