"""kilograd train --stream: what people see, and what one pass is worth on real packs."""

from pathlib import Path

import numpy as np
import pytest

from experiments.online import run as ledger
from kilograd.compiler import compile_model
from kilograd.data import Drift, load_dataset
from kilograd.device.open import open_device
from kilograd.device.snapshots import SnapshotCache
from kilograd.frontend.open import input_spec, load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_host_library
from kilograd.training.online import WINDOW, train_online
from kilograd.training.stream import OnlineOptions, make_online
from networks import blobs, native_model, tiny_graph

DATA = Path(__file__).parents[2] / "shared" / "data"
NAMES = ("red", "green", "blue")


# -- the command


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp("model"), fresh_classes=3)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def pack(tmp_path_factory, graph):
    path = tmp_path_factory.mktemp("data") / "blobs.npz"
    inputs, labels = blobs(graph, 90, classes=3)
    split = (np.arange(90) % 5 == 4).astype(np.int8)
    np.savez(path, inputs=inputs, labels=labels, split=split, class_names=np.array(NAMES))
    return path


def stream(kilograd, model, pack, *options):
    return kilograd("train", model, "--data", pack, "--stream", *options)


@pytest.mark.parametrize("change", [(), ("--new-class", "red"), ("--drift", "brightness:-40")])
def test_the_command(kilograd, model, pack, tmp_path, change):
    report, state = tmp_path / "r.html", tmp_path / "s.bin"
    options = (*change, "--lr", 0.01, "--json")
    kept = ("--report", report, "--save", state)
    outcome = stream(kilograd, model, pack, *options, *kept)
    result = outcome.json
    assert (result["steps"], result["train_samples"], result["test_samples"]) == (72, 72, 18)
    figures = result["stream"]
    assert (figures["samples"], figures["repeats"], figures["window"]) == (72, 1, WINDOW)
    assert figures["prequential_curve"][-1] == [72, figures["prequential_accuracy"]]
    assert "one pass: 72 samples, each seen once" in outcome.err
    page = report.read_text(encoding="utf-8")
    assert state.is_file()
    assert ("The change: " in page) == bool(change)
    reference = stream(kilograd, model, pack, *options, "--device", "unicorn").json
    assert reference["state_digest"] == result["state_digest"]
    assert reference["stream"] == figures
    assert reference["sram_total_bytes"] == result["sram_total_bytes"]
    if not change:
        assert figures["change"] is None
        return
    told = figures["change"]
    name = "new class red" if change[1] == "red" else "drift brightness:-40"
    assert name in outcome.err
    assert name in page
    assert (told["sample"], told["change_at"]) == (36, 0.5)
    assert told["accuracy_end"] == result["accuracy_after"]
    assert [row["name"] for row in told["classes"]] == result["classes"]
    if change[1] == "red":
        assert result["classes"] == ["green", "blue", "red"]
        assert told["classes"][-1]["before"] is None
        assert told["classes"][-1]["not_learned"] == 0
        assert "red (new)" in outcome.err


def test_repeats_and_the_place_of_the_change(kilograd, model, pack):
    options = ("--new-class", "red", "--repeats", 2, "--change-at", 0.25)
    outcome = stream(kilograd, model, pack, *options, "--json")
    assert outcome.json["steps"] == 144
    assert outcome.json["stream"]["change"]["sample"] == 18
    assert "(2 training steps each)" in outcome.err


BAD = {
    "epochs": (("--stream", "--epochs", 1), "--epochs: a stream is seen once and has no epochs"),
    "schedule": (("--stream", "--schedule", "cosine"), "--schedule: the learning rate of a stream"),
    "class": (("--stream", "--new-class", "pink"), "--new-class: blobs has no class 'pink'"),
    "drift": (("--stream", "--drift", "fog:3"), "--drift: there is no drift 'fog'"),
    "amount": (("--stream", "--drift", "noise:x"), "--drift: the amount of a drift is a whole"),
    "no change": (("--stream", "--change-at", 0.3), "--change-at: nothing changes in this stream"),
    "change at 0": (
        ("--stream", "--drift", "noise:3", "--change-at", 0),
        "--change-at: the change happens at a share of the stream between 0 and 1, not at 0.0",
    ),
    "change at 1": (
        ("--stream", "--new-class", "red", "--change-at", 1),
        "--change-at: the change happens at a share of the stream between 0 and 1, not at 1.0",
    ),
    "too late": (
        ("--stream", "--new-class", "red", "--change-at", 0.9),
        "--change-at: 65 of the 72 samples come before the change, but only 48 are of other",
    ),
    "two": (
        ("--stream", "--new-class", "red", "--drift", "noise:3"),
        "--drift: a stream has one change: a new class or a drift, not both",
    ),
    "class alone": (("--new-class", "red"), "--new-class: this is an option of a stream"),
    "drift alone": (("--drift", "noise:3"), "--drift: this is an option of a stream"),
    "place alone": (("--change-at", 0.5), "--change-at: this is an option of a stream"),
    "repeats alone": (("--repeats", 2), "--repeats: this is an option of a stream"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_options(kilograd, model, pack, tmp_path, what):
    options, message = BAD[what]
    kept = ("--report", tmp_path / "r.html", "--save", tmp_path / "s.bin")
    outcome = kilograd("train", model, "--data", pack, *options, *kept, "--json")
    outcome.refused(f"error: {message}", "hint: ")
    assert list(tmp_path.iterdir()) == []


def test_a_new_class_among_two(kilograd, model, tmp_path, graph):
    inputs, labels = blobs(graph, 12)
    np.savez(tmp_path / "two.npz", inputs=inputs, labels=labels)
    outcome = stream(kilograd, model, tmp_path / "two.npz", "--new-class", "1")
    outcome.refused("--new-class: a new class needs two others", "hint: two has only 0 and 1")


# -- real packs: what one pass is worth


@pytest.fixture(scope="module")
def flowers(published):
    """One pass of MCUNet over five kinds of flowers; the frozen prefix runs once a sample."""
    path = DATA / "flowers5_128.npz"
    if not path.is_file():
        pytest.skip("the data packs are not here")
    name = str(published("mcunet-5fps"))
    spec = input_spec(load_model(name))
    data = load_dataset(path, spec, limit=500, test_limit=150)
    graph = load_model(name, len(data.class_names))
    program = compile_model(graph, load_scheme("mcunet-5fps/99kb", graph), get_target("host"))
    with SnapshotCache(
        build_host_library(program.for_target(get_target("host")).sources).path
    ) as device:

        def train(**changes):
            return train_online(device, make_online(data, spec, OnlineOptions(**changes)))

        yield train


def test_one_pass_learns(flowers):
    result = flowers()
    assert result.before.accuracy == pytest.approx(0.2)
    assert result.after.accuracy > 0.7
    assert result.online_accuracy[-1] > 0.6
    assert not result.divergences


def test_a_late_class_is_learned_and_the_others_stay(flowers):
    result = flowers(new_class="daisy")
    change = result.change
    assert change.after.recall[-1] == change.not_learned.recall[-1] == 0
    assert result.after.recall[-1] > 0.6
    assert result.after.accuracy > change.not_learned.accuracy + 0.08
    assert change.unchanged.accuracy > change.before.accuracy - 0.1


def test_noise_costs_accuracy_and_some_of_it_comes_back(flowers):
    result = flowers(drift=Drift("noise", 40))
    change = result.change
    lost = change.before.accuracy - change.after.accuracy
    assert lost > 0.15
    assert result.after.accuracy - change.not_learned.accuracy > 0.3 * lost
    assert not result.divergences


@pytest.mark.slow
def test_a_cell_of_the_ledger_reproduces(published):
    if not (DATA / "flowers17_128.npz").is_file():
        pytest.skip("the data packs are not here")
    published("mcunet-5fps")
    cell = ledger.Cell("flowers17", "head", ledger.NEW_CLASS)
    data = ledger.samples(cell.data, cell.scheme)
    program = ledger.program_for(data, cell.scheme)
    with open_device(program, "host") as device:
        row, _ = ledger.run(cell, 1, data, program, device)
    assert row == ledger.read()["runs"][cell.key(1)]
